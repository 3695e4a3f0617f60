"""How single values are read, and what is said of those that cannot be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from vdc.declaration.addresses import ADDRESS
from vdc.declaration.forms import DURATION, PRICE, SIZE, UnfitError
from vdc.declaration.registry import FORMS

CHOSEN_BY_OTHERS = {
    "label-value", "bridge", "storage-pool", "cloud", "openstack-resource", "aws-profile",
}  # fmt: skip
"""Forms of names that follow no rule of ours: nearly any text is one."""


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("512MiB", 512 * 2**20),
        ("4GiB", 4 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("2TB", 2 * 10**12),
        ("0.1MB", 100_000),
        ("0.0000003MiB", 1),
    ],
)
def test_sizes_are_bytes_rounded_up(text, amount):
    assert SIZE.read(text).amount == amount


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("90s", 90), ("1h30m", 5400), ("0s", 0), ("1h1s", 3601)]
)
def test_durations_are_seconds(text, seconds):
    assert DURATION.read(text).amount == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "30m1h", "5m ", "5m\n", "-5m", "1.5h", "5M"])
def test_other_durations_are_refused(text):
    with pytest.raises(UnfitError):
        DURATION.read(text)


@pytest.mark.parametrize(
    ("written", "price"),
    [(0, "0"), (2, "2"), (Decimal("0.02"), "0.02"), ("0.02", "0.02"), (0.1, "0.1")],
)
def test_prices_are_exact_whether_number_or_text(written, price):
    assert PRICE.read(written) == Decimal(price)


@pytest.mark.parametrize("written", [True, None, [], "NaN", "1e3", float("nan"), "١"])
def test_no_form_takes_what_only_looks_like_a_value(written):
    for form in FORMS.values():
        if form.name in CHOSEN_BY_OTHERS and isinstance(written, str):
            continue
        with pytest.raises(UnfitError):
            form.read(written)


def test_bounds_are_inclusive_and_say_so():
    assert SIZE.read("64MiB", least="64MiB", most="64MiB").amount == 2**26
    with pytest.raises(UnfitError, match="is less than 1GiB; write 1GiB or more"):
        SIZE.read("1023MiB", least="1GiB")


def test_equal_amounts_are_equal_however_written():
    assert SIZE.read("1GiB") == SIZE.read("1024MiB")
    assert DURATION.read("90s") == DURATION.read("1m30s")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_example_is_right(form):
    form.read(form.example)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_value_s_text_is_read_back_as_the_same_value(form):
    value = form.read(form.example)
    assert form.read(form.text(value)) == value


@pytest.mark.parametrize(
    ("form", "one", "other", "text"),
    [
        (SIZE, "1GiB", "1024MiB", "1.073741824GB"),
        (SIZE, "1TB", "1000GB", "1000GB"),
        (SIZE, "1024TiB", "1125899.906842624GB", "1125899.906842624GB"),
        (DURATION, "90s", "1m30s", "90s"),
        (PRICE, "0.10", "0.1", "0.1"),
        (PRICE, "100", 100, "100"),
        (ADDRESS, "2001:DB8:0::1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_equal_values_have_one_text(form, one, other, text):
    assert form.text(form.read(one)) == form.text(form.read(other)) == text
