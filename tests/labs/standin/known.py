"""What SDKs declare, kept from one start to the next.

An engine starts its plugins at every command, and importing a cloud's SDK takes longer than all
that a stand-in does with it. So that is done once for each version, in a process of its own.
"""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from labs.standin.shape import Block, UnknownTokenError
from vdc.home import Home

_HERE = Path(__file__).parent
_READERS = ("declared.py", "shape.py")


@dataclass(frozen=True)
class Known:
    """What one SDK declares.

    Attributes:
        package: Its name in tokens (``aws``).
        tokens: Types and functions that are likely to be asked for; others take seconds each.
    """

    package: str
    tokens: Iterable[str]

    @property
    def version(self) -> str:
        """The version that the SDK asks its plugin to have."""
        return version(f"pulumi-{self.package}")

    @property
    def provider(self) -> Block:
        """Settings of the provider itself."""
        return self._likely["provider"]

    def block(self, token: str) -> Block:
        """Inputs of a type or arguments of a function.

        Raises:
            UnknownTokenError: The SDK declares no such thing.
        """
        return self._likely[token] if token in self._likely else self._read(token)[token]

    @cached_property
    def _likely(self) -> Mapping[str, Block]:
        wanted = ("provider", *sorted(self.tokens))
        texts = [(_HERE / name).read_text(encoding="utf-8") for name in _READERS]
        digest = hashlib.sha256("\0".join([self.version, *wanted, *texts]).encode()).hexdigest()
        file = Home.of_user().cache / "labs" / "standin" / f"{self.package}-{digest[:16]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                made = self._read(*wanted)
                fresh = file.with_suffix(".new")
                fresh.write_bytes(pickle.dumps(made))
                fresh.replace(file)
            kept: Mapping[str, Block] = pickle.loads(file.read_bytes())  # noqa: S301 - our own
        return kept

    def _read(self, *tokens: str) -> Mapping[str, Block]:
        done = subprocess.run(
            [sys.executable, "-m", "labs.standin.declared", self.package, *tokens],
            cwd=_HERE.parents[1],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise UnknownTokenError(done.stderr.decode().strip())
        read: Mapping[str, Block] = pickle.loads(done.stdout)  # noqa: S301 - our own
        return read
