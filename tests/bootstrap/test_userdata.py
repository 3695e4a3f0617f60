"""User data: as kept, as the real validators want it, small, and told no more than is needed."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from bootstrap.nodes import (
    CA,
    GOLDEN,
    GOSSIP,
    KEY,
    SECRET,
    SYSTEMS_KEPT,
    fleet_node,
    guarded_node,
    kept,
    render,
    server_node,
    work_node,
)
from bootstrap.validators import IGNITION, cloud_init, ignition_program, ignition_validate
from vdc.bootstrap import layout
from vdc.bootstrap.cloudinit import meta_data, user_data
from vdc.bootstrap.ignition import ignition
from vdc.bootstrap.node import node_env, node_files

KEPT = kept()
CLOUD_CONFIGS = [name for name in KEPT if name.endswith(".yaml")]
IGNITIONS = [name for name in KEPT if name.endswith(".ign")]


@pytest.mark.parametrize("name", KEPT)
def test_it_is_as_kept(name):
    assert KEPT[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_nothing_else_is_kept():
    assert {file.name for file in GOLDEN.iterdir()} == KEPT.keys()


@pytest.mark.parametrize("name", CLOUD_CONFIGS)
def test_cloud_init_takes_it(name):
    assert cloud_init(GOLDEN / name) == ""


def test_cloud_init_would_refuse_what_is_wrong(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text(KEPT["server.yaml"].replace("permissions: '0600'", "permissions: 600"))
    assert "600 is not of type 'string'" in cloud_init(file)


@pytest.fixture(scope="module")
def validator():
    return ignition_program()


@pytest.mark.real
@pytest.mark.parametrize("name", IGNITIONS)
def test_ignition_takes_it(name, validator):
    assert ignition_validate(validator, GOLDEN / name) == ""


@pytest.mark.real
def test_ignition_would_refuse_what_is_wrong(validator, tmp_path):
    file = tmp_path / "wrong.ign"
    file.write_text(KEPT["server.ign"].replace("/etc/vdc/ca.pem", "ca.pem"))
    assert "path not absolute" in ignition_validate(validator, file)


def test_the_pinned_module_is_the_one_that_is_meant():
    text = (IGNITION.module / "go.mod").read_text()
    assert f"github.com/coreos/ignition/v2 v{IGNITION.version} " in text
    assert (IGNITION.module / "go.sum").is_file()


@pytest.mark.parametrize("system", SYSTEMS_KEPT)
def test_beside_the_ca_it_is_a_stub_of_4_kb(system):
    assert len(render(system, replace(work_node(), ca_cert="")).encode()) <= 4096


@pytest.mark.parametrize("system", SYSTEMS_KEPT)
def test_another_architecture_is_another_bundle_and_nothing_else(system):
    amd64, arm64 = work_node(), work_node(arch="arm64")
    assert render(system, arm64) != render(system, amd64)
    assert render(system, replace(arm64, bundle=amd64.bundle)) == render(system, amd64)


@pytest.mark.parametrize("system", SYSTEMS_KEPT)
@pytest.mark.parametrize("node", [work_node(), fleet_node(), guarded_node(), server_node()])
def test_every_system_gets_the_same_files(system, node):
    assert written(render(system, node)) == {
        str(file.path): (file.content, file.mode) for file in node_files(node)
    }


def written(text: str) -> dict[str, tuple[str, int]]:
    """Files that the text makes a machine write, read as its system reads it."""
    if text.startswith("#cloud-config\n"):
        files = {
            file["path"]: (file["content"], int(file.get("permissions", "0644"), 8))
            for file in yaml.safe_load(text)["write_files"]
        }
        del files[str(layout.BOOT_UNIT)]
        return files
    prefix = "data:;base64,"
    files = {
        file["path"]: (
            base64.b64decode(file["contents"]["source"].removeprefix(prefix)).decode(),
            file.get("mode", 0o644),
        )
        for file in json.loads(text)["storage"]["files"]
    }
    files.pop("/etc/hostname", None)
    return files


def test_secrets_are_readable_by_root_only():
    for node in (work_node(), server_node()):
        for file in node_files(node):
            secret = any(word in file.content for word in (SECRET, GOSSIP, KEY))
            assert not secret or file.mode == 0o600


def test_secrets_are_not_shown():
    shown = repr(work_node()) + repr(server_node()) + repr(node_files(server_node()))
    assert not any(word in shown for word in (SECRET, GOSSIP, KEY))


def test_a_work_node_is_told_no_private_key():
    assert "PRIVATE KEY" not in "".join(file.content for file in node_files(work_node()))


def test_a_work_node_runs_nothing_as_root_and_listens_to_nobody_else():
    config = json.loads(work_node().agent_json)
    assert config["addresses"] == {"http": "127.0.0.1"}
    for plugin in config["plugin"]:
        ((driver,),) = plugin.values()
        assert driver["config"][0]["denied_host_uids"] == "0,1000-60899,60901-65533"
    assert config["client"]["meta"]["work_user"] == layout.WORK_USER


def test_facts_are_read_by_a_shell_as_they_were_meant(tmp_path):
    file = tmp_path / "node.env"
    file.write_text(node_env(guarded_node()))
    shell = shutil.which("dash") or "sh"
    said = subprocess.run(
        [shell, "-euc", f". {shlex.quote(str(file))}; set"],
        capture_output=True,
        text=True,
        env={},
        check=True,
    ).stdout
    facts = dict(re.findall(r"^(\w+)=(.*)$", said.replace("'\"'\"'", "’").replace("'", ""), re.M))
    assert facts["VDC_ENDPOINTS"] == "https://[2001:db8::1]:8443 https://pool.example.org:8443"
    assert facts["VDC_PAYLOAD"] == "/srv/it’s here"
    assert facts["no_proxy"] == (
        "localhost,127.0.0.1,2001:db8::1,pool.example.org,.example.org,10.0.0.0/8"
    )


def test_ports_that_others_dial():
    assert work_node().open_ports == ("20000-32000/tcp",)
    assert server_node().open_ports == (
        "4646/tcp", "4647/tcp", "4648/tcp", "8443/tcp", "4648/udp",
    )  # fmt: skip


def test_other_user_data_is_another_instance():
    node = work_node()
    first = meta_data(node, user_data(node))
    assert first == meta_data(node, user_data(node))
    assert first != meta_data(node, user_data(replace(node, ca_cert=CA + "\n")))
    assert yaml.safe_load(first)["local-hostname"] == node.name


def test_a_machine_takes_its_name():
    node = work_node()
    assert yaml.safe_load(user_data(node))["hostname"] == node.name
    (name,) = (
        file
        for file in json.loads(ignition(node))["storage"]["files"]
        if file["path"] == "/etc/hostname"
    )
    assert name["overwrite"]


def test_machines_that_are_told_the_same_are_told_no_name():
    node = fleet_node()
    assert "hostname" not in yaml.safe_load(user_data(node))
    paths = [file["path"] for file in json.loads(ignition(node))["storage"]["files"]]
    assert "/etc/hostname" not in paths
    facts = node_env(node).splitlines()
    assert "VDC_NAME_PREFIX=dc-rack-workers" in facts
    assert not any(fact.startswith("VDC_NAME=") for fact in facts)
    assert json.loads(node.agent_json)["name"] == layout.NAMELESS
