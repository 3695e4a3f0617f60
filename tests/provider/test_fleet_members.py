"""Members and enrolment of a fleet: what previews say, and what machines are told."""

import asyncio
from dataclasses import replace

import pytest

from vdc.errors import NodeError
from vdc.provider.drivers.fleet import Instance
from vdc.provider.resources.enrolment import Enrolment, EnrolmentInputs
from vdc.provider.resources.fleet_members import Members, MembersInputs
from vdc.provider.wire import UNKNOWN

SCHEDULER = {
    "addresses": ["https://192.0.2.10:4646"],
    "rpc": ["192.0.2.10:4647"],
    **{name: name for name in ("ca_cert", "cert", "key", "token")},
}
PREFIX = "dc-cloud-workers"
GROUP = {
    "stack": "dev",
    "datacenter": "dc",
    "site": "cloud",
    "group": "workers",
    "prefix": PREFIX,
    "drain_deadline_s": 60,
    "scheduler": SCHEDULER,
}


class Shown:
    """A fleet of which only the machines are asked for."""

    def __init__(self, *instances: Instance) -> None:
        self.shown = instances

    async def instances(self):
        return self.shown


def raw(**changes):
    own = {"kind": "x", "account": "1", "region": "r", "fleet": "g", "template": "v1", "count": 2}
    return {**GROUP, **own, **changes}


def members(*instances: Instance) -> Members:
    return Members(lambda _: Shown(*instances))


def known(*ids: str, template: str = "v1", state: str = "running"):
    facts = {"state": state, "address": "10.0.0.1", "zone": "a", "template": template}
    return {"nodes": {f"{PREFIX}-{identity}": dict(facts) for identity in ids}}


def predicted(old, **changes) -> set[str]:
    nodes = members().predict(raw(**changes), old)["nodes"]
    return {name.removeprefix(f"{PREFIX}-") for name in nodes}


def drifted(old, **changes):
    return members().drifted(MembersInputs.model_validate(raw(**changes)), old)


def test_a_preview_shows_growth_and_who_goes_and_who_is_replaced():
    assert predicted(None) == {"(new 1)", "(new 2)"}
    assert predicted(known("i-1", "i-2"), count=3) == {"i-1", "i-2", "(new 1)"}
    assert predicted(known("i-1", "i-2", "i-3")) == {"i-1", "i-2"}
    assert predicted(known("i-1", "i-2"), template="v2") == {"(new 1)", "(new 2)"}


def test_a_preview_keeps_the_base_that_the_cloud_may_not_take_back():
    old = known("i-1", "i-2", "i-3")
    for name in ("i-1", "i-2"):
        old["nodes"][f"{PREFIX}-{name}"]["market"] = "spot"
    assert predicted(old, count=1, firm=1) == {"i-3"}
    assert drifted(old, count=2, firm=1) == {f'nodes["{PREFIX}-i-2"]': "DELETE"}


@pytest.mark.parametrize("name", ["template", "count"])
def test_what_a_preview_cannot_know_it_does_not_say(name):
    assert members().predict(raw(**{name: UNKNOWN}), known("i-1")) == {}


def test_what_is_as_wanted_has_not_drifted():
    assert drifted(known("i-1", "i-2")) == {}


def test_drift_names_the_nodes():
    assert drifted(known("i-1")) == {"nodes": "UPDATE"}
    assert drifted(known("i-1", "i-2", "i-3")) == {f'nodes["{PREFIX}-i-3"]': "DELETE"}
    assert drifted(known("i-1", "i-2"), template="v2") == {
        f'nodes["{PREFIX}-i-1"]': "DELETE",
        f'nodes["{PREFIX}-i-2"]': "DELETE",
    }
    ending = {"nodes": {**known("i-1")["nodes"], **known("i-2", state="ending")["nodes"]}}
    assert drifted(ending) == {"nodes": "UPDATE"}


async def _read(resource: Members):
    return await resource.read(None, MembersInputs.model_validate(raw()), {})


def test_a_refresh_gives_what_the_cloud_shows():
    shown = Instance("i-1", "running", "v1", "10.0.0.1", "a")
    assert asyncio.run(_read(members(shown))) == known("i-1")
    assert asyncio.run(_read(members())) == {"nodes": {}}
    market = replace(shown, spot=True)
    (facts,) = asyncio.run(_read(members(market)))["nodes"].values()
    assert facts["market"] == "spot"


def test_members_stay_of_their_group_account_and_region():
    refused = members().refusals(raw(), raw(account="2", region="s", count=5))
    assert set(refused) == {"account", "region"}


def enrolment(**changes):
    own = {
        "role": "client",
        "cpu_mhz": 1000,
        "memory_mib": 1024,
        "disk_mib": 4096,
        "ca_cert": "the CA",
        "endpoints": ["https://192.0.2.10:8443"],
        "arch": "amd64",
        "init": "cloud-init",
        "most": 4,
        "identity": {"verifier": "x", "account": "1", "region": "r", "certificate": "PEM"},
        "fleet": "g",
        "hook": "drained",
        "limit": 16384,
    }
    return {**GROUP, **own, **changes}


def digest(**changes) -> str:
    return str(Enrolment().expect(enrolment(**changes))["digest"])


@pytest.mark.usefixtures("nomad")
def test_machines_are_told_what_the_digest_covers_and_the_secret_beside_it():
    one = Enrolment().predict(enrolment(), {"secret": "the-first-secret"})
    other = Enrolment().predict(enrolment(), {"secret": "another-secret"})
    assert one["digest"] == other["digest"] == digest()
    assert "the-first-secret" in one["user_data"]
    assert one["user_data"] != other["user_data"]
    assert "VDC_NAME_PREFIX=dc-cloud-workers" in one["user_data"]
    assert len(one["user_data"].encode()) <= 16384


@pytest.mark.usefixtures("nomad")
def test_what_machines_are_not_told_replaces_none():
    assert digest(most=100) == digest(scheduler={**SCHEDULER, "token": "other"}) == digest()
    changes = ({"endpoints": ["https://192.0.2.11:8443"]}, {"ca_cert": "b"}, {"ntp": ["192.0.2.1"]})
    assert len({digest(), *(digest(**change) for change in changes)}) == 4


@pytest.mark.usefixtures("nomad")
def test_the_first_preview_knows_the_digest_and_not_the_secret():
    assert Enrolment().predict(enrolment(), None) == {"digest": digest()}
    assert Enrolment().predict(enrolment(endpoints=UNKNOWN), None) == {}


@pytest.mark.usefixtures("nomad")
def test_user_data_that_the_cloud_does_not_take_is_said_with_both_sizes():
    with pytest.raises(NodeError, match=r"group workers of site cloud: the user data is .* 1,000"):
        Enrolment().predict(enrolment(limit=1000), {"secret": "s"})


@pytest.mark.usefixtures("nomad")
def test_a_machine_that_would_be_told_otherwise_is_drift():
    inputs = EnrolmentInputs.model_validate({**enrolment(), "digest": digest()})
    assert Enrolment().drifted(inputs, {"digest": digest()}) == {}
    assert Enrolment().drifted(inputs, {"digest": ""}) == {"digest": "UPDATE"}
