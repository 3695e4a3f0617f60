"""cloud-init's user data and NoCloud's meta-data for a node; pure."""

from __future__ import annotations

import hashlib
from typing import Any

import yaml

from vdc.bootstrap import layout
from vdc.bootstrap.node import NodeBoot, NodeFile, boot_unit, node_files

_META_DATA = "instance-id: {name}-{digest}\nlocal-hostname: {name}\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def user_data(node: NodeBoot) -> str:
    """The ``#cloud-config`` that makes a fresh machine the node."""
    unit = NodeFile(layout.BOOT_UNIT, boot_unit())
    config = {
        **({} if node.naming else {"hostname": node.name}),
        "write_files": [_file(file) for file in (*node_files(node), unit)],
        # Not waited for: cloud-init would be «running» for as long as the pool is out of reach.
        "runcmd": [["systemctl", "enable", "--now", "--no-block", unit.path.name]],
    }
    return "#cloud-config\n" + _dump(config)


def meta_data(node: NodeBoot, user_data: str) -> str:
    """NoCloud's ``meta-data``: other user data is another instance, so that it is carried out."""
    digest = hashlib.sha256(user_data.encode()).hexdigest()[:16]
    return _META_DATA.format(name=node.name, digest=digest)


def _file(file: NodeFile) -> dict[str, Any]:
    mode = {} if file.mode == 0o644 else {"permissions": f"{file.mode:04o}"}
    return {"path": str(file.path), **mode, "content": file.content}


def _dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return text
