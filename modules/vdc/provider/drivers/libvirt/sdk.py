"""libvirt's own binding: imported when the first host is reached, and told to keep quiet."""

from __future__ import annotations

import atexit
import contextlib
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from vdc.errors import NodeError

# A host that says nothing for this long is gone: calls that wait for it fail, and do not hang.
_KEEPALIVE_S = 5
_KEEPALIVES = 4


@cache
def libvirt() -> Any:
    """The module ``libvirt``, ready for use from any thread.

    Raises:
        NodeError: It is not installed; the text names the extra that brings it.
    """
    try:
        import libvirt as binding
    except ImportError as error:
        raise NodeError(
            f"libvirt's Python binding cannot be imported ({error}); install the extra with "
            "`pip install 'vdc[libvirt]'`"
        ) from None
    # Errors come as exceptions; the library would print each of them as well.
    binding.registerErrorHandler(lambda *_: None, None)
    # Connections notice a silent host only while somebody turns the library's event loop.
    binding.virEventRegisterDefaultImpl()
    threading.Thread(target=_turn, args=(binding,), name="libvirt-events", daemon=True).start()
    return binding


def connect(uri: str) -> Any:
    """An open connection that notices the loss of its host.

    Raises:
        libvirt.libvirtError: There is no answer, or a refusal.
    """
    connection = libvirt().open(without_questions(uri))
    with unsupported():  # a daemon on this machine without a wire in between
        connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVES)
    # Else it is closed when the binding itself is half gone, with a traceback for each.
    atexit.register(_close, connection)
    return connection


def without_questions(uri: str) -> str:
    """The address with the wish that ``ssh`` asks nobody for a password: nobody would answer."""
    parts = urlsplit(uri)
    if not parts.scheme.endswith("+ssh") or "no_tty=" in parts.query:
        return uri
    return f"{uri}{'&' if parts.query else '?'}no_tty=1"


def parsed(document: str) -> ET.Element:
    """One of the library's answers. The host writes it, who runs our machines and is trusted."""
    return ET.fromstring(document)  # noqa: S314


@contextmanager
def unsupported() -> Iterator[None]:
    """Passes over what this host's driver does not offer; any other failure is raised."""
    binding = libvirt()
    try:
        yield
    except binding.libvirtError as error:
        if error.get_error_code() not in (
            binding.VIR_ERR_NO_SUPPORT,
            binding.VIR_ERR_CONFIG_UNSUPPORTED,
            binding.VIR_ERR_ARGUMENT_UNSUPPORTED,
        ):
            raise


def present(call: Callable[..., Any], *arguments: Any) -> Any | None:
    """What a call gives; None when what it is about is not there (any more)."""
    binding = libvirt()
    try:
        return call(*arguments)
    except binding.libvirtError as error:
        if error.get_error_code() in (
            binding.VIR_ERR_NO_DOMAIN,
            binding.VIR_ERR_NO_NETWORK,
            binding.VIR_ERR_NO_STORAGE_POOL,
            binding.VIR_ERR_NO_STORAGE_VOL,
        ):
            return None
        raise


def _close(connection: Any) -> None:
    with contextlib.suppress(libvirt().libvirtError):
        connection.close()


def _turn(binding: Any) -> None:
    while True:
        binding.virEventRunDefaultImpl()
