"""What a machine has said on its console, as lines for a message. Pure."""

from __future__ import annotations

import re

_LINES = 12
_CONFIGURING = re.compile(r"Cloud-init v\. \S+ running|[Ii]gnition\[")
_CONFIGURED = re.compile(r"Cloud-init v\. \S+ finished|Ignition finished successfully")
# Colours, cursor movements, and whatever else would act on the reader's terminal.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[^\[]|[^\x20-\x7e\n]")


def stage(*, running: bool, address: str, console: str) -> str:
    """The last of the stages that shows: defined, booted, address, cloud-init, agent."""
    if not running:
        return "stage defined: it does not run"
    if _CONFIGURED.search(console):
        return "stage agent: it has carried out its user data, and its agent has not reported"
    if address or _CONFIGURING.search(console):
        as_whom = f" as {address}" if address else ""
        return f"stage cloud-init: it runs{as_whom} and has not carried out its user data"
    return "stage address: it runs and has shown no address yet"


def legible(raw: bytes) -> str:
    """A console's bytes as lines of plain text."""
    text = raw.decode("ascii", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", text)


def quoted(console: str) -> str:
    """The last lines, to follow a sentence; of those that differ in figures alone, the last."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    skeletons = [re.sub(r"[^A-Za-z]", "", line) for line in lines]
    after = [*skeletons[1:], ""]
    told = [lines[i] for i in range(len(lines)) if skeletons[i] != after[i]][-_LINES:]
    return "; its console ends with" + "".join(f"\n    | {line}" for line in told) if told else ""
