"""Every way of obtaining an engine, and every way in which one can fail."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain.fakes import program, put, sums, tarred, zipped
from vdc.errors import ToolchainError
from vdc.toolchain import shim
from vdc.toolchain.found import cached, engine_path, paths
from vdc.toolchain.install import install, obtain
from vdc.toolchain.pins import HOST, NOMAD, PULUMI, Pin, Platform
from vdc.toolchain.status import status

GOOD_NOMAD = program(f"Nomad v{NOMAD.version}")
GOOD_PULUMI = program(f"v{PULUMI.version}")
OFFICIAL = {"pulumi/pulumi-language-python": b"#!/bin/sh\necho official $1\n"}


def _file_names(pin: Pin) -> tuple[str, str]:
    addresses = pin.release.addresses(pin.version, Platform.current(), {})
    return addresses.name, addresses.sums.rpartition("/")[2]


NOMAD_ARCHIVE, NOMAD_SUMS = _file_names(NOMAD)
PULUMI_ARCHIVE, PULUMI_SUMS = _file_names(PULUMI)


def publish(host, archive: str, sums_file: str, content: bytes) -> None:
    host.files |= {archive: content, sums_file: sums({"other.zip": b"", archive: content})}


def fake_go(folder: Path, body: str) -> None:
    """A go whose shell code sees the output path as $out."""
    search = 'while [ "$1" != -o ]; do shift; done\nout=$2\n'
    put(folder, "go", f"#!/bin/sh\n{search}{body}\n".encode())


def left_over(home) -> list[str]:
    """What is in the cache beside finished engines and the files that are always there."""
    kept = (".lock", ".build.log")
    return sorted(
        path.name
        for path in home.engines.iterdir()
        if path.name != "versions.json" and not path.name.endswith(kept)
    )


# From PATH


def test_an_engine_on_path_is_used_where_it_is(home, bin_folder, recorder) -> None:
    there = put(bin_folder, "nomad", GOOD_NOMAD)
    found = obtain(NOMAD, home, recorder)
    assert (found.path, found.source) == (there, "path")
    assert recorder.lines == []
    assert not cached(NOMAD, home).exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (program("Nomad v1.0.0"), "is 1.0.0, not"),
        (program(f"Nomad v{NOMAD.version}+ent"), f"is {NOMAD.version}+ent, not"),
        (program("no idea"), "does not say its version"),
        (b"#!/bin/sh\nexit 3\n", "failed with exit code 3"),
        (b"#!/no/such/interpreter\n", "does not run (No such file or directory)"),
    ],
)
def test_another_version_on_path_is_passed_over(
    content, problem, home, host, bin_folder, recorder
) -> None:
    put(bin_folder, "nomad", content)
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    assert obtain(NOMAD, home, recorder).source == "release"
    assert problem in recorder.lines[0]


# From the release


def test_a_release_with_the_right_sum_is_installed(home, host, recorder) -> None:
    archive = zipped({"LICENSE.txt": b"text", "nomad": GOOD_NOMAD})
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, archive)
    found = obtain(NOMAD, home, recorder)
    assert (found.path, found.source) == (cached(NOMAD, home), "release")
    assert recorder.bytes == len(archive)
    assert engine_path("nomad", home) == found.path
    assert left_over(home) == [NOMAD.folder]
    assert [path.name for path in found.path.parent.iterdir()] == ["nomad"]


def test_a_release_with_another_sum_is_refused(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    host.files[NOMAD_ARCHIVE] += b"more"
    with pytest.raises(ToolchainError, match=r"is refused: its SHA-256 is [0-9a-f]{64}, published"):
        obtain(NOMAD, home, recorder)
    assert left_over(home) == []


def test_a_release_without_a_sum_is_refused(home, host, recorder) -> None:
    host.files[NOMAD_ARCHIVE] = zipped({"nomad": GOOD_NOMAD})
    host.files[NOMAD_SUMS] = sums({"other.zip": b""})
    with pytest.raises(ToolchainError, match="publishes no sum for it"):
        obtain(NOMAD, home, recorder)
    assert NOMAD_ARCHIVE not in host.asked
    assert left_over(home) == []


def test_a_release_without_a_sums_file_is_refused(home, host, recorder) -> None:
    host.files[NOMAD_ARCHIVE] = zipped({"nomad": GOOD_NOMAD})
    with pytest.raises(ToolchainError, match=rf"{NOMAD_SUMS} answers 404"):
        obtain(NOMAD, home, recorder)


def test_a_release_of_another_version_is_refused(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": program("Nomad v1.0.0")}))
    with pytest.raises(ToolchainError, match=r"what came is nomad 1\.0\.0, not"):
        obtain(NOMAD, home, recorder)
    assert left_over(home) == []


def test_an_archive_without_the_engine_is_refused(home, host, recorder) -> None:
    publish(host, PULUMI_ARCHIVE, PULUMI_SUMS, tarred({"pulumi": GOOD_PULUMI}))
    with pytest.raises(ToolchainError, match="holds no pulumi/pulumi"):
        obtain(PULUMI, home, recorder)


def test_something_that_is_no_archive_is_refused(home, host, recorder) -> None:
    publish(host, PULUMI_ARCHIVE, PULUMI_SUMS, b"<html>")
    with pytest.raises(ToolchainError, match="is not a readable archive"):
        obtain(PULUMI, home, recorder)


def test_an_interrupted_download_leaves_nothing(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    host.cut.add(NOMAD_ARCHIVE)
    with pytest.raises(ToolchainError, match=r"cannot be fetched .*peer closed connection"):
        obtain(NOMAD, home, recorder)
    assert left_over(home) == []
    host.cut.clear()
    assert obtain(NOMAD, home, recorder).ok


def test_only_wanted_members_leave_the_archive(home, host, recorder) -> None:
    evil = {"../../evil": b"", "/tmp/evil": b"", "pulumi/pulumi-watch": b""}
    wanted = {"pulumi/pulumi": GOOD_PULUMI, "pulumi/pulumi-language-python": b""}
    publish(host, PULUMI_ARCHIVE, PULUMI_SUMS, tarred(evil | wanted))
    folder = obtain(PULUMI, home, recorder).path.parent
    assert {path.name for path in folder.iterdir()} == {"pulumi", "pulumi-language-python"}
    assert not list(home.cache.parent.rglob("evil"))


# From source


@pytest.fixture
def no_release(monkeypatch) -> Iterator[None]:
    """Release hosts that refuse at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and so is nobody else's, who might listen there
        address = "http://{}:{}".format(*taken.getsockname())
        monkeypatch.setenv("VDC_NOMAD_RELEASES", address)
        monkeypatch.setenv("VDC_PULUMI_RELEASES", address)
        yield


@pytest.mark.usefixtures("no_release")
def test_an_unreachable_host_falls_to_the_build(home, bin_folder, recorder, monkeypatch) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    text = GOOD_NOMAD.decode()
    fake_go(
        bin_folder,
        'echo "env=$GOOS/$GOFLAGS/$GOWORK pwd=$PWD"\n'
        f"printf '%s' \"{text}\" >$out\n/bin/chmod +x $out",
    )
    found = obtain(NOMAD, home, recorder)
    assert found.source == "build"
    assert any("release: " in line and "Connection refused" in line for line in recorder.lines)
    assert f"nomad {NOMAD.version}: env=/-buildvcs=false/off pwd={NOMAD.module}" in recorder.lines
    assert left_over(home) == [NOMAD.folder]


@pytest.mark.usefixtures("no_release")
def test_the_modules_of_the_next_engine_are_fetched_meanwhile(
    home, bin_folder, recorder, tmp_path
) -> None:
    fetched = tmp_path / "fetched"
    os.mkfifo(fetched)  # opened by both or by none
    search = 'while [ "$1" != -o ]; do shift; done'
    go = f"""#!/bin/sh
if [ "$1" = list ]; then echo "$PWD $*" >{fetched}; exec /bin/sleep 60; fi
read line <{fetched}
echo "meanwhile: $line"
{search}
printf '%s' "{GOOD_PULUMI.decode()}" >$2
/bin/chmod +x $2
"""
    put(bin_folder, "go", go.encode())
    begun = time.monotonic()
    assert obtain(PULUMI, home, recorder).source == "build"
    assert time.monotonic() - begun < 30, "what is not needed any more is not waited for"
    asked = f"{NOMAD.module} list -mod=readonly -tags release -deps {NOMAD.build.package}"
    assert f"pulumi {PULUMI.version}: meanwhile: {asked}" in recorder.lines


