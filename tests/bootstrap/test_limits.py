"""What a cloud does not hand to a machine is refused before it is asked."""

from __future__ import annotations

import pytest

from vdc.bootstrap.limits import checked
from vdc.errors import NodeError


def test_what_fits_comes_back_as_it_is():
    assert checked("x" * 16_384, 16_384, "group a") == "x" * 16_384
    assert checked("x" * 12, 16, "group a", encoded=True) == "x" * 12


@pytest.mark.parametrize(
    ("text", "limit", "encoded", "said"),
    [
        ("x" * 16_385, 16_384, False, "16,385 bytes long, and the cloud takes 16,384"),
        ("é" * 9, 17, False, "18 bytes long"),
        ("x" * 13, 16, True, "20 bytes long as base64, and the cloud takes 16"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_figures(text, limit, encoded, said):
    with pytest.raises(NodeError) as raised:
        checked(text, limit, "group workers of site north", encoded=encoded)
    assert str(raised.value).startswith("group workers of site north: ")
    assert said in str(raised.value)
    assert text not in str(raised.value)
