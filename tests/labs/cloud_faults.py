"""Faults that a test asks for, as files: one of each fault, and one of what came of it.

Both the proxy and nova's hypervisor read them, so nothing but the standard library is here.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from pathlib import Path
from typing import Literal

_lock = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        where: Pattern of ``POST nova/v2.1/servers`` (method, service and path), or of
            ``SPAWN name`` for what the hypervisor is told to start.
        does: ``throttle``: answered with 429 and ``Retry-After: 1``. ``fail``: answered with 503;
            a server goes to ERROR. ``lose``: done, and the connection closed in place of an
            answer. ``delay``: done, ``seconds`` later.
        times: How often, then never again.
    """

    where: str
    does: Literal["throttle", "fail", "lose", "delay"]
    times: int = 1
    seconds: float = 0.0


def ask(folder: Path, name: str, fault: Fault) -> None:
    """From now on it goes wrong."""
    half = folder / f"{name}.half"
    half.write_text(json.dumps(dataclasses.asdict(fault)))
    half.replace(folder / f"{name}.fault")


def forget(folder: Path, name: str) -> None:
    """From now on it goes right."""
    (folder / f"{name}.fault").unlink(missing_ok=True)
    (folder / f"{name}.met").unlink(missing_ok=True)


def met(folder: Path, name: str) -> list[str]:
    """What has gone wrong because of it."""
    file = folder / f"{name}.met"
    return file.read_text().splitlines() if file.exists() else []


def next_for(folder: Path, what: str) -> Fault | None:
    """The fault that ``what`` has to meet now, which counts as met."""
    with _lock:
        for file in sorted(folder.glob("*.fault")):
            try:
                fault = Fault(**json.loads(file.read_text()))
            except FileNotFoundError:
                continue  # forgotten meanwhile
            if re.fullmatch(fault.where, what) and len(met(folder, file.stem)) < fault.times:
                with (folder / f"{file.stem}.met").open("a") as log:
                    log.write(f"{what}\n")
                return fault
    return None
