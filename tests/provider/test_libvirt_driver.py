"""The libvirt driver against libvirt's own test driver: real definitions, volumes and marks."""

import asyncio
from dataclasses import replace

import pytest

from provider.libvirt_hosts import Rack, rack
from vdc.errors import ForeignNodeError, NodeError
from vdc.plan.model import Size
from vdc.provider.drivers.libvirt import ledger, reaping
from vdc.provider.drivers.libvirt.maker import create_container
from vdc.provider.drivers.libvirt.model import Bridge, HostSpec, Image
from vdc.provider.drivers.libvirt.sdk import libvirt

__all__ = ["rack"]

N0, N1 = "dc-lab-workers-0", "dc-lab-workers-1"


def run(action):
    return asyncio.run(action)


def make_all(rack: Rack, **changes):
    """What a group's first run does."""

    async def act():
        driver = rack.driver(**changes)
        assert await driver.owned() == {}
        names = rack.template(**changes).names
        await asyncio.gather(*(driver.create(name) for name in names))
        await driver.tidy()
        return await driver.owned()

    return run(act())


def test_nodes_are_spread_and_marked_and_go_without_a_trace(rack):
    nodes = make_all(rack)
    assert {name: node.state for name, node in nodes.items()} == {N0: "running", N1: "running"}
    assert (rack.domains("a"), rack.domains("b")) == ([N0], [N1])
    assert dict(nodes[N0].facts)["host"] == "a"
    assert rack.admitted == [N0, N1]

    async def end():
        driver = rack.driver()
        for name in await driver.owned():
            await driver.delete(name)
        await driver.tidy()

    run(end())
    for host in "ab":
        assert rack.domains(host) == rack.volumes(host) == rack.networks(host) == []
        assert rack.connection(host).listAllStoragePools() == []
    assert rack.revoked == [N0, N1]
    assert not (rack.folder / "ledger").exists()


def test_creating_it_again_changes_nothing(rack):
    before = make_all(rack)
    assert run(rack.driver().create(N0)) == before[N0]
    assert rack.admitted == [N0, N1]


def test_a_domain_removed_by_hand_is_made_again_where_room_is(rack):
    make_all(rack)
    domain = rack.connection("b").lookupByName(N1)
    domain.destroy()
    domain.undefine()

    async def mend():
        driver = rack.driver()
        assert (await driver.owned())[N1].state == "partial"  # its volumes are left
        await driver.create(N1)
        return await driver.owned()

    assert run(mend())[N1].state == "running"
    assert rack.admitted == [N0, N1, N1]


def test_a_stopped_node_is_started_and_not_made_anew(rack):
    before = make_all(rack)
    rack.connection("a").lookupByName(N0).destroy()

    async def mend():
        driver = rack.driver()
        assert (await driver.owned())[N0].state == "stopped"
        return await driver.create(N0)

    after = run(mend())
    assert after.state == "running"
    assert dict(after.facts)["incarnation"] == dict(before[N0].facts)["incarnation"]


def test_a_suspended_node_is_resumed(rack):
    before = make_all(rack)
    rack.connection("a").lookupByName(N0).suspend()
    assert run(rack.driver().owned())[N0].state == "stopped"
    assert run(rack.driver().create(N0)) == before[N0]


def test_what_libvirt_can_change_in_a_running_machine_is_changed_there(rack):
    before = make_all(rack)

    async def grow():
        driver = rack.driver(size=Size(2000, 96, 1024))
        owned = await driver.owned()
        assert driver.in_place(owned[N0])
        return driver, await driver.create(N0)

    driver, node = run(grow())
    assert node.digest == driver.digest != before[N0].digest
    assert dict(node.facts)["incarnation"] == dict(before[N0].facts)["incarnation"]
    _, _, memory_kib, cpus, _ = rack.connection("a").lookupByName(N0).info()
    assert (memory_kib, cpus) == (96 << 10, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": Size(1000, 256, 1024)},  # beyond the maximum
        {"size": Size(1000, 64, 2048)},
        {"words": "good morning"},
        {"network": Bridge("br0")},
    ],
)
def test_what_it_cannot_makes_a_new_machine(rack, changes):
    before = make_all(rack)

    async def renew():
        driver = rack.driver(**changes)
        owned = await driver.owned()
        assert owned[N0].digest != driver.digest
        assert not driver.in_place(owned[N0])
        await driver.delete(N0)
        return await driver.create(N0)

    after = run(renew())
    assert dict(after.facts)["incarnation"] != dict(before[N0].facts)["incarnation"]
    assert dict(after.facts)["host"] == "a"


