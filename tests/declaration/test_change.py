"""What differs between two declarations, and what that does."""

from __future__ import annotations

import copy
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml

from vdc.declaration import Declaration, changes, fixed
from vdc.declaration.site import Site

CASES = Path(__file__).parents[1] / "cases"
BASE = {
    "name": "dc",
    "control": {"site": "here"},
    "sites": {
        "here": {
            "kind": "local",
            "groups": {
                "workers": {
                    "count": 3,
                    "size": {"cpu": 2, "memory": "4GiB", "disk": "10GiB"},
                    "labels": {"tier": "general"},
                    "price": "0.02",
                }
            },
        }
    },
    "apps": {"web": {"package": "hello", "options": {"replicas": 1}}},
}
WORKERS = "sites.here.groups.workers"


def edited(path: str, value):
    document = copy.deepcopy(BASE)
    *outer, key = path.split(".")
    holder = document
    for part in outer:
        holder = holder.setdefault(part, {})
    if value is None:
        del holder[key]
    else:
        holder[key] = value
    return Declaration.model_validate(document)


@pytest.mark.parametrize(
    ("path", "value", "changed", "old", "new", "policy"),
    [
        ("name", "other", "name", "dc", "other", "refused"),
        ("currency", "EUR", "currency", "USD", "EUR", "refused"),
        ("control.servers", 3, "control.servers", "1", "3", "refused"),
        (f"{WORKERS}.count", 5, f"{WORKERS}.count", "3", "5", "in-place"),
        (f"{WORKERS}.size.memory", "8GiB", f"{WORKERS}.size.memory", "4GiB", "8GiB", "replace"),
        (f"{WORKERS}.price", None, f"{WORKERS}.price", "0.02", "None", "in-place"),
        (f"{WORKERS}.drain", {"deadline": "1h"}, f"{WORKERS}.drain.deadline", "5m", "1h",
         "in-place"),
        ("apps.web.package", "spark", "apps.web.package", "hello", "spark", "replace"),
        ("apps.web.options", {}, "apps.web.options", "{'replicas': 1}", "{}", "in-place"),
        (f"{WORKERS}.labels", {}, f"{WORKERS}.labels", "{'tier': 'general'}", "{}", "in-place"),
    ],
)  # fmt: skip
def test_a_change_names_its_place_both_values_and_what_it_does(
    path, value, changed, old, new, policy
):
    (change,) = changes(Declaration.model_validate(BASE), edited(path, value))
    assert (change.path, str(change.old), str(change.new)) == (changed, old, new)
    assert change.policy == policy


def test_a_part_that_comes_or_goes_is_one_change():
    group = {"count": 1, "size": {"cpu": 1, "memory": "1GiB", "disk": "1GiB"}}
    old, new = Declaration.model_validate(BASE), edited("sites.here.groups.more", group)
    (came,), (went,) = changes(old, new), changes(new, old)
    assert (came.path, came.old, came.policy) == ("sites.here.groups.more", None, "in-place")
    assert (went.path, went.new, went.policy) == ("sites.here.groups.more", None, "in-place")
    (emptied,) = changes(old, edited("sites.here.groups", {}))
    assert (emptied.path, emptied.new) == (WORKERS, None)


def test_equal_declarations_have_none_however_they_are_written():
    same = edited(f"{WORKERS}.size.memory", "4096MiB")
    assert changes(Declaration.model_validate(BASE), same) == ()


def test_another_kind_is_refused():
    old = Declaration.model_validate(BASE)
    here = old.sites["here"]
    other = Site.model_construct(kind="far", groups=here.groups)
    (change,) = changes(old, old.model_copy(update={"sites": {"here": other}}))
    assert (change.path, change.new, change.policy) == ("sites.here.kind", "far", "refused")


def test_what_is_fixed_is_every_value_whose_change_is_refused():
    paths = fixed(Declaration.model_validate(BASE))
    assert {"name", "currency", "control.site", "control.servers"} <= paths.keys()
    assert not any(path.endswith(("count", "price", "labels")) for path in paths)


@pytest.mark.parametrize(
    ("case", "path", "value", "policy"),
    [
        ("libvirt", "sites.rack.os.version", "13", "replace"),
        ("libvirt", "sites.rack.groups.containers.machine", "auto", "replace"),
        ("libvirt", "sites.rack.hosts.b.uri", "qemu+tls://b2.example.org/system", "in-place"),
        ("libvirt", "control.addresses", ["10.88.0.2", "10.88.0.3", "10.88.0.5"], "refused"),
        ("ssh", "sites.rack.groups.later.machines", ["spare"], "in-place"),
        ("ssh", "sites.rack.machines.s1.address", "10.0.0.55", "in-place"),
        ("ssh", "sites.rack.servers.machines", ["s1", "s2", "spare"], "refused"),
        ("ssh", "sites.rack.logs", "syslog+tcp://10.0.0.2:514", "replace"),
    ],
)
def test_what_a_change_does_to_machines(case, path, value, policy):
    text = (CASES / f"declaration.ok.{case}.yaml").read_text()
    old, new = yaml.safe_load(text), yaml.safe_load(text)
    *outer, key = path.split(".")
    reduce(getitem, outer, new)[key] = value
    (change,) = changes(*(Declaration.model_validate(document) for document in (old, new)))
    assert (change.path, change.policy) == (path, policy)
