"""Machines that are wrong inside, as files over an image; see :func:`labs.images.variant`."""

_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def wrong_clock(offset: str) -> dict[str, str]:
    """cloud-init and what is ours see another time, by so much: ``-400d``, ``+2h``.

    The system itself does not, nor a program that is linked statically, as the scheduler is.
    """
    variables = f"LD_PRELOAD={_FAKETIME} FAKETIME={offset} FAKETIME_DONT_FAKE_MONOTONIC=1"
    text = f"[Service]\nEnvironment={variables}\n"
    return {f"/etc/systemd/system/{it}-.service.d/clock.conf": text for it in ("cloud", "vdc")}


def silent_service(name: str) -> dict[str, str]:
    """A service that runs, as systemd sees it, and does nothing; whoever installs it later."""
    return {
        f"/etc/systemd/system/{name}.service.d/silent.conf": (
            "[Service]\nType=simple\nExecStartPre=\nExecStart=\nExecStart=/bin/sleep infinity\n"
        )
    }
