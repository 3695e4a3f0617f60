"""Machines that are wrong inside, as files over an image; see :func:`labs.images.variant`."""

_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def wrong_clock(offset: str) -> dict[str, str]:
    """Every service sees another time, by so much: ``-400d``, ``+2h``. systemd itself does not."""
    variables = f"LD_PRELOAD={_FAKETIME} FAKETIME={offset} FAKETIME_DONT_FAKE_MONOTONIC=1"
    return {"/etc/systemd/system.conf.d/clock.conf": f"[Manager]\nDefaultEnvironment={variables}\n"}


def silent_service(name: str) -> dict[str, str]:
    """A service that runs, as systemd sees it, and does nothing; whoever installs it later."""
    return {
        f"/etc/systemd/system/{name}.service.d/silent.conf": (
            "[Service]\nExecStartPre=\nExecStart=\nExecStart=/bin/sleep infinity\n"
        )
    }
