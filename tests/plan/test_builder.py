"""From declarations to plans: names, sizes, order, prices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vdc.declaration import Declaration, load
from vdc.declaration.rules import findings
from vdc.plan import Control, Size, plan

SIZE = {"cpu": 2, "memory": "4GiB", "disk": "10GiB"}


def declared(groups, *, name="dc", **control):
    return Declaration.model_validate(
        {
            "name": name,
            "control": {"site": "here", **control},
            "sites": {"here": {"kind": "local", "groups": groups}, "there": {"kind": "local"}},
        }
    )


def test_servers_are_the_first_group_of_the_control_site():
    made = plan(declared({"workers": {"count": 2, "size": SIZE}}, servers=3, price="0.01"))
    servers, workers = made.sites[0].groups
    assert (servers.name, servers.role, servers.count) == ("servers", "server", 3)
    assert servers.size == Size(1000, 512, 1024)
    assert servers.capacity == Size(0, 0, 0)
    assert [node.name for node in workers.nodes] == ["dc-here-workers-0", "dc-here-workers-1"]
    assert made.sites[1].groups == ()
    assert made.control == Control("here", 3, (), ())


def test_sizes_are_in_the_scheduler_s_units_rounded_up():
    group = {"count": 1, "size": {"cpu": 0.3, "memory": "100MB", "disk": "1GB"}}
    made = plan(declared({"workers": group}))
    assert made.sites[0].groups[1].size == Size(300, 96, 954)


def test_prices_add_up_exactly_and_what_has_none_is_named():
    made = plan(declared({
        "priced": {"count": 3, "size": SIZE, "price": 0.1},
        "free": {"count": 2, "size": SIZE, "price": 0},
        "unpriced": {"count": 2, "size": SIZE},
    }))  # fmt: skip
    assert made.price_per_hour == Decimal("0.3")
    assert [group.name for group in made.unpriced] == ["servers", "unpriced"]


def test_names_that_a_cloud_gives_are_not_known_beforehand():
    made = plan(load(Path(__file__).parents[1] / "cases" / "declaration.ok.aws.yaml"))
    (workers,) = (group for group in made.groups if group.name == "fixed")
    assert (workers.count, workers.most, workers.named, workers.nodes) == (3, 3, False, ())
    (growing,) = (group for group in made.groups if group.prefix == "full-frankfurt-workers")
    assert (growing.count, growing.most) == (2, 10)


def test_labels_are_sorted_and_options_canonical():
    made = plan(Declaration.model_validate({
        "name": "dc",
        "control": {"site": "here"},
        "sites": {"here": {"kind": "local", "groups": {
            "workers": {"count": 1, "size": SIZE, "labels": {"b": "2", "a": "1"}},
        }}},
        "apps": {"web": {"package": "hello", "options": {"z": [1, None], "a": "é"}}},
    }))  # fmt: skip
    assert made.sites[0].groups[1].labels == (("a", "1"), ("b", "2"))
    assert made.apps[0].options == '{"a":"é","z":[1,null]}'


def test_equal_declarations_give_equal_plans_however_they_are_written():
    one = {"count": 1, "size": {"cpu": 2, "memory": "4GiB", "disk": "1TB"}, "price": "0.10"}
    other = {"count": 1, "size": {"cpu": 2.0, "memory": "4096MiB", "disk": "1000GB"}, "price": 0.1}
    assert plan(declared({"workers": one})) == plan(declared({"workers": other}))


def test_the_endpoint_is_the_servers_addresses_unless_it_is_declared():
    made = plan(declared({}, addresses=["10.0.0.2"]))
    assert made.control == Control("here", 1, ("10.0.0.2",), ("10.0.0.2",))
    made = plan(declared({}, addresses=["10.0.0.2"], endpoint=["pool.example.org"]))
    assert made.control.endpoint == ("pool.example.org",)


def test_machines_that_have_names_keep_them():
    group = plan(declared({"workers": {"count": 2, "size": SIZE}})).groups[1]
    named = replace(group, members=("m1", "gpu-7"))
    assert [node.name for node in named.nodes] == ["dc-here-workers-m1", "dc-here-workers-gpu-7"]


parts = product("ab", ("", "a", "b", "1", "-a", "-b", "-1"), ("", "-servers"))
names = st.sampled_from(["".join(three) for three in parts])


@given(st.dictionaries(names, st.dictionaries(names, st.integers(0, 12), max_size=4), min_size=1))
def test_a_declaration_without_findings_has_names_that_differ(sites):
    document = {
        "name": "dc",
        "control": {"site": next(iter(sites))},
        "sites": {
            site: {
                "kind": "local",
                "groups": {name: {"count": count, "size": SIZE} for name, count in groups.items()},
            }
            for site, groups in sites.items()
        },
    }
    declaration = Declaration.model_validate(document)
    made = plan(declaration)
    assert made == plan(Declaration.model_validate(document))
    assert hash(made) == hash(plan(declaration))
    rules = {rule for rule, _ in findings(declaration)}
    prefixes = [group.prefix for group in made.groups]
    assert ("node_names_differ" in rules) == (len(set(prefixes)) < len(prefixes))
    if "node_names_differ" not in rules:
        nodes = [node.name for group in made.groups for node in group.nodes]
        assert len(set(nodes)) == len(nodes)
