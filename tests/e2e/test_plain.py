"""Plain `pulumi` and no `vdc` in between, after `eval "$(vdc env)"`."""

from __future__ import annotations

import pytest

from e2e.checkout import Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]


def test_pulumi_alone_makes_changes_and_removes_everything(fresh: Checkout) -> None:
    fresh.pulumi("up", "--yes")
    assert fresh.ready() == fresh.names(3)
    assert "9 unchanged" in fresh.pulumi("preview").stdout

    fresh.declare(workers=1)
    assert "-" in fresh.pulumi("preview", "--diff").stdout
    fresh.pulumi("up", "--yes", "--skip-preview")
    assert fresh.ready() == fresh.names(1)

    fresh.pulumi("destroy", "--yes")
    assert fresh.left_by_pulumi() == []