def test_a_change_by_hand_is_noticed_and_mended_as_it_runs_where_that_can_be(rack):
    before = make_all(rack)
    rack.connection("a").lookupByName(N0).setVcpusFlags(2, 2)
    assert run(rack.driver().owned())[N0].digest == "resized by hand"

    async def mend(size):
        driver = rack.driver(size=size)
        owned = await driver.owned()
        return driver.in_place(owned[N0])

    assert not run(mend(Size(1000, 64, 1024)))  # a processor cannot be taken from a running machine
    assert run(mend(Size(2000, 64, 1024)))
    assert run(rack.driver().owned())[N1].digest == before[N1].digest


def test_a_domain_that_is_not_ours_is_refused_and_left(rack):
    for host in "ab":
        rack.connection(host).defineXML(
            f"<domain type='test'><name>{N0}</name><memory>1024</memory>"
            "<os><type>hvm</type></os></domain>"
        )
    with pytest.raises(ForeignNodeError, match=f"host a .*a domain {N0} exists and is not ours"):
        run(rack.driver().create(N0))
    make_all(rack, owner="dev/lab/others", prefix="dc-lab-others", names=("dc-lab-others-0",))
    assert run(rack.driver().owned()) == {}
    run(rack.driver().delete(N0))
    assert rack.domains("a") == ["dc-lab-others-0", N0]


def test_two_stacks_that_only_share_their_names_never_touch_each_other(rack):
    make_all(rack)

    async def twin():
        driver = rack.driver(realm="dc.dev.ffffffff")
        assert await driver.owned() == {}
        with pytest.raises(ForeignNodeError, match=r"belongs to dev/lab/workers of dc\.dev"):
            await driver.create(N0)

    run(twin())
    assert rack.domains("a") == [N0]


