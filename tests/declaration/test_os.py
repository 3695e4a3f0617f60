"""What is known of operating systems, and what of their images nobody has verified."""

from __future__ import annotations

from typing import get_args
from urllib.parse import urlsplit

import pytest

from vdc.declaration.os import IMAGE, SYSTEMS, Arch, Name, OperatingSystem

EVERY = [(name, version) for name, system in SYSTEMS.items() for version in system.releases]


def test_every_name_that_can_be_declared_is_a_known_system():
    assert tuple(SYSTEMS) == get_args(Name)


@pytest.mark.parametrize(("name", "version"), EVERY)
@pytest.mark.parametrize("arch", get_args(Arch))
def test_every_address_of_an_image_is_whole_and_has_no_sum(name, version, arch):
    os = OperatingSystem(name=name, version=version, arch=arch)
    assert os.sha256 is None, "the latest image has another sum tomorrow"
    if os.image_url is None:
        assert name in ("rhel", "fedora-coreos")
        return
    assert IMAGE.fits(os.image_url)
    assert urlsplit(os.image_url).scheme == "https"
    assert arch in os.image_url or {"amd64": "x86_64", "arm64": "aarch64"}[arch] in os.image_url


def test_what_carries_the_control_plane_has_a_python_of_its_own_that_is_new_enough():
    able = [f"{name} {v}" for name, v in EVERY if SYSTEMS[name].releases[v].carries_control]
    assert able == [
        "debian 12", "debian 13", "ubuntu 24.04", "rhel 10", "centos-stream 10", "rocky 10",
    ]  # fmt: skip


def test_systems_that_start_by_ignition_are_the_immutable_ones():
    ignition = {name for name, system in SYSTEMS.items() if system.init == "ignition"}
    assert ignition == {"fedora-coreos", "flatcar"}


def test_an_image_of_the_user_s_own_goes_before_the_publisher_s():
    image = {"url": "/srv/debian.qcow2", "sha256": "0" * 64}
    os = OperatingSystem.model_validate({"name": "debian", "version": "12", "image": image})
    assert (os.image_url, os.sha256) == ("/srv/debian.qcow2", "0" * 64)
