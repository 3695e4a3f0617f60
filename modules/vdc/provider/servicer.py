"""The resource provider protocol over our handlers: all of gRPC and nothing of any resource."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from pydantic import ValidationError

from vdc import __version__
from vdc.errors import VdcError
from vdc.provider.resource import Call, Inputs, Made, Resource
from vdc.provider.wire import decode, encode, has_unknown

Context = grpc.aio.ServicerContext[Any, Any]


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves resource types.

    Args:
        maker: Gives what makes a type's handler, by token; None for a type that is not served.
        prepare: Gone through in a thread while nothing is asked for yet.
    """

    def __init__(
        self,
        maker: Callable[[str], Callable[[], Resource[Any]] | None],
        prepare: Callable[[], Iterable[None]] = tuple,
    ) -> None:
        self._maker = maker
        self._prepare = prepare
        self._preparing: asyncio.Task[Any] | None = None
        self._resources: dict[str, Resource[Any]] = {}
        self._stopping = asyncio.Event()

    # --- what the provider is ----------------------------------------------------

    async def Handshake(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True
        )

    async def Attach(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return empty_pb2.Empty()

    async def GetPluginInfo(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return plugin_pb2.PluginInfo(version=__version__)

    async def GetSchema(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return provider_pb2.GetSchemaResponse(schema="{}")

    async def Invoke(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        # There are no functions: a language host that asks for one wants the provider to be up,
        # and has a program to import before it asks for anything else.
        self._preparing = self._preparing or asyncio.create_task(
            asyncio.to_thread(lambda: list(self._prepare()))
        )
        return provider_pb2.InvokeResponse()

    async def CheckConfig(self, request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    async def Cancel(self, _request: Any, _context: Context) -> Any:  # noqa: N802, D102
        self._stopping.set()
        return empty_pb2.Empty()

    # --- the life of a resource --------------------------------------------------

    async def Check(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        news, olds = decode(request.news), decode(request.olds)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in resource.refusals(olds, news).items()
        ]
        valid = True
        if not has_unknown(news):
            try:
                resource.inputs.model_validate(news)
            except ValidationError as error:
                valid = False
                failures += [
                    provider_pb2.CheckFailure(
                        property=".".join(map(str, item["loc"])), reason=item["msg"]
                    )
                    for item in error.errors(include_input=False)
                ]
        if valid:
            async with self._guarded(context):
                request.news.update(resource.expect(news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    async def Diff(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        old, new = decode(request.old_inputs), decode(request.news)
        async with self._guarded(context):
            names = (old.keys() | new.keys()) - resource.expect(new).keys()
        changed = sorted(name for name in names if old.get(name) != new.get(name))
        kind = provider_pb2.PropertyDiff.Kind
        detailed = {
            name: provider_pb2.PropertyDiff(
                kind=kind.UPDATE_REPLACE if name in resource.replacing else kind.UPDATE,
                inputDiff=True,
            )
            for name in changed
        }
        if not has_unknown(new):
            inputs = resource.inputs.model_validate(new)
            async with self._guarded(context):
                drifted = resource.drifted(inputs, decode(request.olds))
            for path, drift in drifted.items():
                detailed.setdefault(path, provider_pb2.PropertyDiff(kind=kind.Value(drift)))
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if detailed else none,
            replaces=[name for name in changed if name in resource.replacing],
            deleteBeforeReplace=True,
            detailedDiff=detailed,
            hasDetailedDiff=True,
            diffs=sorted(detailed),
        )

    async def Create(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        raw = decode(request.properties)
        if request.preview:
            async with self._guarded(context):
                predicted = resource.predict(raw, None)
            return provider_pb2.CreateResponse(properties=_outputs(resource, predicted))
        inputs = await self._inputs(resource, raw, context)
        identity = resource.identify(inputs)
        async with self._guarded(context):
            made = await resource.create(self._call(request.urn), inputs)
        await self._abort_if_partial(resource, identity, made, request.properties, context)
        return provider_pb2.CreateResponse(id=identity, properties=_outputs(resource, made.outputs))

    async def Update(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        raw, old = decode(request.news), decode(request.olds)
        if request.preview:
            async with self._guarded(context):
                predicted = resource.predict(raw, old)
            return provider_pb2.UpdateResponse(properties=_outputs(resource, predicted))
        inputs = await self._inputs(resource, raw, context)
        async with self._guarded(context):
            made = await resource.update(self._call(request.urn), inputs, old)
        await self._abort_if_partial(resource, request.id, made, request.news, context)
        return provider_pb2.UpdateResponse(properties=_outputs(resource, made.outputs))

    async def Read(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        if not request.inputs.fields:
            await self._abort(context, "import is not supported; declare it and run up")
        inputs = await self._inputs(resource, decode(request.inputs), context)
        old = decode(request.properties)
        async with self._guarded(context):
            found = await resource.read(self._call(request.urn), inputs, old)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, properties=_outputs(resource, found), inputs=request.inputs
        )

    async def Delete(self, request: Any, context: Context) -> Any:  # noqa: N802, D102
        resource = await self._resource(request.urn, context)
        inputs = await self._inputs(resource, decode(request.old_inputs), context)
        old = decode(request.properties)
        async with self._guarded(context):
            await resource.delete(self._call(request.urn), inputs, old)
        return empty_pb2.Empty()

    # --- shared ------------------------------------------------------------------

    def _call(self, urn: str) -> Call:
        return Call(urn, self._stopping)

    async def _resource(self, urn: str, context: Context) -> Resource[Any]:
        token = urn.split("::")[2].rpartition("$")[2]
        if token not in self._resources:
            make = self._maker(token)
            if make is None:
                await self._abort(context, f"{token} is not a resource of this provider")
            self._resources[token] = make()
        return self._resources[token]

    async def _inputs(
        self, resource: Resource[Any], raw: Mapping[str, Any], context: Context
    ) -> Inputs:
        try:
            inputs: Inputs = resource.inputs.model_validate(raw)
        except ValidationError as error:
            lines = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            await self._abort(context, f"inputs of {resource.token}: {lines}")
        return inputs

    @asynccontextmanager
    async def _guarded(self, context: Context) -> AsyncIterator[None]:
        """Around a resource's own code: its errors become one line, a defect its traceback."""
        try:
            yield
        except VdcError as error:
            await self._abort(context, str(error))
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:
            lines = list(_lines(error))
            if not lines:
                defect = f"a defect in vdc's provider:\n{traceback.format_exc()}"
                await self._abort(context, defect)
            await self._abort(context, "\n".join(dict.fromkeys(lines)))

    @staticmethod
    async def _abort(context: Context, message: str) -> NoReturn:
        await context.abort(grpc.StatusCode.UNKNOWN, message)

    @staticmethod
    async def _abort_if_partial(
        resource: Resource[Any], identity: str, made: Made, inputs: Any, context: Context
    ) -> None:
        """Records what exists together with what failed, which a plain error would lose."""
        if not made.problems:
            return
        detail = provider_pb2.ErrorResourceInitFailed(
            id=identity,
            properties=_outputs(resource, made.outputs),
            inputs=inputs,
            reasons=list(made.problems),
        )
        code = grpc.StatusCode.UNKNOWN
        status = status_pb2.Status(code=code.value[0], message="; ".join(made.problems))
        status.details.add().Pack(detail)
        trailer = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort_with_status(_Status(code, status.message, trailer))


class _Status(grpc.Status):
    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata


def _lines(error: BaseException) -> Iterator[str]:
    """What errors that came together have to say; nothing if one of them is a defect."""
    if isinstance(error, BaseExceptionGroup) and error.split(VdcError)[1] is None:
        for inner in error.exceptions:
            yield from _lines(inner)
    elif isinstance(error, VdcError):
        yield str(error)


def _outputs(resource: Resource[Any], outputs: Mapping[str, Any]) -> Any:
    return encode(outputs, resource.secret_outputs)
