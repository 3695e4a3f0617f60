"""Right programs through the real engine and the stand-in for OpenStack, against a lab's API."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from openstack.connection import Connection

from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import CLOUD, EXTERNAL, belongings, member
from labs.standin import program as programs
from labs.standin.openstack import OpenStack
from labs.standin.wrong import CASES, names, said

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl lab"
PROGRAM = Path(programs.__file__).with_name("programs") / "openstack.py"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture
def api(lab: Lab) -> Iterator[Connection]:
    """As the program's user reaches it; what was there before is all that is there after."""
    with closing(member(lab.clouds)) as api:
        before = belongings(api)
        yield api
        assert sorted(belongings(api)) == sorted(before)


def test_everything_is_made_kept_changed_refreshed_and_removed(tmp_path, lab, api):
    stack = programs.program(tmp_path / "program", OS_CLIENT_CONFIG_FILE=str(lab.clouds))
    stack.configure({"cloud": CLOUD, "outside": EXTERNAL, "key": KEY})
    stack.up(PROGRAM.read_text(encoding="utf-8"))
    made = stack.resources()
    group = api.network.get_security_group(made["inside"]["id"])
    assert {rule["id"] for rule in group.security_group_rules} == {
        made["ssh"]["id"],
        made["each-other"]["id"],
    }
    stack.up(None, "--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--expect-no-changes")

    # What can be is changed in place; a rule is always made anew.
    stack.configure({"name": "other", "resolver": "192.0.2.54", "from": "10.1.0.0/16"})
    stack.configure({"tags": json.dumps(["a=b"])})
    stack.up()
    now = stack.resources()
    assert {n for n in made if now[n].get("id") != made[n].get("id")} == {"ssh"}
    group = api.network.get_security_group(made["inside"]["id"])
    assert (group.name, sorted(group.tags)) == ("other", ["a=b", "vdc-stack=lab"])

    # What was removed behind its back is seen and made again.
    api.network.delete_security_group_rule(now["each-other"]["id"])
    stack.pulumi("refresh", "--yes")
    assert "each-other" not in stack.resources()
    assert "+ 1 created" in stack.up()
    stack.pulumi("destroy", "--yes")


@pytest.mark.parametrize("name", [n for n in names("openstack") if ".dangling_" in n])
def test_a_reference_to_nothing_is_refused_with_exactly_these_lines(name, lab, monkeypatch):
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds))
    monkeypatch.setenv("OS_CLOUD", CLOUD)
    expected = (CASES / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert "".join(f"{line}\n" for line in asyncio.run(said(OpenStack(), name))) == expected
