"""The pins agree with each other, and the addresses are those of the publishers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from vdc.errors import ToolchainError
from vdc.toolchain.pins import NOMAD, PINS, PULUMI, Platform

GO = shutil.which("go")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.engine)
def test_go_module_has_the_pinned_version(pin) -> None:
    required = (pin.module / "go.mod").read_text()
    module = re.escape(pin.build.package.removesuffix("/cmd/pulumi"))
    assert re.search(rf"^\t{module} v{re.escape(pin.version)}( |$)", required, re.MULTILINE)
    assert (pin.module / "go.sum").is_file()


def test_python_sdk_has_the_version_of_the_engine() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"pulumi=={PULUMI.version}" in project["dependencies"]


@pytest.mark.parametrize(
    ("pin", "target", "name"),
    [
        (PULUMI, Platform("linux", "amd64"), "pulumi-v{}-linux-x64.tar.gz"),
        (PULUMI, Platform("darwin", "arm64"), "pulumi-v{}-darwin-arm64.tar.gz"),
        (NOMAD, Platform("linux", "arm64"), "nomad_{}_linux_arm64.zip"),
        (NOMAD, Platform("darwin", "amd64"), "nomad_{}_darwin_amd64.zip"),
    ],
)
def test_archives_bear_the_names_of_their_publishers(pin, target, name) -> None:
    assert pin.release.addresses(pin.version, target, {}).name == name.format(pin.version)


def test_official_addresses() -> None:
    linux = Platform("linux", "amd64")
    pulumi = PULUMI.release.addresses("1.2.3", linux, {})
    assert pulumi.archive == "https://get.pulumi.com/releases/sdk/pulumi-v1.2.3-linux-x64.tar.gz"
    assert pulumi.sums == (
        "https://github.com/pulumi/pulumi/releases/download/v1.2.3/pulumi-1.2.3-checksums.txt"
    )
    nomad = NOMAD.release.addresses("1.2.3", linux, {})
    folder = "https://releases.hashicorp.com/nomad/1.2.3"
    assert nomad.archive == f"{folder}/nomad_1.2.3_linux_amd64.zip"
    assert nomad.sums == f"{folder}/nomad_1.2.3_SHA256SUMS"


def test_a_mirror_holds_archive_and_sums_in_one_folder() -> None:
    mirror = {"VDC_NOMAD_RELEASES": "https://mirror.example/nomad/{version}/"}
    addresses = NOMAD.release.addresses("1.2.3", Platform("linux", "amd64"), mirror)
    assert addresses.archive == "https://mirror.example/nomad/1.2.3/nomad_1.2.3_linux_amd64.zip"
    assert addresses.sums == "https://mirror.example/nomad/1.2.3/nomad_1.2.3_SHA256SUMS"


@pytest.mark.parametrize("target", [Platform("linux", "riscv64"), Platform("windows", "amd64")])
def test_a_platform_without_a_release_is_named(target) -> None:
    with pytest.raises(ToolchainError, match=f"{target.system} on {target.machine}"):
        NOMAD.release.addresses("1.2.3", target, {})


@pytest.mark.skipif(GO is None, reason="asks Go")
@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.engine)
def test_go_reads_the_module(pin) -> None:
    answer = subprocess.run(
        [GO, "mod", "edit", "-json"], cwd=pin.module, capture_output=True, check=True
    )
    module = json.loads(answer.stdout)
    assert module["Tool"] == [{"Path": pin.build.package}]


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="asks Go")
def test_our_own_go_is_formatted() -> None:
    sources = list((ROOT / "toolchain").glob("*/*/*.go"))
    said = subprocess.run(["gofmt", "-l", *sources], capture_output=True, text=True, check=True)
    assert (bool(sources), said.stdout) == (True, "")
