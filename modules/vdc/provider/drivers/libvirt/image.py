"""A disk image on its way to a host: fetched, checked and unpacked while it streams."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt.model import Image
from vdc.provider.drivers.libvirt.xml import Format

_CHUNK = 1 << 20
_SILENCE_S = 60.0
# As far as the super block of an ext file system, the last thing that is looked at.
_HEAD = 2048

_PACKED: Mapping[bytes, Callable[[], Any]] = {
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    b"BZh": bz2.BZ2Decompressor,
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
}


@dataclass(frozen=True)
class Flow:
    """An image as it comes.

    Attributes:
        format: How its content is stored.
        capacity: Bytes of the disk that it holds; 0 while that is not known.
        file_system: Whether it is one file system without a partition table, as containers need.
        chunks: The content. Taking the last raises NodeError when the sum is not the declared one.
    """

    format: Format
    capacity: int
    file_system: bool
    chunks: Iterator[bytes]


@contextmanager
def flowing(image: Image) -> Iterator[Flow]:
    """Opens an image for one pass; nothing of it is kept on this machine.

    Raises:
        NodeError: It cannot be read, or its SHA-256 is not the declared one.
    """
    with _source(image.source) as (chunks, length):
        packed, unpacked = _unpacked(_checked(chunks, image), image.source)
        head = b""
        for chunk in unpacked:
            head += chunk
            if len(head) >= _HEAD:
                break
        qcow2 = head[:4] == b"QFI\xfb"
        yield Flow(
            format="qcow2" if qcow2 else "raw",
            capacity=int.from_bytes(head[24:32]) if qcow2 else 0 if packed else length,
            file_system=head[0x438:0x43A] == b"\x53\xef" or head[:4] == b"XFSB",
            chunks=_joined(head, unpacked),
        )


@contextmanager
def _source(source: str) -> Iterator[tuple[Iterator[bytes], int]]:
    """The bytes of an address or a file, and how many they are (0: unknown)."""
    try:
        if "://" not in source:
            with Path(source).open("rb") as file:
                yield iter(lambda: file.read(_CHUNK), b""), Path(source).stat().st_size
            return
        with httpx.stream("GET", source, follow_redirects=True, timeout=_SILENCE_S) as answer:
            answer.raise_for_status()
            yield answer.iter_raw(_CHUNK), int(answer.headers.get("content-length", 0))
    except httpx.HTTPStatusError as error:
        raise NodeError(f"image {source}: HTTP {error.response.status_code}") from None
    except (httpx.HTTPError, OSError) as error:
        raise NodeError(f"image {source}: {error or type(error).__name__}") from None


def _checked(chunks: Iterator[bytes], image: Image) -> Iterator[bytes]:
    total = hashlib.sha256()
    for chunk in chunks:
        total.update(chunk)
        yield chunk
    if image.sha256 and total.hexdigest() != image.sha256.lower():
        raise NodeError(
            f"image {image.source}: its SHA-256 is {total.hexdigest()} and the declaration says "
            f"{image.sha256}; nothing of it was kept"
        )


def _unpacked(chunks: Iterator[bytes], source: str) -> tuple[bool, Iterator[bytes]]:
    """Whether the content is compressed, and the content without that."""
    first = next(chunks, b"")
    for magic, make in _PACKED.items():
        if first.startswith(magic):
            return True, _inflated(_joined(first, chunks), make, source)
    return False, _joined(first, chunks)


def _inflated(chunks: Iterator[bytes], make: Callable[[], Any], source: str) -> Iterator[bytes]:
    """Compressed by several processors at once, a file is several streams in a row."""
    unpacker = make()
    try:
        for chunk in chunks:
            left = chunk
            while left:
                if unpacker.eof:
                    unpacker = make()
                yield unpacker.decompress(left)
                left = unpacker.unused_data
    except (lzma.LZMAError, OSError, EOFError, zlib.error) as error:
        raise NodeError(f"image {source}: cannot be unpacked: {error}") from None


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
