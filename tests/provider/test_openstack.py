"""The driver of OpenStack's servers, as far as no cloud is needed: what is asked, what is seen."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from vdc.errors import NodeError, StackError
from vdc.plan.model import Size
from vdc.plan.tags import tags
from vdc.provider import pki
from vdc.provider.drivers.openstack import group, marks, quota, sorts
from vdc.provider.drivers.openstack.addresses import Addresses
from vdc.provider.drivers.openstack.cloud import Cloud as RealCloud
from vdc.provider.drivers.openstack.group import OpenstackInputs, OpenstackNodeGroup
from vdc.provider.drivers.openstack.listing import Listing, Server
from vdc.provider.drivers.openstack.lookup import Flavor, flavor, smallest
from vdc.provider.drivers.openstack.maker import Maker
from vdc.provider.drivers.openstack.marks import Mark
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.request import LONGEST_USER_DATA, Parts, request
from vdc.provider.drivers.openstack.sdk import LostAnswerError, RefusedError
from vdc.provider.drivers.openstack.sight import Sight, seen
from vdc.provider.resource import Call

NAMES = ("dc-north-workers-0", "dc-north-workers-1", "dc-north-workers-2")
TAGS = tuple(sorted(tags("dc", "dev", "north", "workers").items()))
TEMPLATE = Template(
    realm="a1b2",
    tags=TAGS,
    prefix="dc-north-workers",
    names=NAMES,
    image="debian-12",
    flavor="",
    size=Size(2000, 4096, 10_000),
    network="shared",
)
MARK = Mark("a1b2", NAMES[0], "digest", "fixed", "incarnation", TAGS)
PARTS = Parts("image-id", "flavor-id", "network-id")


def server(name: str = NAMES[0], mark: Mark | None = MARK, **facts: Any) -> Server:
    given = {
        "id": name, "name": name, "status": "ACTIVE", "task": "", "created": "2026-01-01",
        "address": "10.0.0.2", "zone": "", "fault": "",
    }  # fmt: skip
    own = replace(mark, node=name) if mark else None
    return Server(**{**given, **facts}, mark=own, metadata=own.metadata if own else {})


# --- flavours ----------------------------------------------------------------------

FLAVORS = [
    Flavor("1", "tiny", 1, 512, 1),
    Flavor("2", "wide", 4, 4096, 20),
    Flavor("3", "high", 2, 8192, 20),
    Flavor("4", "even", 2, 4096, 20),
    Flavor("5", "gpu", 2, 4096, 10, special=True),
    Flavor("6", "bare", 2, 4096, 0),
]


@pytest.mark.parametrize(
    ("size", "boot", "name"),
    [
        (Size(1000, 256, 1024), "image", "tiny"),
        (Size(2000, 4096, 10_240), "image", "even"),
        (Size(2000, 4097, 10_240), "image", "high"),
        (Size(3000, 1, 1), "image", "wide"),
        (Size(1000, 256, 1025), "image", "even"),  # a byte more than one GiB
        (Size(2000, 4096, 999_999), "volume", "bare"),
    ],
)
def test_without_a_flavour_the_smallest_that_has_the_size_is_taken(size, boot, name):
    assert smallest(FLAVORS, size, boot).name == name


def test_a_size_that_no_flavour_has_is_told():
    with pytest.raises(NodeError, match="no flavour has 8 vCPUs, 1 MiB of memory and 1 GiB"):
        smallest(FLAVORS, Size(8000, 1, 1), "image")


def offered(*flavors: Flavor) -> Any:
    """A connection to a cloud with these flavours."""
    shown = [
        SimpleNamespace(
            id=one.id, name=one.name, vcpus=one.cores, ram=one.memory_mib, disk=one.disk_gib,
            extra_specs={"pci_passthrough:alias": "gpu:1"} if one.special else {},
            is_disabled=False,
        )
        for one in flavors
    ]  # fmt: skip
    return SimpleNamespace(compute=SimpleNamespace(flavors=lambda **_: shown))


@pytest.mark.parametrize(
    ("name", "size", "lack"),
    [
        ("even", Size(3000, 1, 1), "has 2 vCPUs and not 3"),
        ("even", Size(2000, 16_384, 1), "has 4,096 MiB of memory and not 16,384"),
        ("even", Size(2000, 4096, 20_481), "has 20 GiB of disk and not 21"),
        ("6", Size(2000, 4096, 1), "has 0 GiB of disk and not 1"),  # that of any image
    ],
)
def test_a_named_flavour_that_is_too_small_is_refused(name, size, lack):
    with pytest.raises(NodeError, match=f"^flavour {name} {lack}; name a larger one, or none"):
        flavor(offered(*FLAVORS), name, size, "image")


@pytest.mark.parametrize(
    ("name", "size", "boot"),
    [
        ("even", Size(2000, 4096, 20_480), "image"),
        ("wide", Size(1000, 256, 1024), "image"),
        ("5", Size(2000, 4096, 10_240), "image"),  # who names special hardware wants it
        ("bare", Size(2000, 4096, 999_999), "volume"),
    ],
)
def test_a_named_flavour_that_has_the_size_is_taken(name, size, boot):
    found = flavor(offered(*FLAVORS), name, size, boot)
    assert name in (found.name, found.id)


# --- requests ----------------------------------------------------------------------


def test_a_request_carries_the_marks_from_the_first_moment():
    wanted = request(TEMPLATE, MARK, PARTS, "#cloud-config\n")
    assert wanted == {
        "name": NAMES[0],
        "metadata": {
            "vdc-datacenter": "dc",
            "vdc-stack": "dev",
            "vdc-site": "north",
            "vdc-group": "workers",
            "vdc-node": NAMES[0],
            "vdc-realm": "a1b2",
            "vdc-digest": "digest",
            "vdc-fixed": "fixed",
            "vdc-incarnation": "incarnation",
        },
        "flavor_id": "flavor-id",
        "image_id": "image-id",
        "networks": [{"uuid": "network-id"}],
        "user_data": base64.b64encode(b"#cloud-config\n").decode(),
        "config_drive": True,
    }
    assert Mark.read(wanted["metadata"]) == MARK


def test_a_request_has_what_was_asked_for_and_only_then():
    asked = replace(
        TEMPLATE,
        boot="volume",
        key_pair="ops",
        security_groups=("group-a", "group-b"),
        zones=("one", "two"),
        server_group="apart",
        spread="soft",
    )
    wanted = request(asked, replace(MARK, node=NAMES[1]), PARTS, "")
    assert "image_id" not in wanted
    assert wanted["block_device_mapping"] == [
        {
            "boot_index": 0,
            "source_type": "image",
            "uuid": "image-id",
            "destination_type": "volume",
            "volume_size": 10,
            "delete_on_termination": True,
        }
    ]
    assert wanted["key_name"] == "ops"
    assert wanted["security_groups"] == [{"name": "group-a"}, {"name": "group-b"}]
    assert wanted["availability_zone"] == "two"
    assert wanted["scheduler_hints"] == {"group": "apart"}
    assert "scheduler_hints" not in request(asked, MARK, PARTS, "", grouped=False)


def test_a_server_of_a_declared_address_comes_with_its_port():
    asked = replace(TEMPLATE, security_groups=("group",))
    wanted = request(asked, MARK, replace(PARTS, port="port-id"), "")
    assert wanted["networks"] == [{"port": "port-id"}]
    assert "security_groups" not in wanted, "the port has them"


def test_a_node_keeps_its_zone_whatever_the_size_of_the_group():
    zones = ("a", "b", "c")
    for count in (1, 3):
        grown = replace(TEMPLATE, zones=zones, names=NAMES[:count])
        assert [grown.zone(name) for name in NAMES] == ["a", "b", "c"]


def test_user_data_is_measured_as_the_cloud_measures_it():
    most = LONGEST_USER_DATA // 4 * 3
    request(TEMPLATE, MARK, PARTS, "x" * most)
    with pytest.raises(
        NodeError, match=r"group workers of site north: .* as base64, and the cloud"
    ):
        request(TEMPLATE, MARK, PARTS, "x" * (most + 1))


# --- what is seen ------------------------------------------------------------------


def test_whose_a_server_is_says_its_mark_and_not_its_name():
    other_group = tuple(sorted(tags("dc", "dev", "north", "others").items()))
    shown = [
        server(NAMES[0]),
        server(NAMES[1], None),
        server(NAMES[2], replace(MARK, realm="somebody's")),
        server("dc-north-workers-7"),
        server("dc-north-others-0", replace(MARK, tags=other_group)),
    ]
    sight = seen(shown, TEMPLATE)
    assert sorted(sight.found) == [NAMES[0], "dc-north-workers-7"]
    assert sorted(sight.foreign) == [NAMES[1], NAMES[2]]
    assert sight.twins == ()


def test_an_expiry_that_changes_makes_no_server_foreign():
    dated = tuple(sorted(tags("dc", "dev", "north", "workers", "2027-01-01").items()))
    assert list(seen([server()], replace(TEMPLATE, tags=dated)).found) == [NAMES[0]]


def test_of_two_servers_of_a_node_that_which_runs_is_the_node():
    shown = [
        server(id="ill", status="ERROR", created="1"),
        server(id="coming", status="BUILD", created="2"),
        server(id="runs", created="3"),
        server(id="runs, too", created="4"),
        server(id="goes", created="0", task="deleting"),
    ]
    sight = seen(shown, TEMPLATE)
    assert sight.found[NAMES[0]].server.id == "runs"
    assert [twin.server.id for twin in sight.twins] == ["runs, too", "coming", "ill", "goes"]


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("ACTIVE", "", "running"),
        ("REBOOT", "rebooting", "running"),
        ("SHUTOFF", "", "stopped"),
        ("SHELVED_OFFLOADED", "", "stopped"),
        ("BUILD", "spawning", "partial"),
        ("ERROR", "", "partial"),
        ("ACTIVE", "deleting", "partial"),
        ("UNKNOWN", "", "unreachable"),
    ],
)
def test_what_a_state_means(status, task, state):
    assert seen([server(status=status, task=task)], TEMPLATE).found[NAMES[0]].state == state


# --- the list ----------------------------------------------------------------------


class Cloud:
    """A list of servers that is counted."""

    def __init__(self, *failures: Exception) -> None:
        self.began: list[float] = []
        self.failures = list(failures)
        self.reading = threading.Event()

    def read(self) -> Sequence[Server]:
        self.began.append(time.monotonic())
        self.reading.set()
        if self.failures:
            raise self.failures.pop(0)
        return [server(id=str(len(self.began)))]


def test_all_who_wait_share_a_list_and_none_is_asked_for_in_haste():
    cloud = Cloud()

    async def wait() -> list[str]:
        listing = Listing(cloud.read, every_s=0.2)
        first = await asyncio.gather(*(listing.fresh() for _ in range(100)))
        later = await asyncio.gather(*(listing.fresh() for _ in range(100)))
        return [shown[0].id for shown in (*first, *later)]

    assert asyncio.run(wait()) == ["1"] * 100 + ["2"] * 100
    assert len(cloud.began) == 2
    assert cloud.began[1] - cloud.began[0] >= 0.2


def test_who_asks_while_a_list_is_read_gets_the_next_one():
    cloud = Cloud()

    async def wait() -> tuple[str, str]:
        listing = Listing(cloud.read, every_s=0.05)
        first = asyncio.create_task(listing.fresh())
        await asyncio.to_thread(cloud.reading.wait, 5)
        second = await listing.fresh()
        return (await first)[0].id, second[0].id

    assert asyncio.run(wait()) == ("1", "2")


def test_a_list_that_fails_for_a_moment_is_read_again():
    cloud = Cloud(LostAnswerError("silent"), RefusedError("slowly", 429, ""))
    shown = asyncio.run(Listing(cloud.read, every_s=0.01).fresh())
    assert [one.id for one in shown] == ["3"]


def test_a_list_that_is_refused_is_not():
    cloud = Cloud(RefusedError("not for you", 403, "not for you"))
    with pytest.raises(RefusedError, match="not for you"):
        asyncio.run(Listing(cloud.read, every_s=0.01).fresh())
    assert len(cloud.began) == 1


# --- a server is made once ---------------------------------------------------------


class Nova:
    """A cloud that may do what it is asked for and not say so, or refuse."""

    name = "fake"

    def __init__(self, *answers: Exception | None, arrives: bool = True) -> None:
        self.answers = list(answers)
        self.arrives = arrives
        self.made: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.compute = self

    async def once(self, _stage: str, _key: object, _work: object) -> Any:
        return SimpleNamespace(id="flavor-id") if _stage == "flavour" else "some-id"

    async def ask(self, _: str, work: Callable[[Any], Any], *, repeats: bool = True) -> Any:
        assert not repeats, "a request that makes something is never sent twice by the SDK"
        return work(self)

    def create_server(self, **wanted: Any) -> None:
        self.asked.append(wanted)
        answer = self.answers.pop(0) if self.answers else None
        if answer is None or (isinstance(answer, LostAnswerError) and self.arrives):
            self.made.append(wanted)
        if answer is not None:
            raise answer

    async def look(self) -> Sight:
        mine = [server(mark=Mark.read(one["metadata"])) for one in self.made]
        return seen(mine, TEMPLATE)

    def make(self, **template: Any) -> None:
        asked = replace(TEMPLATE, **template)
        maker = Maker(asked, self, Addresses(asked))  # type: ignore[arg-type]
        asyncio.run(maker.make(MARK, "", self.look))


def test_a_lost_answer_makes_no_second_server():
    nova = Nova(LostAnswerError("gone"))
    nova.make()
    assert len(nova.asked) == len(nova.made) == 1


def test_a_request_that_came_to_nothing_is_sent_again():
    nova = Nova(LostAnswerError("gone"), arrives=False)
    nova.make()
    assert len(nova.asked) == 2
    assert len(nova.made) == 1


def test_a_cloud_that_never_answers_is_told_of():
    nova = Nova(*[LostAnswerError("gone")] * 9, arrives=False)
    with pytest.raises(LostAnswerError):
        nova.make()
    assert nova.made == []


FULL = RefusedError("", 403, "Quota exceeded, too many servers in group")


def test_a_group_that_is_full_ends_a_wish_and_not_a_demand():
    nova = Nova(FULL)
    nova.make(spread="soft", server_group="apart")
    assert ["scheduler_hints" in one for one in nova.asked] == [True, False]
    with pytest.raises(RefusedError):
        Nova(FULL).make(spread="strict", server_group="apart")


def test_another_quota_is_nobodys_wish():
    nova = Nova(RefusedError("", 403, "Quota exceeded for instances: Requested 1"))
    with pytest.raises(RefusedError):
        nova.make(spread="soft", server_group="apart")
    assert len(nova.asked) == 1


# --- marks of what bears no metadata -----------------------------------------------


def test_a_description_says_whose_a_thing_is():
    text = marks.description(dict(TAGS), "a1b2", NAMES[0])
    assert marks.described(text) == (dict(TAGS), NAMES[0], "a1b2")
    for other in ("", "vdc", "somebody's own port", f"{text} more"):
        assert marks.described(other) is None


@pytest.mark.parametrize(
    ("sort", "name", "stack"),
    [
        ("keypair", "vdc_dc_dev_north", "dev"),
        ("keypair", "vdc_dc_dev_two_north", "dev_two"),
        ("keypair", "vdc_dc__dev__north", "_dev_"),
        ("keypair", "vdc_dc_north", None),
        ("keypair", "vdc_dc__north", None),
        ("keypair", "dc_dev_north", None),
        ("keypair", "somebody's", None),
        ("keypair", None, None),
        ("server group", "vdc_dc_dev_north_workers", "dev"),
        ("server group", "vdc_dc_dev_two_north_workers", "dev_two"),
        ("server group", "vdc_dc_dev_north", None),
    ],
)
def test_what_bears_a_name_alone_is_ours_by_all_of_it_or_not_at_all(sort, name, stack):
    found = sorts.SORTS[sort].tags(SimpleNamespace(name=name))
    assert found.get("vdc-stack") == stack


def test_what_a_quota_lacks_is_told_in_numbers():
    need = quota.Need(servers=3, cores=12, memory_mib=4096, floating=1)
    left = quota.Quota(servers=3, cores=4, memory_mib=None, floating=0, ports=2)
    assert list(quota.lacking(need, left)) == [
        "12 vCPUs more, and the quota leaves 4",
        "1 floating addresses more, and the quota leaves 0",
        "3 ports more, and the quota leaves 2",
    ]


@pytest.mark.parametrize("has_volumes", [True, False])
def test_what_a_cloud_tells_of_its_quotas_is_read_and_what_it_has_not_is_without_end(has_volumes):
    details = {"limit": 10, "used": 4, "reserved": 1}
    told = dict.fromkeys(
        ("floating_ips", "ports", "networks", "subnets", "security_groups"), details
    )
    told["routers"] = {"limit": -1, "used": 4}
    limits = SimpleNamespace(
        instances=10, instances_used=1, total_cores=-1, total_cores_used=3,
        total_ram=4096, total_ram_used=4096, server_groups=10, server_groups_used=2,
    )  # fmt: skip
    volumes = SimpleNamespace(
        max_total_volumes=10, total_volumes_used=9,
        max_total_volume_gigabytes=1000, total_gigabytes_used=10,
    )  # fmt: skip
    connection = SimpleNamespace(
        current_project_id="p-1",
        compute=SimpleNamespace(get_limits=lambda: SimpleNamespace(absolute=limits)),
        network=SimpleNamespace(get_quota=lambda *_, **__: SimpleNamespace(**told)),
        has_service=lambda _: has_volumes,
        block_storage=SimpleNamespace(get_limits=lambda: SimpleNamespace(absolute=volumes)),
    )
    assert quota.read(connection) == quota.Quota(
        servers=9, cores=None, memory_mib=0, floating=5, ports=5, networks=5, subnets=5,
        routers=None, security_groups=5, server_groups=8,
        volumes=1 if has_volumes else None, volume_gib=990 if has_volumes else None,
    )  # fmt: skip


def test_what_one_group_gets_is_not_left_for_the_next():
    left = quota.Quota(servers=3, cores=4).less(quota.Need(servers=2, cores=8))
    assert left == quota.Quota(servers=1, cores=-4)
    assert list(quota.lacking(quota.Need(servers=1, cores=1), left)) == [
        "1 vCPUs more, and the quota leaves 0"
    ]
    assert list(quota.lacking(quota.Need(servers=1), left)) == [], "who needs none lacks none"


# --- the group ---------------------------------------------------------------------


def inputs(**changes: Any) -> OpenstackInputs:
    scheduler = {
        "addresses": ["https://192.0.2.10:4646"],
        "rpc": ["192.0.2.10:4647"],
        **dict.fromkeys(("ca_cert", "cert", "key", "token"), "x"),
    }
    given = {
        "stack": "dev", "datacenter": "dc", "site": "north", "group": "workers", "role": "client",
        "prefix": "dc-north-workers", "count": 2, "cpu_mhz": 1500, "memory_mib": 1024,
        "disk_mib": 4096, "drain_deadline_s": 60, "ca_cert": "the CA", "cert": "", "key": "",
        "scheduler": scheduler, "endpoints": ["https://192.0.2.10:4650"], "cloud": "lab",
        "network": "shared", "image": "debian-12", "arch": "amd64", "init": "cloud-init",
    }  # fmt: skip
    return OpenstackInputs.model_validate({**given, **changes})


def digest(**changes: Any) -> str:
    return OpenstackNodeGroup().driver(inputs(**changes), None).digest


@pytest.mark.usefixtures("nomad")
@pytest.mark.parametrize(
    "changes",
    [
        {"count": 5},
        {"zones": ("a", "b")},
        {"spread": "none", "server_group": "made anew"},
    ],
)
def test_what_changes_no_machine(changes):
    assert digest(**changes) == digest()


@pytest.mark.usefixtures("nomad")
@pytest.mark.parametrize(
    "changes",
    [
        {"image": "debian-13"},
        {"flavor": "m1.large"},
        {"memory_mib": 2048},
        {"network": "other"},
        {"security_groups": ("group",)},
        {"key_pair": "ops"},
        {"boot": "volume"},
        {"spread": "strict"},
        {"ntp": ("ntp.example.org",)},
        {"init": "ignition"},
        {"expires": "2027-01-01"},
        {"floating_ip": True},
    ],
)
def test_what_changes_machines(changes):
    assert digest(**changes) != digest()


def control(**changes: Any) -> OpenstackInputs:
    """Five servers with real certificates."""
    authority = pki.new_authority("dc")
    leaf = pki.issue(
        authority, "server.global.nomad", ("server.global.nomad", "10.0.0.10"), server=True
    )
    keys = {"cert": leaf.cert, "key": leaf.key}
    names = [f"10.0.0.{10 + index}" for index in range(5)]
    scheduler = {"addresses": [], "rpc": [], "ca_cert": authority.cert, "token": "", **keys}
    given = {
        "role": "server",
        "count": 5,
        "ca_cert": authority.cert,
        "server_addresses": names,
        "gossip_key": base64.b64encode(b"x" * 32).decode(),
        "scheduler": scheduler,
        "pool": {
            "endpoints": [f"https://{name}:4650" for name in names],
            "join_cert": leaf.cert,
            "join_key": leaf.key,
            **keys,
        },
        "bundle": {"url": "http://files.example.org/server.tar.gz", "sha256": "f" * 64},
        **keys,
    }
    return inputs(**{**given, **changes})


def test_a_control_server_fits_into_user_data_and_knows_where_its_software_is():
    driver = OpenstackNodeGroup().driver(control(), None)
    text = driver._userdata("dc-north-workers-4", "")
    wanted = request(TEMPLATE, MARK, PARTS, text)
    assert len(wanted["user_data"]) < LONGEST_USER_DATA / 2, "half of it is left for what comes"
    files = {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}
    told = files["/etc/vdc/node.env"]
    assert "VDC_BUNDLE_URL=http://files.example.org/server.tar.gz\n" in told
    assert f"VDC_BUNDLE_SHA256={'f' * 64}\n" in told
    assert json.loads(files["/etc/vdc/agent.json"])["advertise"]["rpc"] == "10.0.0.14"


def test_control_servers_without_an_address_for_their_software_are_refused():
    with pytest.raises(StackError, match=r"site north carries the control plane.*declare bundle:"):
        OpenstackNodeGroup().driver(control(bundle={}), None)


class Elsewhere:
    """A cloud whose entry leads to one project and region, without a server in it."""

    name = "lab"

    def __init__(self, project: str, region: str) -> None:
        self._place = {"project": project, "region": region}
        self.listed = 0

    async def place(self) -> dict[str, str]:
        return self._place

    def servers(self, _: str) -> Any:
        return self

    async def fresh(self) -> Sequence[Server]:
        self.listed += 1
        return []


CALL = Call("urn", asyncio.Event())
HOME = {"project": "p-1", "region": "one"}


@pytest.mark.usefixtures("nomad")
@pytest.mark.parametrize("act", ["read", "update", "delete"])
@pytest.mark.parametrize(("project", "region"), [("p-2", "one"), ("p-1", "two")])
def test_an_entry_that_leads_elsewhere_by_now_makes_and_forgets_nothing(
    monkeypatch, act, project, region
):
    led = Elsewhere(project, region)
    monkeypatch.setattr(group, "cloud", lambda *_: led)
    with pytest.raises(StackError) as caught:
        asyncio.run(getattr(OpenstackNodeGroup(), act)(CALL, inputs(), {"place": HOME}))
    assert str(caught.value) == (
        f"cloud lab: the entry of clouds.yaml leads to project {project} of region {region}, and "
        "group workers of site north stands in project p-1 of region one; let the entry lead "
        "there, and declare another site for what is to stand elsewhere"
    )
    assert led.listed == 0


@pytest.mark.usefixtures("nomad")
@pytest.mark.parametrize("old", [{}, {"place": HOME}])
def test_where_a_group_stands_is_recorded_and_a_state_without_it_taken_as_it_is(monkeypatch, old):
    monkeypatch.setattr(group, "cloud", lambda *_: Elsewhere(**HOME))
    found = asyncio.run(OpenstackNodeGroup().read(CALL, inputs(), old))
    assert found is not None
    assert (found["place"], found["nodes"]) == (HOME, {})


def test_a_missing_entry_of_clouds_yaml_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "clouds.yaml").write_text("clouds: {}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with pytest.raises(NodeError, match=r"^cloud nowhere: sign-in: Cloud nowhere was not"):
        asyncio.run(RealCloud("nowhere").ask("look-up", lambda c: c))
