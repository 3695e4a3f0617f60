"""A thin client of Nomad's HTTP API: the boundary behind which the scheduler could be exchanged.

Async, over mutual TLS, with the documented paths and nothing in between. Whatever the
scheduler refuses becomes a :class:`~vdc.errors.SchedulerError` that carries its own words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import httpx

from vdc.errors import SchedulerError
from vdc.scheduler.access import Access
from vdc.scheduler.model import TERMINAL, Allocation, SchedulerNode

# The scheduler answers within milliseconds; blocking queries name their own wait on top.
_TIMEOUT_S = 30.0
_PAGE = 1000

DRAIN_MARK = {"vdc": "removal"}
"""Metadata of the drains that vdc begins."""


class Nomad:
    """One caller's connection. Use as an async context manager; safe for concurrent calls.

    Every method raises :class:`~vdc.errors.SchedulerError` when no server answers or the
    answer is not a success; its ``status`` is the HTTP status, 0 without an answer.
    """

    def __init__(self, access: Access, auth: httpx.Auth | None = None) -> None:
        self._access = access
        self._http = httpx.AsyncClient(
            verify=access.tls(),
            trust_env=False,  # a proxy or CA of the shell's is never meant for this address
            auth=auth,  # for who has no token but can obtain one
            timeout=_TIMEOUT_S,
            headers={"X-Nomad-Token": access.token} if access.token else {},
            # A stream or a blocking query holds one as long as it lasts: with a limit here they
            # would keep short calls waiting. Who opens many bounds them.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    # --- the two ways of calling -------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        token: str | None = None,
        timeout: float = _TIMEOUT_S,  # noqa: ASYNC109 - handed to httpx, which owns the clock
    ) -> httpx.Response:
        """One request, on the first server that takes the connection.

        Args:
            method: HTTP method.
            path: Path with its leading ``/v1``.
            body: JSON-ready value, or None for no body.
            params: Query parameters.
            token: Acts for another caller than this client's own.
            timeout: Seconds; above the scheduler's ``wait`` for blocking queries.
        """
        headers = {"X-Nomad-Token": token} if token is not None else {}
        failures: list[str] = []
        for address in self._access.addresses:
            try:
                response = await self._http.request(
                    method, address + path, json=body, params=params,
                    headers=headers, timeout=timeout,
                )  # fmt: skip
            except httpx.ConnectError as error:
                failures.append(f"{address}: {error}")
                continue  # nothing was sent, so asking the next server repeats nothing
            except httpx.HTTPError as error:
                reason = f"{address}: {error or type(error).__name__}"
                raise SchedulerError(f"no answer from the scheduler: {reason}") from error
            if response.is_success:
                return response
            text = response.text.strip()
            raise SchedulerError(text or f"HTTP {response.status_code}", response.status_code)
        raise SchedulerError("no scheduler server can be reached: " + "; ".join(failures))

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """:meth:`call`, decoded; None for an empty answer."""
        response = await self.call(method, path, **options)
        return response.json() if response.content else None

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], token: str | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A long answer, read as it comes; no read time-out, as silence is normal there."""
        headers = {"X-Nomad-Token": token} if token is not None else {}
        async with AsyncExitStack() as stack:
            try:
                response = await self._opened(stack, path, params, headers)
                if not response.is_success:
                    text = (await response.aread()).decode(errors="replace").strip()
                    status = response.status_code
                    raise SchedulerError(text or f"HTTP {status}", status)
                yield response
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise SchedulerError(f"the scheduler's stream broke: {reason}") from error

    async def _opened(
        self,
        stack: AsyncExitStack,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> httpx.Response:
        """The stream of the first server that takes the connection."""
        failures: list[str] = []
        for address in self._access.addresses:
            stream = self._http.stream(
                "GET",
                address + path,
                params=params or None,  # an empty mapping would drop the path's own query
                headers=headers,
                timeout=httpx.Timeout(_TIMEOUT_S, read=None),
            )
            try:
                return await stack.enter_async_context(stream)
            except httpx.ConnectError as error:
                failures.append(f"{address}: {error}")
        raise SchedulerError("no scheduler server can be reached: " + "; ".join(failures))

    async def _pages(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Any]:
        query = {**params, "per_page": str(_PAGE)}
        while True:
            response = await self.call("GET", path, params=query)
            for item in response.json() or []:
                yield item
            following = response.headers.get("X-Nomad-Nexttoken")
            if not following:
                return
            query["next_token"] = following

    # --- cluster and access control ----------------------------------------------

    async def leader(self) -> str:
        """RPC address of the leading server; raises while there is none."""
        address = str(await self.json("GET", "/v1/status/leader"))
        if not address:
            raise SchedulerError("the scheduler has no leader")
        return address

    async def check_keyring(self) -> None:
        """Raises while identities cannot be signed: for an instant after the first election."""
        if not (await self.json("GET", "/.well-known/jwks.json"))["keys"]:
            raise SchedulerError("the scheduler has no signing key yet")

    async def bootstrap(self, secret: str) -> None:
        """Makes ``secret`` (a UUID) the first management token; done already with it is success."""
        try:
            await self.call("POST", "/v1/acl/bootstrap", body={"BootstrapSecret": secret}, token="")
        except SchedulerError as error:
            if error.status != 400:
                raise
            await self.call("GET", "/v1/acl/token/self", token=secret)

    async def put_policy(self, name: str, description: str, rules: str) -> None:
        """Creates or replaces an ACL policy."""
        body = {"Name": name, "Description": description, "Rules": rules}
        await self.call("POST", f"/v1/acl/policy/{name}", body=body)

    async def ensure_token(self, name: str, policies: Sequence[str]) -> str:
        """The secret id of the client token of this name, made when there is none."""
        async for token in self._pages("/v1/acl/tokens", {}):
            if token["Name"] == name and sorted(token["Policies"] or []) == sorted(policies):
                whole = await self.json("GET", f"/v1/acl/token/{token['AccessorID']}")
                return str(whole["SecretID"])
        body = {"Name": name, "Type": "client", "Policies": list(policies)}
        return str((await self.json("POST", "/v1/acl/token", body=body))["SecretID"])

    async def introduction(self, node_name: str, ttl_s: int) -> str:
        """A signed introduction token with which a node of just this name may register."""
        body = {"NodeName": node_name, "TTL": f"{ttl_s}s"}
        answer = await self.json("POST", "/v1/acl/identity/client-introduction-token", body=body)
        return str(answer["JWT"])

    # --- nodes -------------------------------------------------------------------

    async def nodes(self) -> list[SchedulerNode]:
        """Every node, with capacity, ended ones included until the scheduler forgets them."""
        return [
            SchedulerNode.of(raw) async for raw in self._pages("/v1/nodes", {"resources": "true"})
        ]

    async def node_ids(self) -> set[str]:
        """Which nodes there are, without what they have."""
        return {str(raw["ID"]) async for raw in self._pages("/v1/nodes", {})}

    async def node_states(self, name: str) -> list[str]:
        """The status of every node of this name; none when the servers know no such node."""
        raws = await self.json("GET", "/v1/nodes", params={"filter": f'Name == "{name}"'})
        return [str(raw["Status"]) for raw in raws or []]

    async def set_eligible(self, node_id: str, *, eligible: bool) -> None:
        """Allows or forbids new work on a node."""
        word = "eligible" if eligible else "ineligible"
        await self.call("POST", f"/v1/node/{node_id}/eligibility", body={"Eligibility": word})

    async def drain(self, node_id: str, *, force: bool) -> None:
        """Starts to move a node's work away, for as long as it takes; ``force`` stops it at once.

        Repeated on a draining node it changes nothing. The drain bears our mark, so that a node
        that somebody else took out of work is not put back by us.
        """
        spec = {"Deadline": -1 if force else 0, "IgnoreSystemJobs": False}
        body = {"DrainSpec": spec, "MarkEligible": False, "Meta": DRAIN_MARK}
        await self.call("POST", f"/v1/node/{node_id}/drain", body=body)

    async def cancel_drain(self, node_id: str, *, eligible: bool) -> None:
        """Ends a drain; the node stays ineligible unless told otherwise."""
        body = {"DrainSpec": None, "MarkEligible": eligible, "Meta": DRAIN_MARK}
        await self.call("POST", f"/v1/node/{node_id}/drain", body=body)

    async def purge_node(self, node_id: str) -> None:
        """Makes the servers forget a node that is gone for good."""
        await self.call("POST", f"/v1/node/{node_id}/purge")

    async def watch_nodes(self, index: int, wait_s: int) -> int:
        """Returns the nodes' index as soon as it is above ``index``, or after ``wait_s``."""
        params = {"index": str(index), "wait": f"{wait_s}s", "per_page": "1"}
        response = await self.call("GET", "/v1/nodes", params=params, timeout=wait_s + _TIMEOUT_S)
        return int(response.headers["X-Nomad-Index"])

    async def set_node_meta(self, node_id: str, meta: Mapping[str, str | None]) -> None:
        """Sets dynamic metadata of a node without a restart; None removes a key."""
        await self.call(
            "POST", "/v1/client/metadata", params={"node_id": node_id}, body={"Meta": dict(meta)}
        )

    async def node_meta(self, node_id: str) -> dict[str, str]:
        """The node's metadata as it stands, static and dynamic together."""
        answer = await self.json("GET", "/v1/client/metadata", params={"node_id": node_id})
        return {key: str(value) for key, value in (answer.get("Meta") or {}).items()}

    # --- work --------------------------------------------------------------------

    async def allocations(self, *, live: bool = False) -> list[Allocation]:
        """Every allocation of every namespace that the token may read; ``live`` leaves out ended.

        The scheduler remembers many more that ended than there are.
        """
        params = {"resources": "true", "task_states": "false", "namespace": "*"}
        if live:
            params["filter"] = " and ".join(f'ClientStatus != "{one}"' for one in sorted(TERMINAL))
        return [Allocation.of(raw) async for raw in self._pages("/v1/allocations", params)]

    async def jobs(self, prefix: str = "") -> list[dict[str, Any]]:
        """Job stubs with their metadata."""
        params = {"prefix": prefix, "meta": "true", "namespace": "*"}
        return [raw async for raw in self._pages("/v1/jobs", params)]

    async def parse(self, hcl: str, variables: str) -> dict[str, Any]:
        """A job specification (HCL2) with its variables filled in, as the API's JSON."""
        body = {"JobHCL": hcl, "Variables": variables, "Canonicalize": True}
        answer: dict[str, Any] = await self.json("POST", "/v1/jobs/parse", body=body)
        return answer

    async def register(self, job: Mapping[str, Any], token: str | None = None) -> str:
        """Submits a job; returns the evaluation's id. The same job again changes nothing."""
        answer = await self.json("POST", "/v1/jobs", body={"Job": job}, token=token)
        return str(answer.get("EvalID", ""))

    async def deregister(self, job_id: str, *, purge: bool, token: str | None = None) -> None:
        """Stops a job; with ``purge`` the servers forget it too. An unknown job is no error."""
        params = {"purge": "true" if purge else "false"}
        try:
            await self.call("DELETE", f"/v1/job/{job_id}", params=params, token=token)
        except SchedulerError as error:
            if error.status != 404:
                raise
