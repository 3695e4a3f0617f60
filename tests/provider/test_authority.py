"""The data centre's identity: what of it never changes, what a change leaves as it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vdc.provider.resource import Call
from vdc.provider.resources.authority import Authority, AuthorityInputs

CALL = Call("urn", asyncio.Event())
NORTH = {"sites.north.kind": "k", "sites.north.cloud": "mine"}
CERTS = ("server_cert", "client_cert", "cli_cert", "service_cert", "join_ca_cert")


async def _nothing(_stack: str, _keep: frozenset[str], _forget_silent: bool) -> list[str]:
    return []


def inputs(**values: Any) -> dict[str, Any]:
    return {"stack": "s", "datacenter": "dc", "fixed": {"name": "dc", **NORTH}, **values}


def refusals(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    return Authority(_nothing).refusals(old, new)


def test_a_fixed_value_of_a_site_stays_and_says_how_to_change_it_all_the_same():
    moved = {"name": "dc", **NORTH, "sites.north.cloud": "other"}
    (path, reason), *more = refusals(inputs(), inputs(fixed=moved)).items()
    assert not more
    assert path == "sites.north.cloud"
    assert reason == (
        "cannot change from 'mine' to 'other' while it exists; undo the change, or take the site "
        "out with dropping: [north], run up, and declare it anew"
    )


def test_a_fixed_value_of_the_whole_stays():
    (reason,) = refusals(inputs(), inputs(fixed={"name": "other", **NORTH})).values()
    assert reason.endswith("undo the change, or destroy the stack first")


@pytest.mark.parametrize(
    ("after", "refused"),
    [
        ({"sites": []}, True),
        ({"sites": ["south"], "dropping": ["south"]}, True),
        ({"sites": [], "dropping": ["north"]}, False),
        ({"sites": ["north"]}, False),
    ],
)
def test_a_site_goes_only_when_that_is_said(after, refused):
    found = refusals(inputs(sites=["north"]), inputs(fixed={"name": "dc"}, **after))
    assert found.keys() == ({"sites.north"} if refused else set())
    assert all("dropping: [north]" in reason for reason in found.values())


def test_a_state_that_says_of_each_site_whether_it_has_machines_is_read():
    older = inputs(sites={"north": False})
    AuthorityInputs.model_validate(older)
    assert refusals(older, inputs(sites=[], fixed={"name": "dc"})).keys() == {"sites.north"}


def test_a_state_from_before_sites_were_recorded_refuses_nothing():
    assert not refusals(inputs(), inputs(sites=["south"], fixed={"name": "dc"}))


def test_an_update_renews_only_what_is_for_other_names():
    def updated(made: Any, **values: Any) -> Any:
        wanted = AuthorityInputs.model_validate(inputs(**values))
        return asyncio.run(Authority(_nothing).update(CALL, wanted, made)).outputs

    first = AuthorityInputs.model_validate(inputs(addresses=("10.0.0.1",)))
    made = asyncio.run(Authority(_nothing).create(CALL, first)).outputs
    same = updated(made, addresses=("10.0.0.1",), sites=("north",), dropping=["south"])
    assert same == made

    moved = updated(made, addresses=("10.0.0.2",))
    renewed = {name for name in CERTS if moved[name] != made[name]}
    assert renewed == {"server_cert", "service_cert"}
    assert {moved[f"{leaf}_key"] == made[f"{leaf}_key"] for leaf in ("cli", "client")} == {True}
    assert moved["ca_cert"] == made["ca_cert"]
