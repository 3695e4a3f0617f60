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
    name = NodeFile(Path("/etc/hostname"), node.name + "\n")
    config = {
        "ignition": {"version": _VERSION},
        "storage": {"files": [_file(file) for file in (name, *node_files(node))]},
        "systemd": {
            "units": [{"name": layout.BOOT_UNIT.name, "enabled": True, "contents": boot_unit()}]
        },
    }
    return json.dumps(config, separators=(",", ":")) + "\n"


def _file(file: NodeFile) -> dict[str, Any]:
    data = base64.b64encode(file.content.encode()).decode()
    return {
        "path": str(file.path),
        "mode": file.mode,
        "overwrite": True,
        "contents": {"source": f"data:;base64,{data}"},
    }
