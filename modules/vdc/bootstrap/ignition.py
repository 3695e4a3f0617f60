"""Ignition configuration of a node, for systems that know no cloud-init; pure."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from vdc.bootstrap import layout
from vdc.bootstrap.node import NodeBoot, NodeFile, boot_unit, node_files

_VERSION = "3.4.0"


def ignition(node: NodeBoot) -> str:
    """The JSON that makes a fresh machine the node; read once, at its first boot."""
    # The one file that an image may bring already.
    name = {**_file(NodeFile(Path("/etc/hostname"), node.name + "\n")), "overwrite": True}
    named = [] if node.naming else [name]
    config = {
        "ignition": {"version": _VERSION},
        "storage": {"files": [*named, *(_file(file) for file in node_files(node))]},
        "systemd": {
            "units": [{"name": layout.BOOT_UNIT.name, "enabled": True, "contents": boot_unit()}]
        },
    }
    return json.dumps(config, separators=(",", ":")) + "\n"


def _file(file: NodeFile) -> dict[str, Any]:
    data = base64.b64encode(file.content.encode()).decode()
    mode = {} if file.mode == 0o644 else {"mode": file.mode}
    return {"path": str(file.path), **mode, "contents": {"source": f"data:;base64,{data}"}}
