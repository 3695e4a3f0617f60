"""A site leaves the declaration by mistake, and on purpose; with plain `pulumi`, too."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml

from e2e.checkout import SITE, Checkout, Done
from e2e.eventually import eventually

pytestmark = [pytest.mark.real, pytest.mark.long]

SIZE = {"cpu": 1, "memory": "1GiB", "disk": "1GiB"}
# Work that takes its time to end.
STUCK = {
    "ID": "stuck",
    "Datacenters": ["there"],
    "TaskGroups": [
        {
            "Name": "stuck",
            "Tasks": [
                {
                    "Name": "stuck",
                    "Driver": "raw_exec",
                    "Config": {
                        "command": "/bin/sh",
                        "args": ["-c", "trap '' INT TERM; while :; do sleep 1; done"],
                    },
                    "KillTimeout": 25_000_000_000,
                    "Resources": {"CPU": 50, "MemoryMB": 32},
                }
            ],
        }
    ],
}


def test_a_site_goes_only_when_the_declaration_says_so(fresh: Checkout) -> None:
    there = {"kind": "local", "groups": {"extra": {"count": 1, "size": SIZE}}}
    declare(fresh, sites={"there": there})
    fresh.vdc("up", "--yes")
    both = sorted([*fresh.names(1), f"{fresh.stack}-there-extra-0"])
    assert fresh.ready() == both

    declare(fresh)
    for refused in (
        fresh.vdc("up", "--yes", code=1),
        fresh.pulumi("preview", code=1),
        fresh.pulumi("up", "--yes", "--skip-preview", code=1),
    ):
        assert_refused(refused)
    assert fresh.ready() == both

    declare(fresh, dropping=["there"])
    fresh.pulumi("up", "--yes", "--skip-preview")
    assert fresh.ready() == fresh.names(1)
    declare(fresh)
    assert "unchanged" in fresh.pulumi("up", "--yes", "--skip-preview").stdout
    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def test_a_site_whose_machines_could_not_go_does_not_leave_in_silence(fresh: Checkout) -> None:
    """Its groups were struck first, and the work on them did not move."""
    extra = {"count": 1, "size": SIZE, "drain": {"deadline": "5s"}}
    declare(fresh, sites={"there": {"kind": "local", "groups": {"extra": extra}}})
    fresh.vdc("up", "--yes")
    with fresh.scheduler() as scheduler:
        scheduler.post("/v1/jobs", json={"Job": STUCK}).raise_for_status()
        eventually("it runs", lambda: _runs(scheduler))

    declare(fresh, sites={"there": {"kind": "local"}})
    assert "still runs" in fresh.vdc("up", "--yes", code=1).text

    declare(fresh)
    assert_refused(fresh.vdc("up", "--yes", code=1))
    assert f"{fresh.stack}-there-extra-0" in fresh.registered()

    with fresh.scheduler() as scheduler:
        assert _runs(scheduler)  # it is whoever started it that ends it
        scheduler.delete(f"/v1/job/{STUCK['ID']}").raise_for_status()
        eventually("it has ended", lambda: not _runs(scheduler))
    declare(fresh, dropping=["there"])
    fresh.vdc("up", "--yes")
    assert sorted(fresh.registered()) == fresh.names(1)
    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def _runs(scheduler: httpx.Client) -> bool:
    found = scheduler.get(f"/v1/job/{STUCK['ID']}/allocations").json()
    return [each["ClientStatus"] for each in found] == ["running"]


def assert_refused(done: Done) -> None:
    """One line that says the way out."""
    said = [line for line in done.text.splitlines() if "property sites.there" in line]
    assert len({line.partition("error:")[2] for line in said}) == 1
    assert "is no longer declared" in said[0]
    assert said[0].endswith("dropping: [there]")


def declare(checkout: Checkout, sites: dict[str, Any] | None = None, **more: Any) -> None:
    """One site with a worker, and more."""
    checkout.declare(workers=1)
    document = yaml.safe_load(checkout.declaration.read_text())
    document["sites"] |= sites or {}
    assert SITE in document["sites"]
    checkout.declaration.write_text(yaml.safe_dump({**document, **more}, sort_keys=False))
