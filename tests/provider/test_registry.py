"""Which types the provider serves."""

from importlib import import_module

import pytest

from vdc.declaration.kinds import NAMES
from vdc.provider.registry import maker


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_has_node_groups_of_its_own_or_groups_that_its_cloud_keeps(name):
    token = f"vdc:{name}:NodeGroup"
    make, kind = maker(token), import_module(f"vdc.provider.drivers.{name}")
    assert (make is None) == callable(getattr(kind, "fleet", None))
    if make:
        assert make().token == token


def test_a_type_that_nobody_serves_has_no_maker():
    assert maker("vdc:pool:Nothing") is None
    assert maker("vdc:nowhere:NodeGroup") is None
