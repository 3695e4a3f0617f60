"""The script that brings software onto a node: whole or not at all, whatever comes in between."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vdc.library.packing import Archive, archive_file, pack
from vdc.library.parts import Artifact
from vdc.pool.software import task
from vdc.provider import pki

TOOL = Artifact("tool", "1.0", "tool==1.0", "a" * 64, 0, (), ())
SCRIPT = Path(task.__file__).with_name("software.sh")


@dataclass
class Depot:
    """A pool service that answers what it is told to."""

    folder: Path
    archive: Archive
    address: str = ""
    ca: Path = Path()
    refusals: list[int] = field(default_factory=list)
    served: int = 0
    content: bytes = b""

    def run(self, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs the script, or the text of another one."""
        command = ["sh", "-c", text, "software.sh"] if text else ["sh", str(SCRIPT)]
        return subprocess.run([*command, *args], capture_output=True, text=True, check=False)

    def words(self, root: Path, *endpoints: str, sha256: str = "", kib: int = 1) -> list[str]:
        """Arguments with which the tool is added."""
        there = endpoints or (self.address,)
        digest = sha256 or self.archive.sha256
        return ["add", "0", str(root), TOOL.folder, TOOL.sha256, digest, str(kib),
                str(self.ca), *there]  # fmt: skip

    def add(self, root: Path, *endpoints: str, **other: str | int) -> int:
        """Brings the tool; the exit code."""
        done = self.run(*self.words(root, *endpoints, **other))  # type: ignore[arg-type]
        assert not done.stdout
        return done.returncode


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    """A service with one archive, over TLS."""
    packages = tmp_path / "service"
    folder = packages / TOOL.folder
    (folder / "bin").mkdir(parents=True)
    (folder / ".vdc-artifact.json").write_text(f'{{"sha256": "{TOOL.sha256}"}}\n')
    (folder / "bin/run").write_text("#!/bin/sh\n")
    (folder / "bin/run").chmod(0o755)
    archive = pack(TOOL, packages)
    depot = Depot(tmp_path, archive, ca=tmp_path / "ca.pem")
    depot.content = archive_file(packages, archive.sha256).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = depot.refusals.pop(0) if depot.refusals else 200
            if self.path != f"/join/v1/artifacts/{archive.sha256}":
                status = 404
            depot.served += status == 200
            self.send_response(status)
            self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(depot.content if status == 200 else b"come again\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    authority = pki.new_authority("test")
    pair = pki.issue(authority, "pool", ["127.0.0.1"], server=True)
    for name, text in (("ca", authority.cert), ("cert", pair.cert), ("key", pair.key)):
        (tmp_path / f"{name}.pem").write_text(text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    depot.address = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield depot
    server.shutdown()
    thread.join()
    server.server_close()


def left_in(root: Path) -> list[str]:
    """Everything beside the finished folder and its lock."""
    return sorted(p.name for p in (root / "tool").iterdir() if p.name != ".1.0.lock")


def test_it_is_there_as_it_was_packed(depot, tmp_path):
    root = tmp_path / "node"
    assert depot.add(root) == 0
    assert (root / TOOL.folder / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (root / TOOL.folder).stat().st_mode & 0o777 == 0o755
    assert left_in(root) == ["1.0"]


def test_what_is_there_is_not_fetched_again(depot, tmp_path):
    assert [depot.add(tmp_path / "node") for _ in range(2)] == [0, 0]
    assert depot.served == 1


def test_two_at_once_fetch_once(depot, tmp_path):
    with ThreadPoolExecutor() as threads:
        codes = list(threads.map(lambda _: depot.add(tmp_path / "node"), range(4)))
    assert codes == [0] * 4
    assert depot.served == 1
    assert left_in(tmp_path / "node") == ["1.0"]


def test_who_is_told_to_come_again_does(depot, tmp_path):
    depot.refusals = [503, 503]
    assert depot.add(tmp_path / "node") == 0


def test_the_next_endpoint_is_asked(depot, tmp_path):
    depot.refusals = [404]
    assert depot.add(tmp_path / "node", depot.address, depot.address) == 0
    assert depot.add(tmp_path / "other", "https://127.0.0.1:1", depot.address) == 0


def test_a_wrong_sum_leaves_nothing(depot, tmp_path):
    depot.content = depot.content[:-1] + b"x"
    root = tmp_path / "node"
    assert "wrong SHA-256" in task.in_words(depot.add(root))
    assert left_in(root) == []


def test_a_full_disk_is_known_before_anything_is_fetched(depot, tmp_path):
    assert "not enough room" in task.in_words(depot.add(tmp_path / "node", kib=2**50))
    assert depot.served == 0


def test_an_archive_that_is_gone_is_told_at_once(depot, tmp_path):
    assert "no more" in task.in_words(depot.add(tmp_path / "node", sha256="b" * 64))


def test_a_service_that_cannot_be_reached_is_given_up(depot, tmp_path):
    text = SCRIPT.read_text().replace("PAUSE_S=5", "PAUSE_S=0")
    done = depot.run(*depot.words(tmp_path / "node", "https://127.0.0.1:1"), text=text)
    assert "cannot fetch" in task.in_words(done.returncode)


def test_a_stranger_s_certificate_is_not_trusted(depot, tmp_path):
    depot.ca.write_text(pki.new_authority("other").cert)
    text = SCRIPT.read_text().replace("PAUSE_S=5", "PAUSE_S=0")
    done = depot.run(*depot.words(tmp_path / "node"), text=text)
    assert "cannot fetch" in task.in_words(done.returncode)
    assert depot.served == 0


def test_a_folder_of_other_content_is_left_alone(depot, tmp_path):
    foreign = tmp_path / "node" / TOOL.folder
    foreign.mkdir(parents=True)
    (foreign / "mine").touch()
    assert "something else" in task.in_words(depot.add(tmp_path / "node"))
    assert (foreign / "mine").exists()


def test_a_folder_that_cannot_be_written_is_told(depot, tmp_path):
    (tmp_path / "node").write_text("no folder")
    assert "cannot be written" in task.in_words(depot.add(tmp_path / "node"))


def test_what_a_killed_one_left_goes(depot, tmp_path):
    leftover = tmp_path / "node/tool/.1.0.part-abcdef"
    leftover.mkdir(parents=True)
    (leftover / "archive").write_text("half")
    assert depot.add(tmp_path / "node") == 0
    assert left_in(tmp_path / "node") == ["1.0"]


def test_removing_removes_only_what_it_means(depot, tmp_path):
    root = tmp_path / "node"
    depot.add(root)
    assert depot.run("remove", "0", str(root), TOOL.folder, "b" * 64).returncode == 0
    assert left_in(root) == ["1.0"]
    for _ in range(2):
        assert depot.run("remove", "0", str(root), TOOL.folder, TOOL.sha256).returncode == 0
    assert left_in(root) == []


def test_a_missing_tool_is_named(depot, tmp_path):
    text = "PATH=/nonexistent\n" + SCRIPT.read_text()
    done = depot.run(*depot.words(tmp_path / "node"), text=text)
    assert "lacks curl" in task.in_words(done.returncode)


def test_it_is_a_posix_script_and_no_template():
    text = SCRIPT.read_text()
    assert "{{" not in text  # the scheduler renders it
    subprocess.run(["sh", "-n", str(SCRIPT)], check=True)
