"""The resource provider protocol over a cloud: what a real plugin does between engine and API."""

# ruff: noqa: N802 - the protocol's own names

from __future__ import annotations

import asyncio
import json
import random
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from labs.standin.carried import Cloud, RefusedError, Type, wait
from labs.standin.checking import DEFAULTS, Problem, problems
from labs.standin.drift import as_declared, same
from labs.standin.known import Known
from labs.standin.shape import Block, Scalar, UnknownTokenError
from vdc.provider.wire import UNKNOWN, decode, encode, has_unknown

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")

_GONE_S = 900.0
_THREADS = 32


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one cloud as its plugin does."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sdk = Known(cloud.name, [*cloud.types, *cloud.lookups])
        self._threads = ThreadPoolExecutor(_THREADS)
        self._known: set[tuple[str, str]] = set()

    # --- what the provider is ----------------------------------------------------

    async def Handshake(self, _request: Any, _context: Context) -> Any:
        # Without accepting secrets the engine hides what came from one by itself.
        return provider_pb2.ProviderHandshakeResponse()

    async def Attach(self, _request: Any, _context: Context) -> Any:
        return empty_pb2.Empty()

    async def GetPluginInfo(self, _request: Any, _context: Context) -> Any:
        return plugin_pb2.PluginInfo(version=self._sdk.version)

    async def GetSchema(self, _request: Any, _context: Context) -> Any:
        return provider_pb2.GetSchemaResponse(schema="{}")

    async def CheckConfig(self, request: Any, _context: Context) -> Any:
        settings = self._settings(decode(request.news))
        found = list(problems(self._sdk.provider, settings))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    async def DiffConfig(self, request: Any, _context: Context) -> Any:
        response = provider_pb2.DiffResponse
        moved = decode(request.olds).get("region") != decode(request.news).get("region")
        if moved:
            return response(changes=response.DIFF_SOME, replaces=["region"], diffs=["region"])
        return response(changes=response.DIFF_NONE)

    async def Configure(self, request: Any, context: Context) -> Any:
        settings = self._settings(decode(request.args))
        if not has_unknown(settings):
            await self._run(context, lambda: self._cloud.configure(settings))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    async def Cancel(self, _request: Any, _context: Context) -> Any:
        self._cloud.stopping.set()
        return empty_pb2.Empty()

    # --- functions -----------------------------------------------------------------

    async def Invoke(self, request: Any, context: Context) -> Any:
        arguments = decode(request.args)

        def invoked() -> Any:
            found = list(problems(self._sdk.block(request.tok), arguments))
            if found:
                return provider_pb2.InvokeResponse(failures=_failures(found))
            if request.tok not in self._cloud.lookups:
                raise RefusedError(f"the stand-in does not carry out {request.tok}")
            api = self._cloud.api(arguments.get("region"))
            values = self._cloud.lookups[request.tok](api, arguments)
            return_: dict[str, Any] = {"return": encode(values)}  # a word of Python's
            return provider_pb2.InvokeResponse(**return_)

        return await self._run(context, invoked)

    # --- the life of a resource ----------------------------------------------------

    async def Check(self, request: Any, context: Context) -> Any:
        news, olds = decode(request.news), decode(request.olds)

        def checked() -> list[Problem]:
            block, kind = self._type(request.urn)
            random_name = random.Random(request.randomSeed or request.urn)  # noqa: S311
            given = _given_name(kind, request.urn, news, olds, random_name)
            request.news.update(given)
            news.update(given)
            if kind.makes:  # comes before what refers to it
                self._known.add((kind.makes, str(news.get(kind.named))))
            found = sorted(problems(block, news))
            return found or [*kind.problems(news), *self._dangling(kind, news, olds)]

        found = await self._run(context, checked)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    async def Diff(self, request: Any, context: Context) -> Any:
        _, kind = await self._run(context, lambda: self._type(request.urn))
        old, new = decode(request.old_inputs), decode(request.news)
        changed = _changed(old, new)
        replaced = sorted(kind.replacing(changed, new))
        modes = provider_pb2.PropertyDiff.Kind
        # A name that stays cannot be held by two at once.
        before = kind.named in new.keys() - changed - set(new.get(DEFAULTS, ()))
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if changed else response.DIFF_NONE,
            replaces=replaced,
            deleteBeforeReplace=bool(replaced) and before,
            diffs=sorted(changed),
            hasDetailedDiff=True,
            detailedDiff={
                name: provider_pb2.PropertyDiff(
                    kind=modes.UPDATE_REPLACE if name in replaced else modes.UPDATE,
                    inputDiff=True,
                )
                for name in changed
            },
        )

    async def Create(self, request: Any, context: Context) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        inputs = _plain(decode(request.properties))
        _, kind = self._type(request.urn)
        api = await self._run(context, lambda: self._cloud.api(inputs.get("region")))
        key = await self._run(context, lambda: kind.create(api, inputs))
        problem = ""
        try:
            await self._in_thread(lambda: kind.settle(api, key, inputs))
        except Exception as error:
            problem = self._line(error)
        found = await self._run(context, lambda: kind.read(api, key, inputs))
        outputs = encode({**inputs, **(found or {})})
        if problem:
            await _abort_in_part(context, key, outputs, request.properties, problem)
        return provider_pb2.CreateResponse(id=key, properties=outputs)

    async def Update(self, request: Any, context: Context) -> Any:
        _, kind = self._type(request.urn)
        old, new = decode(request.olds), _plain(decode(request.news))
        changed = _changed(decode(request.old_inputs), new)
        if request.preview:
            unknown = dict.fromkeys(kind.renewed(changed), UNKNOWN)
            return provider_pb2.UpdateResponse(properties=encode({**old, **new, **unknown}))
        api = await self._run(context, lambda: self._cloud.api(new.get("region")))
        await self._run(context, lambda: kind.update(api, request.id, new, old, changed))
        found = await self._run(context, lambda: kind.read(api, request.id, new))
        kept = {name: value for name, value in old.items() if name not in changed}
        return provider_pb2.UpdateResponse(properties=encode({**kept, **new, **(found or {})}))

    async def Read(self, request: Any, context: Context) -> Any:
        block, kind = await self._run(context, lambda: self._type(request.urn))
        old, declared = decode(request.properties), decode(request.inputs)
        api = await self._run(context, lambda: self._cloud.api(old.get("region")))
        found = await self._run(context, lambda: kind.read(api, request.id, old or declared))
        if found is None:
            return provider_pb2.ReadResponse()
        inputs = {
            name: as_declared(block.properties.get(name), value, found.get(name, value))
            for name, value in (declared or found).items()
            if declared or name in block.properties
        }
        outputs = encode({**old, **found})
        return provider_pb2.ReadResponse(id=request.id, properties=outputs, inputs=encode(inputs))

    async def Delete(self, request: Any, context: Context) -> Any:
        _, kind = self._type(request.urn)
        old = decode(request.properties)
        api = await self._run(context, lambda: self._cloud.api(old.get("region")))

        def deleted() -> None:
            kind.delete(api, request.id, old)
            wait(
                self._cloud.stopping,
                lambda: kind.read(api, request.id, old) is None,
                f"the end of {request.id}",
                _GONE_S,
            )

        await self._run(context, deleted)
        return empty_pb2.Empty()

    # --- shared ------------------------------------------------------------------------

    def _settings(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The provider's settings: whatever is not text comes as JSON."""
        shapes = self._sdk.provider.properties
        text = Scalar(str)
        return {
            name: json.loads(value)
            if isinstance(value, str) and shapes.get(name, text) != text
            else value
            for name, value in raw.items()
            if name not in ("version", "pluginDownloadURL")
        }

    def _type(self, urn: str) -> tuple[Block, Type]:
        token = urn.split("::")[2].rpartition("$")[2]
        block = self._sdk.block(token)
        if token not in self._cloud.types:
            raise RefusedError(f"the stand-in does not carry out {token}")
        return block, self._cloud.types[token]

    def _dangling(self, kind: Type, news: Mapping[str, Any], olds: Mapping[str, Any]) -> Any:
        before = {(r.kind, r.key) for r in kind.references(olds)}
        for reference in kind.references(news):
            which = (reference.kind, reference.key)
            if which in before or which in self._known:
                continue
            if not self._cloud.exists(self._cloud.api(news.get("region")), reference):
                text = f"there is no {reference.kind} {reference.key} at the API"
                yield Problem(reference.path, text)
            else:
                self._known.add(which)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _run(self, context: Context, call: Callable[[], T]) -> T:
        try:
            return await self._in_thread(call)
        except Exception as error:
            await _abort(context, self._line(error))

    def _line(self, error: Exception) -> str:
        if isinstance(error, (RefusedError, UnknownTokenError)):
            return str(error)
        return self._cloud.explain(error) or f"a defect in the stand-in:\n{traceback.format_exc()}"


def _given_name(
    kind: Type, urn: str, news: Mapping[str, Any], olds: Mapping[str, Any], source: random.Random
) -> Mapping[str, Any]:
    """The name that the real plugin makes up: the resource's with seven hexadecimal digits."""
    if not kind.named or any(news.get(p) for p in (kind.named, f"{kind.named}Prefix")):
        return {}
    name = olds.get(kind.named) if kind.named in olds.get(DEFAULTS, ()) else None
    made = f"{urn.rpartition('::')[2]}-{source.getrandbits(28):07x}"
    return {kind.named: name or made, DEFAULTS: [kind.named]}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    names = (old.keys() | new.keys()) - {DEFAULTS}
    return frozenset(name for name in names if not same(old.get(name), new.get(name)))


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in inputs.items() if k != DEFAULTS and v is not None}


def _failures(found: list[Problem]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=p.path, reason=p.text) for p in found]


async def _abort(context: Context, message: str) -> NoReturn:
    await context.abort(grpc.StatusCode.UNKNOWN, message)


async def _abort_in_part(
    context: Context, key: str, outputs: Any, inputs: Any, problem: str
) -> NoReturn:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=key, properties=outputs, inputs=inputs, reasons=[problem]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=problem)
    status.details.add().Pack(detail)
    trailer = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort_with_status(_Status(grpc.StatusCode.UNKNOWN, problem, trailer))


class _Status(grpc.Status):
    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata
