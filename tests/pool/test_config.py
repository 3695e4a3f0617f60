"""The service's configuration, and the facts that nodes get from it."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from vdc.errors import StackError
from vdc.pool.config import MARK, Group, PoolConfig, decimal_text
from vdc.pool.facts import difference, unmarked

WHOLE = {
    "name": "local",
    "host": "127.0.0.1",
    "port": 8443,
    "cert_file": "/c",
    "key_file": "/k",
    "scheduler": {
        "addresses": ["https://127.0.0.1:4646"],
        "ca_file": "/ca",
        "cert_file": "/sc",
        "key_file": "/sk",
    },
    "packages_dir": "/p",
    "groups": [{"site": "here", "name": "workers", "labels": {"tier": "general"}, "price": "0.02"}],
}


def test_what_is_left_out_or_unknown_is_no_harm(tmp_path):
    path = tmp_path / "service.json"
    path.write_text(json.dumps({**WHOLE, "future": True}))
    config = PoolConfig.load(path)
    assert config.currency == "USD"
    assert config.groups[0].node_class == "workers"
    assert config.groups[0].price == Decimal("0.02")


def test_who_may_take_nodes_in_writes_an_audit_beside_the_service():
    files = {"cert_file": "/s/join-cert.pem", "key_file": "/s/join-key.pem", "bundles_dir": "/b"}
    assert PoolConfig.of(WHOLE).join is None
    join = PoolConfig.of({**WHOLE, "join": files}).join
    assert join
    assert str(join.audit_file) == "/s/audit.jsonl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        (json.dumps({**WHOLE, "port": "many"}), "is damaged"),
        (json.dumps({**WHOLE, "join": {"cert_file": "/c"}}), "'key_file'"),
        (json.dumps({key: WHOLE[key] for key in WHOLE if key != "key_file"}), "'key_file'"),
        (json.dumps({**WHOLE, "groups": [{**WHOLE["groups"][0], "price": "x"}]}), "is damaged"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(tmp_path, text, said):
    path = tmp_path / "service.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StackError) as caught:
        PoolConfig.load(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("0.020", "0.02"),
        ("2", "2.0"),
        ("0", "0.0"),
        ("1E+2", "100.0"),
        ("0.00000001", "0.00000001"),
    ],
)
def test_prices_always_have_a_decimal_point(price, text):
    assert decimal_text(Decimal(price)) == text


def group(price: str | None = "0.02", **labels: str) -> Group:
    exact = Decimal(price) if price else None
    return Group("here", "workers", "workers", tuple(sorted(labels.items())), exact)


def test_facts_are_the_same_for_the_whole_group_and_marked():
    facts = group(tier="general").facts
    assert facts["label_tier"] == "general"
    assert facts["price_per_hour"] == "0.02"
    marks = {group(tier="general").facts[MARK], group().facts[MARK], group("0.03").facts[MARK]}
    assert facts[MARK] in marks
    assert len(marks) == 3
    assert "price_per_hour" not in group(None).facts


def test_only_what_differs_is_written_and_only_what_is_ours_is_removed():
    wanted = group("0.03", tier="gold").facts
    has = {**group("0.02", tier="general", zone="a").facts, "python": "/usr/bin/python3"}
    changes = difference(has, wanted)
    assert changes == {
        "label_zone": None,
        "label_tier": "gold",
        "price_per_hour": "0.03",
        MARK: wanted[MARK],
    }
    assert difference(wanted, wanted) == {}


def test_the_filter_quotes_what_it_is_given():
    odd = Group('he"re', "g", "c", (), None)
    assert 'Datacenter == "he\\"re"' in unmarked(odd)
