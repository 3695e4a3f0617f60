"""Where a stack's state and its passphrase are kept: with the user, or with a team."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from e2e.checkout import Checkout

pytestmark = pytest.mark.real


@pytest.fixture
def team(fresh: Checkout) -> Checkout:
    """A checkout whose stack is in a team's backend, under a passphrase that the team knows."""
    backend = fresh.base / "team"
    backend.mkdir()
    theirs = {
        "PULUMI_BACKEND_URL": backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "known to the team",
    }
    return replace(fresh, environment={**fresh.environment, **theirs})


@pytest.mark.long
def test_whoever_has_no_trace_of_a_teams_stack_can_destroy_it(team: Checkout) -> None:
    begin(team)
    shutil.rmtree(team.home.data)
    done = team.vdc("destroy", "--yes", "--output", "json")
    assert json.loads(done.stdout) == {"stack": team.stack, "destroyed": True}
    assert list(team.home.data.glob("**/*")) == [], "of a team's stack nothing is kept here"
    assert recorded(team) == []


def test_where_there_is_no_stack_destroy_says_so(team: Checkout) -> None:
    done = team.vdc("destroy", "--yes", "--output", "json")
    assert json.loads(done.stdout) == {"stack": team.stack, "destroyed": False}
    backend = team.environment["PULUMI_BACKEND_URL"]
    assert f"there is no stack {team.stack} at {backend}; nothing to do" in done.stderr
    assert not team.home.data.exists()


def begin(place: Checkout) -> None:
    """Makes what has secrets and needs no machine."""
    targets = ("--target", "**::vdc:index:Datacenter::**", "--target", "**::authority")
    place.pulumi("up", "--yes", "--skip-preview", *targets)
    assert [urn.rpartition("::")[2] for urn in recorded(place)][-1] == "authority"


def recorded(place: Checkout) -> list[str]:
    """The resources that the backend has of the stack."""
    state = json.loads(place.pulumi("stack", "export").stdout)
    return [resource["urn"] for resource in state["deployment"].get("resources", [])]


@pytest.mark.long
def test_a_lost_passphrase_is_said_with_what_to_do(fresh: Checkout) -> None:
    fresh.vdc("env")
    settings = fresh.root / "stacks" / f"Pulumi.{fresh.stack}.yaml"
    assert "encryptionsalt" in settings.read_text()
    shutil.rmtree(fresh.home.data)
    for command in ("env", "up"):
        refused = fresh.vdc(command, "--yes", code=3)
        assert refused.stderr == (
            f"vdc: {settings}: encrypted with the passphrase in {fresh.own.passphrase}, which is "
            "gone; bring that file back, or remove this one to begin anew\n"
        )
    assert not fresh.own.passphrase.exists()

    settings.unlink()
    fresh.vdc("env")


@pytest.mark.long
def test_a_colleague_without_the_passphrase_is_told_so(fresh: Checkout) -> None:
    backend = fresh.base / "team"
    backend.mkdir()
    place = replace(
        fresh, environment={**fresh.environment, "PULUMI_BACKEND_URL": backend.as_uri()}
    )
    begin(place)
    shutil.rmtree(place.home.data)
    (place.root / "stacks" / f"Pulumi.{place.stack}.yaml").unlink()
    refused = place.vdc("destroy", "--yes", code=3)
    assert refused.stderr == (
        f"vdc: stack {place.stack} at {backend.as_uri()}: encrypted with a passphrase that is not "
        f"in {place.own.passphrase}; bring that file from where the stack was made, or name the "
        "passphrase in PULUMI_CONFIG_PASSPHRASE\n"
    )
