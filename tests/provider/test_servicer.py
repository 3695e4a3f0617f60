"""The protocol as the engine speaks it, over a real gRPC connection, with a resource of our own."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_STRING

from vdc.errors import NodeError
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.servicer import Servicer
from vdc.provider.wire import decode

URN = "urn:pulumi:s::vdc::vdc:site:Here$vdc:test:Thing::thing"
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"


class ThingInputs(Inputs):
    """A name that stays, a count that may change."""

    name: str
    count: int
    state: str = ""


class Thing(Resource[ThingInputs]):
    """Makes as many as it is told, up to two; a third is one too many."""

    token = "vdc:test:Thing"
    inputs = ThingInputs
    refused = frozenset({"name"})
    secret_outputs = frozenset({"key"})

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"state": "running"}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        if inputs["name"] == "too long":
            raise NodeError("the name is too long")
        return {"made": inputs["count"]}

    def drifted(self, inputs: ThingInputs, old: Outputs) -> Mapping[str, Drift]:
        return {} if old.get("state") == "running" else {"state": "UPDATE"}

    async def create(self, call: Call, inputs: ThingInputs) -> Made:
        if inputs.name == "defect":
            raise ZeroDivisionError
        if inputs.name == "bad":
            raise NodeError("no disk")
        if inputs.name in ("several", "mixed"):
            last = ZeroDivisionError() if inputs.name == "mixed" else NodeError("no room")
            raise ExceptionGroup("at once", [NodeError("no disk"), last, NodeError("no disk")])
        problems = () if inputs.count <= 2 else ("node 3: no room",)
        made = {"made": min(inputs.count, 2), "key": "pem", "state": "running"}
        return Made({**made, "stopping": call.stopping.is_set()}, problems)

    async def update(self, call: Call, inputs: ThingInputs, old: Outputs) -> Made:
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: ThingInputs, old: Outputs) -> Outputs | None:
        return None if inputs.count == 0 else old

    async def delete(self, call: Call, inputs: ThingInputs, old: Outputs) -> None:
        raise NodeError("still runs web")


def struct(**values):
    made = struct_pb2.Struct()
    made.update(values)
    return made


def ask(
    method: str,
    request: Any,
    before: str | None = None,
    prepare: Callable[[], Iterable[None]] = tuple,
    then: threading.Event | None = None,
) -> Any:
    """One call to a provider of its own."""

    async def asked():
        server = grpc.aio.server()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(
            Servicer({Thing.token: Thing}.get, prepare), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            if before:
                await getattr(stub, before)(struct_pb2.Struct())
            try:
                answer = await getattr(stub, method)(request)
                if then:
                    then.set()
                return answer
            finally:
                await server.stop(None)

    return asyncio.run(asked())


def test_who_is_woken_answers_before_it_is_prepared():
    begun, answered = threading.Event(), threading.Event()
    prepared: list[bool] = []

    def prepare() -> Iterator[None]:
        yield
        begun.set()
        prepared.append(answered.wait(10))

    ask("Invoke", provider_pb2.InvokeRequest(tok="vdc:index:wake"), prepare=prepare, then=answered)
    assert begun.is_set()
    assert prepared == [True]


def test_check_adds_what_is_expected_and_passes_unknowns():
    news = struct(name="a", count=UNKNOWN_STRING)
    answer = ask("Check", provider_pb2.CheckRequest(urn=URN, news=news))
    assert not answer.failures
    assert answer.inputs["state"] == "running"
    assert answer.inputs["count"] == UNKNOWN_STRING


def test_check_names_each_wrong_input_and_the_change_that_is_refused():
    request = provider_pb2.CheckRequest(
        urn=URN, olds=struct(name="a", count=1), news=struct(name="b", count="x", colour="red")
    )
    failures = {f.property: f.reason for f in ask("Check", request).failures}
    assert failures["name"].startswith("cannot change from 'a' to 'b' while it exists")
    assert failures["count"].startswith("Input should be a valid integer")
    assert failures["colour"].startswith("Extra inputs are not permitted")


@pytest.mark.parametrize(
    ("new", "outputs", "diffs"),
    [
        ({"count": 1}, {"state": "running"}, []),
        ({"count": 2}, {"state": "running"}, ["count"]),
        ({"count": 1}, {"state": "stopped"}, ["state"]),
        ({"count": 2}, {"state": "stopped"}, ["count", "state"]),
    ],
)
def test_diff_is_of_inputs_and_of_what_has_drifted(new, outputs, diffs):
    request = provider_pb2.DiffRequest(
        urn=URN,
        old_inputs=struct(name="a", count=1, state="running"),
        olds=struct(**outputs),
        news=struct(name="a", state="running", **new),
    )
    answer = ask("Diff", request)
    assert list(answer.diffs) == diffs
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    assert answer.changes == (some if diffs else none)
    assert not answer.replaces


def test_preview_makes_nothing():
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="bad", count=2))
    request.preview = True
    assert decode(ask("Create", request).properties) == {"made": 2}


def test_preview_tells_an_error_as_its_own_line():
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="too long", count=2))
    request.preview = True
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("Create", request)
    assert caught.value.details() == "the name is too long"


def test_create_marks_its_secrets():
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="a", count=2))
    answer = ask("Create", request)
    assert answer.id == "thing"
    assert answer.properties["key"][SECRET_SIGNATURE]
    assert answer.properties["made"] == 2


def test_a_partial_failure_records_what_exists_with_every_reason():
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="a", count=3))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("Create", request)
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    trailer = dict(caught.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailer["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert list(detail.reasons) == ["node 3: no room"]
    assert detail.id == "thing"
    assert decode(detail.properties)["made"] == 2
    assert decode(detail.inputs) == {"name": "a", "count": 3}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad", "no disk"),
        ("defect", "a defect in vdc's provider:\nTraceback"),
        ("several", "no disk\nno room"),
        ("mixed", "a defect in vdc's provider:\n"),
    ],
)
def test_an_error_is_its_own_line_and_a_defect_its_traceback(name, words):
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name=name, count=1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        ask("Create", request)
    assert caught.value.details().startswith(words)


def test_an_interrupted_run_reaches_the_handlers():
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(name="a", count=1))
    assert decode(ask("Create", request, before="Cancel").properties)["stopping"] is True


def test_read_says_that_it_is_gone_and_delete_that_it_is_not():
    inputs = struct(name="a", count=0)
    gone = ask("Read", provider_pb2.ReadRequest(urn=URN, id="thing", inputs=inputs))
    assert gone.id == ""
    with pytest.raises(grpc.aio.AioRpcError, match="still runs web"):
        ask("Delete", provider_pb2.DeleteRequest(urn=URN, id="thing", old_inputs=inputs))


def test_another_type_is_refused_by_name():
    request = provider_pb2.CheckRequest(urn="urn:pulumi:s::vdc::vdc:no:Such::x", news=struct())
    with pytest.raises(grpc.aio.AioRpcError, match="vdc:no:Such is not a resource"):
        ask("Check", request)
