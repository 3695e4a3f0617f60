"""Every built-in package: whole, described, and understood by the scheduler's own parser."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from nomad_lab import nomad_binary
from vdc.errors import PackageError
from vdc.library import Call, Facts, Package, Rendered, load
from vdc.library.loading import BUILT_IN

PACKAGES = load().packages
ALL = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
CALL = Call("run-1", b"print(1)\n", ("a b", "${c}", "{{ d }}"))


def parsed(rendered: Rendered, folder: Path) -> dict[str, Any]:
    """The job as the scheduler understands it; refuses variables that the job does not declare."""
    (folder / "job.hcl").write_text(rendered.hcl)
    declared = set(re.findall(r'^variable "(\w+)"', rendered.hcl, re.MULTILINE))
    lines = rendered.variables.splitlines(keepends=True)
    kept = [line for line in lines if line.partition(" = ")[0] in declared]
    (folder / "vars.hcl").write_text("".join(kept))
    command = [nomad_binary(), "job", "run", "-output", "-var-file=vars.hcl", "job.hcl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    job: dict[str, Any] = json.loads(done.stdout)["Job"]
    return job


@cache
def spark() -> Package:
    return load().get("spark")


@ALL
def test_its_example_fits_its_options(package):
    example = yaml.safe_load((BUILT_IN / package.name / "example.yaml").read_text())
    assert package.check(example)


@ALL
def test_its_readme_explains_every_option(package):
    for option in package.options_schema["properties"]:
        assert f"| `{option}` |" in package.readme


@ALL
def test_its_icon_is_an_image_without_active_parts(package):
    root = ET.fromstring(package.icon)  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"script|href|\bon\w+=", package.icon)


@ALL
def test_every_option_is_a_variable_of_a_job_and_the_other_way_round(package):
    texts = [package.job_hcl, *(command.job_hcl for command in package.commands.values())]
    declared = set(re.findall(r'^variable "(\w+)"', "\n".join(texts), re.MULTILINE))
    given = {"app", "artifacts", "datacenters", "files", "node_pool", "run", "program", "args"}
    assert set(package.options_schema["properties"]) == declared - given


@pytest.mark.real
@ALL
def test_its_job_files_are_formatted(package):
    for file in (BUILT_IN / package.name).glob("*.hcl"):
        subprocess.run([nomad_binary(), "fmt", "-check", str(file)], check=True)


@pytest.mark.real
@ALL
def test_its_job_is_named_after_the_app_and_publishes_its_endpoints(package, tmp_path):
    job = parsed(package.render("mine", {}, Facts(("here",), "gpu")), tmp_path)
    assert (job["ID"], job["Name"]) == ("mine", "mine")
    assert (job["Datacenters"], job["NodePool"]) == (["here"], "gpu")
    services = {
        service["Name"]
        for group in job["TaskGroups"]
        for place in (group, *group["Tasks"])
        for service in place["Services"] or []
    }
    assert {endpoint.service("mine") for endpoint in package.endpoints} <= services
    assert all(name.startswith("mine-") for name in services)
    counts = {group["Name"]: group["Count"] for group in job["TaskGroups"]}
    for group, option in package.scale:
        assert counts[group] == package.check({})[option]


@pytest.mark.real
@ALL
def test_no_port_is_fixed(package, tmp_path):
    for group in parsed(package.render("mine", {}, Facts()), tmp_path)["TaskGroups"]:
        for network in group["Networks"]:
            assert not network["ReservedPorts"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("package", "command"),
    [(package, command) for package in PACKAGES for command in package.commands],
    ids=lambda value: getattr(value, "name", value),
)
def test_its_commands_are_batch_jobs_that_run_once(package, command, tmp_path):
    rendered = package.render_command(command, "mine", CALL, {}, Facts())
    job = parsed(rendered, tmp_path)
    assert (job["ID"], job["Type"]) == ("run-1", "batch")
    for group in job["TaskGroups"]:
        assert group["RestartPolicy"]["Attempts"] == 0
        assert group["ReschedulePolicy"]["Attempts"] == 0


def test_rendering_is_pure_and_checked():
    package = load().get("hello")
    assert package.render("web", {"count": 3}, Facts()) == package.render(
        "web", {"count": 3, "message": "Hello from the pool"}, Facts()
    )
    with pytest.raises(PackageError, match="option count is less than 0"):
        package.render("web", {"count": -1}, Facts())
    with pytest.raises(PackageError, match="cannot be used"):
        package.render("web", {"message": "\ud800"}, Facts())


def test_programs_and_values_stay_out_of_reprs():
    rendered = spark().render_command("submit", "pi", CALL, {}, Facts())
    assert "print(1)" not in repr(CALL)
    assert "program" not in repr(rendered).partition("variables")[2]
    assert "variables" not in repr(rendered)


def test_unknown_commands_and_examples_are_answered_with_those_there_are():
    with pytest.raises(PackageError, match="spark has no command 'sumbit'; there are: submit"):
        spark().render_command("sumbit", "pi", CALL, {}, Facts())
    with pytest.raises(PackageError, match="submit has no example 'e'; there are: pi"):
        spark().commands["submit"].example("e")


def test_a_program_may_not_be_larger_than_a_job_carries():
    with pytest.raises(PackageError, match="262,145 bytes"):
        spark().render_command("submit", "pi", Call("run-1", bytes(262_145)), {}, Facts())


def test_scaling_is_setting_the_option_that_counts():
    assert spark().scaled({"cores": 2}, 5) == {"workers": 5, "cores": 2, "memory": 1024}
    assert spark().scaled({}, 5, "worker")["workers"] == 5
    with pytest.raises(PackageError, match="cannot scale master; it can: worker"):
        spark().scaled({}, 2, "master")
    with pytest.raises(PackageError, match="option workers is less than 1"):
        spark().scaled({}, 0)


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        ({"aliveworkers": 2}, True),
        ({"aliveworkers": 1}, False),
        ({"workers": []}, False),
        ([], False),
        (None, False),
    ],
)
def test_spark_is_well_when_its_master_counts_every_worker(answer, well):
    (check,) = spark().health
    assert check.met(answer, spark().check({})) is well
