"""An image on its way to a host: recognised, unpacked and checked while it streams."""

import bz2
import gzip
import hashlib
import lzma
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt.image import flowing
from vdc.provider.drivers.libvirt.model import Image

QCOW2 = b"QFI\xfb" + bytes(20) + (7 << 30).to_bytes(8) + bytes(range(256)) * 8192
EXT4 = bytes(0x438) + b"\x53\xef" + bytes(1 << 20)
DISK = b"\xeb\x63" + bytes(508) + b"\x55\xaa" + bytes(1 << 20)


def image(path, content: bytes) -> Image:
    path.write_bytes(content)
    return Image(str(path), hashlib.sha256(content).hexdigest())


def two_streams(content: bytes) -> bytes:
    half = len(content) // 2
    return bz2.compress(content[:half]) + bz2.compress(content[half:])


@pytest.mark.parametrize("pack", [bytes, lzma.compress, bz2.compress, gzip.compress, two_streams])
def test_an_image_comes_out_as_it_was_packed(tmp_path, pack):
    with flowing(image(tmp_path / "image", pack(QCOW2))) as flow:
        assert (flow.format, flow.capacity) == ("qcow2", 7 << 30)
        assert b"".join(flow.chunks) == QCOW2


@pytest.mark.parametrize(("content", "is_one"), [(EXT4, True), (DISK, False)])
def test_a_file_system_is_told_from_a_disk(tmp_path, content, is_one):
    with flowing(image(tmp_path / "image", content)) as flow:
        assert (flow.format, flow.capacity) == ("raw", len(content))
        assert flow.file_system is is_one


@pytest.mark.parametrize("pack", [bytes, lzma.compress])
def test_a_wrong_sum_is_told_with_the_last_chunk(tmp_path, pack):
    wrong = Image(image(tmp_path / "image", pack(QCOW2)).source, "0" * 64)
    with flowing(wrong) as flow, pytest.raises(NodeError, match="its SHA-256 is"):
        list(flow.chunks)


def test_whoever_wants_any_image_gets_it(tmp_path):
    any_sum = Image(image(tmp_path / "image", QCOW2).source, "")
    with flowing(any_sum) as flow:
        assert b"".join(flow.chunks) == QCOW2


def test_what_is_not_there_is_one_line():
    with pytest.raises(NodeError, match="No such file"), flowing(Image("/nowhere/image", "")):
        pytest.fail("there is none")


class Mirror(BaseHTTPRequestHandler):
    """Sends ``/image`` on to ``/moved``, cuts ``/cut`` short, and has nothing else."""

    def do_GET(self) -> None:
        """See the class."""
        if self.path == "/image":
            self.send_response(302)
            self.send_header("Location", "/moved")
            self.end_headers()
        elif self.path in ("/moved", "/cut"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(QCOW2)))
            self.end_headers()
            self.wfile.write(QCOW2 if self.path == "/moved" else QCOW2[:5000])
        else:
            self.send_error(404)

    def log_message(self, *_) -> None:
        """In silence."""


@contextmanager
def mirror():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_an_image_is_fetched_from_where_its_address_leads():
    sha256 = hashlib.sha256(QCOW2).hexdigest()
    with mirror() as address, flowing(Image(f"{address}/image", sha256)) as flow:
        assert b"".join(flow.chunks) == QCOW2


def test_a_server_that_refuses_or_breaks_off_is_one_line():
    with mirror() as address:
        with pytest.raises(NodeError, match="HTTP 404"), flowing(Image(f"{address}/none", "")):
            pytest.fail("there is none")
        with (
            pytest.raises(NodeError, match="image http://"),
            flowing(Image(f"{address}/cut", "")) as flow,
        ):
            list(flow.chunks)
