"""Keys and tokens of a data centre are where they belong and nowhere else."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.checkout import Checkout
from e2e.planted import Planted, planted
from e2e.remains import files_below

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Exposed:
    """A data centre with work on it, all its secrets, and what was shown of it so far."""

    place: Checkout
    secrets: list[Planted]
    shown: str

    def given_away(self, texts: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
        """Which named texts give which secrets away."""
        return {name: found for name, text in texts if (found := self.found_in(text))}

    def found_in(self, text: str) -> list[str]:
        """The names of the secrets that a text gives away."""
        return [secret.name for secret in self.secrets if secret.found_in(text)]


@pytest.fixture(scope="module")
def exposed(running: Checkout) -> Exposed:
    return Exposed(running, planted(running), running.first_words.read_text())


def test_the_secrets_are_known(exposed: Exposed) -> None:
    """The other tests here prove something only if this one holds."""
    names = {secret.name for secret in exposed.secrets if secret.traces}
    holders = ("ca", "server", "client", "cli", "service", "join_ca")
    keys = {f"authority.outputs.{holder}_key" for holder in holders}
    tokens = {f"cluster.outputs.{holder}_token" for holder in ("provisioner", "operator")}
    assert keys | tokens <= names
    assert {"authority.outputs.gossip_key", "authority.outputs.bootstrap_token"} <= names
    profile = (exposed.place.own.profile).read_text()
    assert "cluster.outputs.operator_token" in exposed.found_in(profile)


def test_no_command_shows_one(exposed: Exposed) -> None:
    place = exposed.place
    place.declare(workers=4)
    shown = {
        "vdc up --diff": exposed.shown,
        "pulumi preview --diff": place.pulumi("preview", "--diff").text,
        "pulumi preview --json": place.pulumi("preview", "--json").text,
        "pulumi stack export": place.pulumi("stack", "export").text,
        "pulumi stack output": place.pulumi("stack", "output", "--json").text,
        "vdc env": place.vdc("env").text,
    }
    place.declare(workers=3)
    assert exposed.given_away(shown.items()) == {}
    assert "PRIVATE KEY" not in "".join(shown.values())


def test_the_state_holds_none_in_the_clear(exposed: Exposed) -> None:
    files = list(files_below(exposed.place.home.backend))
    assert exposed.place.state in files
    assert exposed.given_away((path, _text(path)) for path in files) == {}


def test_no_log_holds_one(exposed: Exposed) -> None:
    own = exposed.place.own
    files = [path for path in files_below(own.root) if path.is_file()]  # and no pipe of a task
    logs = [path for path in files if path.suffix == ".log" or path.parent.name == "logs"]
    assert len([log for log in logs if log.stat().st_size]) >= 5
    assert exposed.given_away((path, _text(path)) for path in logs) == {}


def test_no_process_carries_one(exposed: Exposed) -> None:
    """Not in its arguments, which everybody sees, nor in its environment, which children get."""
    assert exposed.given_away(_processes()) == {}


def test_only_their_owner_reads_the_files_that_hold_one(exposed: Exposed) -> None:
    holding = {}
    for path in files_below(exposed.place.home.data):
        with contextlib.suppress(FileNotFoundError):  # see _text
            if path.is_file() and exposed.found_in(_text(path)):
                holding[path] = stat.S_IMODE(path.stat().st_mode)
    assert exposed.place.own.passphrase in holding
    assert exposed.place.own.profile in holding
    assert {path: oct(mode) for path, mode in holding.items() if mode & 0o077} == {}


def test_the_home_is_closed_to_others(exposed: Exposed) -> None:
    """Whatever a file's own mode is: tasks and agents write some that are open."""
    place = exposed.place
    for folder in (place.own.root, place.home.backend):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0, folder


def _processes() -> Iterator[tuple[str, str]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
            yield str(process), json.dumps([process.cmdline(), process.environ()])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""  # agents replace their files while they run
