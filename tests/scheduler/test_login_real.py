"""The pool service signs in with its key, against a real scheduler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from nomad_lab import NomadLab, nomad_lab
from vdc.bootstrap.agent import TlsFiles
from vdc.errors import SchedulerError
from vdc.scheduler import login
from vdc.scheduler.client import Nomad
from vdc.scheduler.login import Login
from vdc.scheduler.variables import Variables

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    with nomad_lab(tmp_path_factory.mktemp("login") / "lab", clients=0) as lab:
        yield lab


@pytest.fixture
def service(lab: NomadLab, tmp_path: Path) -> TlsFiles:
    """A service whose key the scheduler has been told."""
    files = lab.certificate(tmp_path)
    lab.let_in(files)
    return files


def signed_in(lab: NomadLab, service: TlsFiles, work: Callable[[Nomad], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Nomad(lab.access(""), Login(service.key)) as nomad:
            return await work(nomad)

    return asyncio.run(run())


def tokens(lab: NomadLab) -> list[dict[str, Any]]:
    found = lab.call("GET", "/v1/acl/tokens")
    assert isinstance(found, list)
    return [token for token in found if token["Name"].startswith("JWT-")]


def forget_tokens(lab: NomadLab) -> None:
    for token in tokens(lab):
        lab.call("DELETE", f"/v1/acl/token/{token['AccessorID']}")


async def write(nomad: Nomad) -> None:
    await Variables(nomad).write("vdc/apps/web", {"a": "b"})


def test_many_calls_share_one_token_that_may_what_the_service_may(lab, service):
    forget_tokens(lab)

    async def work(nomad):
        await asyncio.gather(*(write(nomad) for _ in range(20)))

    signed_in(lab, service, work)
    (token,) = tokens(lab)
    assert token["Policies"] == ["vdc-pool-service"]
    assert token["ExpirationTime"]


def test_a_token_that_was_taken_away_is_replaced(lab, service, monkeypatch):
    monkeypatch.setattr(login, "_SETTLED_S", 0.0)

    async def work(nomad):
        await write(nomad)
        await asyncio.to_thread(forget_tokens, lab)
        await write(nomad)

    signed_in(lab, service, work)


def test_a_token_is_exchanged_before_it_ends(lab, service, monkeypatch):
    forget_tokens(lab)
    monkeypatch.setattr(login, "TOKEN_S", 0)

    async def work(nomad):
        await write(nomad)
        await write(nomad)

    signed_in(lab, service, work)
    assert len(tokens(lab)) == 2


def test_what_the_policy_forbids_stays_forbidden_without_login_after_login(lab, service):
    forget_tokens(lab)

    async def work(nomad):
        for _ in range(3):
            with pytest.raises(SchedulerError) as refused:
                await nomad.call("GET", "/v1/acl/tokens")
            assert refused.value.status == 403

    signed_in(lab, service, work)
    assert len(tokens(lab)) == 1


def test_a_caller_s_token_goes_as_it_is(lab, service):
    async def work(nomad):
        with pytest.raises(SchedulerError) as refused:
            await nomad.call("GET", "/v1/nodes", token="00000000-0000-0000-0000-000000000000")
        assert refused.value.status == 403

    signed_in(lab, service, work)


@pytest.mark.usefixtures("service")
def test_another_key_is_not_let_in(lab, tmp_path):
    stranger = lab.certificate(tmp_path / "stranger")
    with pytest.raises(SchedulerError, match="is not let in") as refused:
        signed_in(lab, stranger, write)
    assert refused.value.status == 0  # it is asked again: the scheduler may be told later


def test_a_renewed_certificate_takes_the_place_of_the_old_one(lab, service, tmp_path):
    renewed = lab.certificate(tmp_path / "renewed")
    lab.let_in(renewed)
    signed_in(lab, renewed, write)
    with pytest.raises(SchedulerError, match="is not let in"):
        signed_in(lab, service, write)


@pytest.mark.parametrize(
    "claims", [{"aud": "others"}, {"iss": "others"}, {"sub": "others"}, {"exp": time.time() - 900}]
)
def test_only_a_statement_meant_for_this_counts(lab, service, monkeypatch, claims):
    encode = jwt.encode
    monkeypatch.setattr(
        jwt, "encode", lambda said, *rest, **more: encode({**said, **claims}, *rest, **more)
    )
    with pytest.raises(SchedulerError, match="is not let in"):
        signed_in(lab, service, write)
