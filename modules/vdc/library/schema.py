"""Makes the published JSON Schema of ``package.yaml``: ``python -m vdc.library.schema``."""

from __future__ import annotations

import argparse
import json
import sys

from vdc.declaration.published import CHECKOUT
from vdc.library.manifest import document_schema

FILE = CHECKOUT / "package.schema.json"


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(document_schema(), indent=2) + "\n"


def main() -> int:
    """Writes the schema, or with ``--check`` only says whether the file is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    if not parser.parse_args().check:
        FILE.write_text(render(), encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == render():
        return 0
    sys.stderr.write(f"{FILE} is stale; run python -m vdc.library.schema\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
