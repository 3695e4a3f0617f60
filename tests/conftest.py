"""What holds for every test."""

from collections import Counter

import pytest
from hypothesis import settings

# A deadline measures the machine; the same examples each time make a failure the code's own.
settings.register_profile("vdc", deadline=None, derandomize=True)
settings.load_profile("vdc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most tests on engines come first: the others fill the gaps, to the end."""
    waiting = Counter(item.path for item in items if item.get_closest_marker("real"))
    items.sort(key=lambda item: -waiting[item.path])