class Contended:
    """A container whose starts fail, each for its reason."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = list(reasons)

    def create(self) -> None:
        if self.reasons:
            raise libvirt().libvirtError(self.reasons.pop(0))


def test_a_container_that_lost_its_loop_device_is_started_again_and_no_other_is():
    lost = "internal error: Unable to attach root to loop device: Device or resource busy"
    container = Contended(lost, lost)
    create_container(container)
    assert container.reasons == []
    with pytest.raises(libvirt().libvirtError, match="no such image"):
        create_container(Contended("no such image", lost))
    with pytest.raises(libvirt().libvirtError, match="loop device"):
        create_container(Contended(*[lost] * 99))


def test_a_wrong_sum_is_one_line_and_leaves_nothing(rack):
    wrong = Image(str(rack.image), "0" * 64)
    with pytest.raises(NodeError, match=r"image .*its SHA-256 is .* nothing of it was kept"):
        run(rack.driver(image=wrong).create(N0))
    assert [name for name in rack.volumes("a") if "-base." in name] == []


def test_an_upload_that_was_cut_is_not_taken_for_whole(rack):
    class Cut(BaseException):
        """The end of the process."""

    rack.sent.failure = Cut()
    with pytest.raises(Cut):
        run(rack.driver().create(N0))
    rack.sent.failure = None
    make_all(rack)
    assert any("-base." in name for name in rack.sent.contents)


def test_a_node_of_which_only_volumes_were_made_is_found_and_made_anew(rack):
    class Cut(BaseException):
        """The end of the process."""

    make_all(rack, names=(N0,))
    rack.sent.failure = Cut()  # the base is there: it ends at the seed
    with pytest.raises(Cut):
        run(rack.driver(hosts=(rack.specs["a"],)).create(N1))
    rack.sent.failure = None

    async def mend():
        driver = rack.driver()
        assert (await driver.owned())[N1].state == "partial"
        return await driver.create(N1)

    assert dict(run(mend()).facts)["host"] == "a"


def test_what_no_node_uses_any_more_is_taken_away(rack):
    make_all(rack)
    fresh = rack.folder / "fresh.qcow2"
    fresh.write_bytes(rack.image.read_bytes() + b"newer")
    rack.image = fresh

    async def renew():
        driver = rack.driver(network=Bridge("br0"))
        for name in await driver.owned():
            await driver.delete(name)
            await driver.create(name)
        await driver.tidy()

    run(renew())
    bases = [name for name in rack.volumes("a") if "-base." in name]
    assert len(bases) == 2  # the new one, and its seal
    assert rack.networks("a") == []


def unreachable(rack: Rack) -> tuple[HostSpec, ...]:
    """The rack with a host ``b`` whose address leads nowhere."""
    return (rack.specs["a"], replace(rack.specs["b"], uri="test:///nowhere.xml"))


def test_nodes_on_a_host_that_does_not_answer_are_neither_gone_nor_made_twice(rack):
    make_all(rack)

    async def act():
        driver = rack.driver(hosts=unreachable(rack))
        owned = await driver.owned()
        with pytest.raises(
            NodeError, match=r"host b \(test:///nowhere.xml\): connect: it cannot be reached"
        ):
            await driver.create(N1)
        with pytest.raises(NodeError, match="the node is left as it is"):
            await driver.delete(N1)
        await driver.tidy()
        return owned

    owned = run(act())
    assert {name: node.state for name, node in owned.items()} == {N0: "running", N1: "unreachable"}
    assert run(rack.driver().owned())[N1].state == "running"


def test_a_lost_node_is_forgotten_by_force_alone(rack):
    make_all(rack)

    async def act():
        driver = rack.driver(hosts=unreachable(rack), forget_silent=True)
        await driver.owned()
        await driver.delete(N1)
        return await driver.owned()

    assert list(run(act())) == [N0]
    assert rack.revoked == [N1]


def test_a_server_is_known_by_the_address_that_was_declared(rack):
    nodes = make_all(rack, dialled=((N0, "192.0.2.21"), (N1, "192.0.2.22")))
    facts = dict(nodes[N1].facts)
    assert (facts["address"], facts["http"], facts["rpc"]) == ("192.0.2.22", "4646", "4647")


def test_a_host_that_never_answered_holds_up_no_node(rack):
    nodes = make_all(rack, hosts=unreachable(rack))
    assert {dict(node.facts)["host"] for node in nodes.values()} == {"a"}


def test_a_node_that_the_pool_knows_is_not_made_while_a_host_is_silent(rack):
    rack.living = [N0, "dc-lab-others-0"]  # and this user's memory is empty: another made it

    async def act():
        driver = rack.driver(hosts=unreachable(rack))
        owned = await driver.owned()
        await driver.create(N1)
        with pytest.raises(NodeError, match=r"host b .* cannot be reached: .*; the node is left"):
            await driver.create(N0)
        return owned

    assert {name: node.state for name, node in run(act()).items()} == {N0: "unreachable"}


def test_nodes_leave_a_host_that_leaves_the_declaration(rack):
    make_all(rack)

    async def act():
        driver = rack.driver(hosts=(rack.specs["a"],))
        owned = await driver.owned()
        assert owned[N1].digest != driver.digest
        await driver.delete(N1)
        node = await driver.create(N1)
        await driver.tidy()
        return node

    assert dict(run(act()).facts)["host"] == "a"
    assert rack.domains("b") == rack.volumes("b") == []


def test_another_machine_at_the_address_is_refused(rack):
    named = replace(rack.specs["b"], identity="4dea22b3-1d52-d8f3-2516-782e98ab3fa0")
    made = make_all(rack, hosts=(rack.specs["a"], named))
    assert {dict(node.facts)["host"] for node in made.values()} == {"a"}

    async def act():
        driver = rack.driver(hosts=(named,), names=("dc-lab-workers-7",))
        await driver.create("dc-lab-workers-7")

    with pytest.raises(NodeError, match="none of the hosts can be reached"):
        run(act())


def test_no_secret_is_in_a_definition_or_in_what_is_remembered(rack):
    make_all(rack)
    texts = [domain.XMLDesc(0) for domain in rack.connection("a").listAllDomains()]
    texts += [file.read_text() for file in (rack.folder / "ledger").iterdir()]
    assert texts
    assert not any("secret-of" in text for text in texts)


def test_what_no_state_records_is_found_by_this_users_memory_and_removed(rack, monkeypatch):
    monkeypatch.setenv("VDC_HOME", str(rack.folder / "home"))
    make_all(rack)
    file = ledger.path("dev", "dev/lab/workers")
    file.parent.parent.mkdir(parents=True)
    (rack.folder / "ledger").rename(file.parent)
    assert reaping.owners("dev") == {"dev/lab/workers"}
    assert run(reaping.reap("dev", {"dev/lab/workers"})) == []
    assert run(reaping.reap("dev", set())) == [N0, N1]
    assert rack.domains("a") == rack.domains("b") == rack.volumes("a") == rack.networks("b") == []
    assert reaping.owners("dev") == set()


def test_a_host_that_does_not_answer_is_reaped_another_time(rack, monkeypatch):
    monkeypatch.setenv("VDC_HOME", str(rack.folder / "home"))
    make_all(rack)
    file = ledger.path("dev", "dev/lab/workers")
    file.parent.parent.mkdir(parents=True)
    (rack.folder / "ledger").rename(file.parent)
    known = ledger.load(file, rack.template().realm, "dev/lab/workers")
    away = known.hosts["b"].model_copy(update={"uri": "test:///nowhere.xml"})
    ledger.save(file, known.model_copy(update={"hosts": {**known.hosts, "b": away}}))
    with pytest.raises(NodeError, match=r"host b .* cannot be reached"):
        run(reaping.reap("dev", set()))
    assert rack.domains("a") == []
    assert reaping.owners("dev") == {"dev/lab/workers"}
    run(reaping.reap("dev", set(), True))
    assert reaping.owners("dev") == set(), "its user has said to forget it"
