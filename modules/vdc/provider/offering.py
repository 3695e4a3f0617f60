"""Seeing to it that machines which are about to be made find their software at the pool.

Where the service runs on this machine it serves what is made here. One that stands on a machine
of its own is sent the archive, in parts, unless it has it.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from vdc.bootstrap.control import at
from vdc.errors import PoolError
from vdc.provider.archive import Archive
from vdc.provider.machines import MachineInputs

_PART = 2 * 1024 * 1024
_SILENCE_S = 60.0


async def offer(archive: Archive, inputs: MachineInputs) -> None:
    """Returns when the pool services of a group have its software.

    One that does not answer is passed over: machines ask all of them.

    Raises:
        PoolError: None of them has it; says what each said.
    """
    if inputs.scheduler is None:
        return
    context = ssl.create_default_context(cadata=inputs.ca_cert)
    async with httpx.AsyncClient(
        verify=context,
        trust_env=False,  # a proxy of the shell's is never meant for these addresses
        timeout=_SILENCE_S,
        headers={"Authorization": f"Bearer {inputs.scheduler.token}"},
    ) as http:
        services = _services(inputs)
        problems = await asyncio.gather(*(_offer(http, one, archive) for one in services))
    if all(problems):
        raise PoolError(
            f"no pool service has the software of group {inputs.group}: {'; '.join(problems)}"
        )


def _services(inputs: MachineInputs) -> list[str]:
    """``https://host:port`` of each: of those beside servers, even where all go by one name."""
    told = list(inputs.endpoints)
    port = urlsplit(told[0]).port if told else None
    servers = inputs.scheduler.addresses if inputs.scheduler else ()
    hosts = [urlsplit(server).hostname or "" for server in servers]
    return list(dict.fromkeys([*told, *(f"https://{at(host, port)}" for host in hosts if port)]))


async def _offer(http: httpx.AsyncClient, service: str, archive: Archive) -> str:
    """Empty when the service has the archive; else why not."""
    url = f"{service}/api/v1/bundles/{archive.sha256}"
    size = archive.path.stat().st_size
    try:
        known = await _ask(http, "GET", url)
        while not known["there"]:
            if known["received"] < size:
                known = await _send(http, url, archive.path, known["received"])
            else:
                known = await _ask(http, "POST", url)
    except httpx.HTTPStatusError as error:
        return f"{service} says {error.response.status_code}: {error.response.text.strip()}"
    except httpx.HTTPError as error:
        return f"{service} does not answer ({error or type(error).__name__})"
    return ""


async def _send(http: httpx.AsyncClient, url: str, archive: Path, sent: int) -> Any:
    """Sends the next part, unless another group's run has just done that."""
    part = await asyncio.to_thread(_read, archive, sent)
    try:
        return await _ask(http, "PUT", url, params={"offset": str(sent)}, content=part)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.CONFLICT:
            raise
        return await _ask(http, "GET", url)


def _read(archive: Path, offset: int) -> bytes:
    with archive.open("rb") as file:
        file.seek(offset)
        return file.read(_PART)


async def _ask(http: httpx.AsyncClient, method: str, url: str, **more: Any) -> Any:
    answer = await http.request(method, url, **more)
    answer.raise_for_status()
    return answer.json()
