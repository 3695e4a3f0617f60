"""``python -m vdc.toolchain``: installs the engines, for the Makefile and for scripts."""

from __future__ import annotations

import argparse
import sys

from vdc.errors import ToolchainError
from vdc.home import Home
from vdc.toolchain.install import install
from vdc.toolchain.progress import reporter
from vdc.toolchain.status import show, status


def main() -> int:
    """``install`` or ``status``, with the exit codes of ``vdc toolchain``."""
    parser = argparse.ArgumentParser(prog="python -m vdc.toolchain", description=__doc__)
    parser.add_argument("command", choices=["install", "status"])
    command = parser.parse_args().command
    home = Home.of_user()
    try:
        engines = install(home, reporter()) if command == "install" else status(home)
    except ToolchainError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    show(engines)
    return 0 if all(found.ok for found in engines) else ToolchainError.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
