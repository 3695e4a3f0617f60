"""A site leaves the declaration by mistake, and on purpose; with plain `pulumi`, too."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from e2e.checkout import SITE, Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]

SIZE = {"cpu": 1, "memory": "1GiB", "disk": "1GiB"}


def test_a_site_with_machines_goes_only_when_the_declaration_says_so(fresh: Checkout) -> None:
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
        said = [line for line in refused.text.splitlines() if "property sites.there" in line]
        assert len({line.partition("error:")[2] for line in said}) == 1
        assert "still has machines" in said[0]
        assert said[0].endswith("dropping: [there]")
    assert fresh.ready() == both

    declare(fresh, dropping=["there"])
    fresh.pulumi("up", "--yes", "--skip-preview")
    assert fresh.ready() == fresh.names(1)
    declare(fresh)
    assert "unchanged" in fresh.pulumi("up", "--yes", "--skip-preview").stdout
    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def declare(checkout: Checkout, sites: dict[str, Any] | None = None, **more: Any) -> None:
    """One site with a worker, and more."""
    checkout.declare(workers=1)
    document = yaml.safe_load(checkout.declaration.read_text())
    document["sites"] |= sites or {}
    assert SITE in document["sites"]
    checkout.declaration.write_text(yaml.safe_dump({**document, **more}, sort_keys=False))
