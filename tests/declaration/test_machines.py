"""Sites whose machines are machines: what their models say beside their fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from vdc.declaration import load
from vdc.declaration.finding import shorten
from vdc.declaration.registry import KINDS
from vdc.declaration.sites.libvirt import Host
from vdc.plan import plan

CASES = Path(__file__).parents[1] / "cases"
GOOD = sorted(CASES.glob("declaration.ok.*.yaml"))


@pytest.mark.parametrize(
    ("uri", "driver", "here", "computer"),
    [
        ("qemu:///system", "qemu", True, ""),
        ("lxc:///", "lxc", True, ""),
        ("qemu+unix:///system?socket=/run/a/libvirt-sock", "qemu", True, "/run/a/libvirt-sock"),
        ("qemu+ssh://root@A.example.org/system", "qemu", False, "a.example.org"),
        ("lxc+tls://a.example.org:16514/system", "lxc", False, "a.example.org:16514"),
        ("qemu+ssh://[2001:db8::1]/system?keyfile=/k", "qemu", False, "2001:db8::1"),
    ],
)
def test_a_host_s_address_says_what_it_is(uri, driver, here, computer):
    host = Host(uri=uri)
    assert (host.driver, host.is_here, host.computer) == (driver, here, computer)


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_kind_reads_its_sites_back_from_the_plan(file):
    declaration = load(file)
    for site in plan(declaration).sites:
        model = KINDS[site.kind].site
        assert model.model_validate_json(site.declared) == declaration.sites[site.name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_where_its_machines_are(kind):
    assert isinstance(KINDS[kind].on_this_machine, bool)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:planted@proxy:3128", "http://user:***@proxy:3128"),
        ("http://:planted@proxy:3128", "http://:***@proxy:3128"),
        ("-----BEGIN PRIVATE KEY-----\nplanted", "-----BEGIN PRIVATE KEY-----..."),
        ("http://proxy:3128/a@b", "http://proxy:3128/a@b"),
    ],
)
def test_messages_leave_secrets_out(text, shown):
    assert shorten(text) == shown
