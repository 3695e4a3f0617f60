"""What is in the repository, as git and Python's own parser see it."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "modules" / "vdc"


@dataclass(frozen=True)
class Module:
    """One Python file of the package."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        """Path inside the package: ``scheduler/client.py``."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def layer(self) -> str:
        """The layer it belongs to; empty for the package's own ``__init__``."""
        first = Path(self.place).parts[0]
        return first.removesuffix(".py") if first != "__init__.py" else ""


@cache
def tracked() -> tuple[str, ...]:
    """Every file that git knows and that is there, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


@cache
def texts() -> dict[str, str]:
    """The text of every tracked file that is text."""
    found = {}
    for name in tracked():
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the package, programs inside library packages included."""
    return tuple(
        Module(path, text := path.read_text(encoding="utf-8"), ast.parse(text, str(path)))
        for path in sorted(PACKAGE.rglob("*.py"))
    )
