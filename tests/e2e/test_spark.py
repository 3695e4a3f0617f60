"""Spark computes pi on the pool, however the data centre is brought up; see `test_user`, too."""

from __future__ import annotations

import pytest

from e2e.checkout import Checkout
from e2e.spark import ByPulumi, ByVdc, computes_and_goes

pytestmark = [pytest.mark.real, pytest.mark.long]


def test_pi_is_computed_on_two_agents_and_another_cluster_runs_beside(fresh: Checkout) -> None:
    computes_and_goes(ByVdc(fresh))


def test_the_same_with_pulumi_alone(fresh: Checkout) -> None:
    computes_and_goes(ByPulumi(fresh))