@pytest.mark.usefixtures("no_release")
def test_everything_tried_is_listed(home, recorder) -> None:
    with pytest.raises(ToolchainError) as caught:
        obtain(NOMAD, home, recorder)
    first, found, release, build = str(caught.value).splitlines()
    assert first == f"nomad {NOMAD.version} could not be obtained:"
    assert found == "  found here: no nomad on PATH"
    assert release.endswith("cannot be fetched ([Errno 111] Connection refused)")
    assert build == "  build: no go on PATH; install Go to build it here"


@pytest.mark.usefixtures("no_release")
def test_a_failed_build_says_why_and_keeps_its_output(home, bin_folder, recorder) -> None:
    fake_go(
        bin_folder, "echo first line\necho 'main.go:1: it is wrong' >&2\necho a/package\nexit 1"
    )
    with pytest.raises(ToolchainError, match=r"go build failed: main.go:1: it is wrong"):
        obtain(NOMAD, home, recorder)
    assert left_over(home) == []
    assert "first line" in (home.engines / f"{NOMAD.folder}.build.log").read_text()


@pytest.mark.usefixtures("no_release")
def test_outside_a_checkout_there_is_nothing_to_build_from(
    home, bin_folder, recorder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("vdc.toolchain.pins.MODULES", tmp_path)
    fake_go(bin_folder, "exit 0")
    with pytest.raises(ToolchainError, match="run from a checkout"):
        obtain(NOMAD, home, recorder)


# Again, at once, and killed


def test_a_second_run_touches_nothing(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    first = obtain(NOMAD, home, recorder)
    before = first.path.stat().st_mtime_ns
    host.asked.clear()
    recorder.lines.clear()
    assert obtain(NOMAD, home, recorder) == first
    assert (host.asked, recorder.lines) == ([], [])
    assert first.path.stat().st_mtime_ns == before


def test_a_damaged_engine_in_the_cache_is_replaced(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    path = obtain(NOMAD, home, recorder).path
    path.write_bytes(b"")
    assert obtain(NOMAD, home, recorder).path == path
    assert path.read_bytes() == GOOD_NOMAD


OBTAIN = """
from pathlib import Path
import sys
from vdc.home import Home
from vdc.toolchain.install import obtain
from vdc.toolchain.pins import NOMAD
from vdc.toolchain.progress import reporter
obtain(NOMAD, Home(Path(sys.argv[1]), Path(sys.argv[2])), reporter())
"""


def start(home) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OBTAIN, str(home.data), str(home.cache)],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_installations_at_once_download_once(home, host) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    host.gate.clear()
    with start(home) as first:
        assert host.reached.wait(20)
        with start(home) as second:
            line = second.stderr.readline()
            host.gate.set()
            assert (first.wait(20), second.wait(20)) == (0, 0)
            assert "another vdc is installing it; waiting" in line
    assert host.asked == [NOMAD_SUMS, NOMAD_ARCHIVE]
    assert engine_path("nomad", home) == cached(NOMAD, home)


def test_a_killed_installation_is_taken_up_by_the_next(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    host.gate.clear()
    with start(home) as killed:
        assert host.reached.wait(20)
        os.kill(killed.pid, signal.SIGKILL)
    with pytest.raises(ToolchainError, match="vdc toolchain install"):
        engine_path("nomad", home)
    host.gate.set()
    assert obtain(NOMAD, home, recorder).ok
    assert left_over(home) == [NOMAD.folder]


# All of it


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """A folder of programs that is not the one these tests run from."""
    folder = tmp_path / "venv"
    folder.mkdir()
    monkeypatch.setattr(shim, "_place", lambda: folder / shim.NAME)
    return folder


def publish_all(host, pulumi: dict[str, bytes]) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    publish(host, PULUMI_ARCHIVE, PULUMI_SUMS, tarred({"pulumi/pulumi": GOOD_PULUMI} | pulumi))


def test_install_and_status_agree(home, host, recorder, environment) -> None:
    assert [found.ok for found in status(home)] == [False, False, False]
    publish_all(host, OFFICIAL)
    engines = install(home, recorder)
    assert [found.source for found in engines] == ["release", "release", "release"]
    assert status(home) == engines
    assert (paths(home).pulumi, paths(home).nomad) == (engines[0].path, engines[1].path)
    (environment / shim.NAME).unlink()
    assert [found.ok for found in status(home)] == [True, True, False]
    assert install(home, recorder) == engines


def test_the_official_language_host_comes_first(home, host, recorder, environment) -> None:
    publish_all(host, OFFICIAL)
    *_, found = install(home, recorder)
    assert found.source == "release"
    assert found.path == cached(PULUMI, home).with_name(shim.NAME)
    answer = subprocess.run([environment / shim.NAME, "it"], capture_output=True, check=True)
    assert answer.stdout == b"official it\n"


def test_without_the_official_one_ours_is_built_and_told_its_interpreter(
    home, host, recorder, environment, bin_folder, monkeypatch
) -> None:
    publish_all(host, {})
    text = f'#!/bin/sh\n[ "$1" = version ] && echo {HOST.version}\necho ours $1 $2'
    fake_go(bin_folder, f"printf '%s' '{text}' >$out\n/bin/chmod +x $out")
    *_, found = install(home, recorder)
    assert (found.source, found.path) == ("build", cached(HOST, home))
    answer = subprocess.run([environment / shim.NAME, "it"], capture_output=True, check=True)
    assert answer.stdout == f"ours {sys.executable} it\n".encode()
    monkeypatch.setenv("PATH", str(environment))  # which is not taken for the official one
    assert status(home)[-1] == found


@pytest.mark.usefixtures("environment")
def test_without_the_official_one_and_go_it_is_said(home, host, recorder) -> None:
    publish_all(host, {})
    with pytest.raises(ToolchainError) as caught:
        install(home, recorder)
    assert str(caught.value).splitlines() == [
        f"pulumi-language-python {HOST.version} could not be obtained:",
        "  found here: none is built here",
        "  build: no go on PATH; install Go to build it here",
    ]


def test_ours_is_built_anew_when_its_source_is_another(tmp_path, monkeypatch) -> None:
    source = tmp_path / "pulumi" / HOST.engine / "main.go"
    source.parent.mkdir(parents=True)
    monkeypatch.setattr("vdc.toolchain.pins.MODULES", tmp_path)
    folders = {HOST.folder}
    for text in ("package main", "package main // again"):
        source.write_text(text)
        folders |= {HOST.folder, HOST.folder}
    assert len(folders) == 3


@pytest.mark.usefixtures("environment")
def test_one_engine_that_fails_does_not_keep_the_other_back(home, host, recorder) -> None:
    publish(host, NOMAD_ARCHIVE, NOMAD_SUMS, zipped({"nomad": GOOD_NOMAD}))
    with pytest.raises(ToolchainError, match=f"pulumi {PULUMI.version} could not be obtained"):
        install(home, recorder)
    assert engine_path("nomad", home) == cached(NOMAD, home)


def test_unknown_engine(home) -> None:
    with pytest.raises(ToolchainError, match="there is no engine 'docker'; there are pulumi and"):
        engine_path("docker", home)


def test_second_run_of_the_program_takes_under_a_second(home, bin_folder, environment) -> None:
    put(bin_folder, "nomad", GOOD_NOMAD)
    put(bin_folder, "pulumi", GOOD_PULUMI)
    put(bin_folder, shim.NAME, b"#!/bin/sh\n")
    code = (
        "import sys; from pathlib import Path; from vdc.toolchain import shim, __main__ as main; "
        "place = Path(sys.argv.pop()); shim._place = lambda: place; sys.exit(main.main())"
    )
    command = [sys.executable, "-c", code, "install", str(environment / shim.NAME)]
    variables = os.environ | {"VDC_HOME": str(home.data), "VDC_CACHE": str(home.cache)}
    subprocess.run(command, env=variables, check=True, capture_output=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: it waits for nothing, and other tests may be running beside it.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_a_release_is_not_asked_for_an_unknown_platform(home, host, recorder, monkeypatch) -> None:
    unknown = replace(Platform.current(), machine="sparc64")
    monkeypatch.setattr(Platform, "current", classmethod(lambda _cls: unknown))
    with pytest.raises(ToolchainError, match=f"no release for {unknown.system} on sparc64"):
        obtain(NOMAD, home, recorder)
    assert host.asked == []
