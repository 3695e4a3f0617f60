"""``pulumi-resource-vdc``: see :mod:`vdc.provider.begin`."""

from __future__ import annotations

from vdc.standby.run import run


def main() -> None:
    """Console script ``pulumi-resource-vdc``: in the engine's standby where there is one."""
    run("vdc.provider.begin")


if __name__ == "__main__":
    main()
