"""Which wheels are fetched for which Python; pip itself is not started."""

from __future__ import annotations

from pathlib import Path

import pytest

from vdc.errors import ToolchainError
from vdc.home import Home
from vdc.provider import wheels
from vdc.provider.release import fetched

LOCK = Path(__file__).parents[2] / "toolchain/python/pool.lock"
SMALL = """\
# comment
binary==2.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
old_style==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:cc
old-style==3.0 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
elsewhere==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:ee
stable==4.0 \\
    --hash=sha256:ff
"""


def test_a_lock_is_read_with_its_hashes_and_markers():
    binary, old, new, elsewhere, _ = wheels.pins(SMALL)
    assert binary.line == "binary==2.0 --hash=sha256:aa --hash=sha256:bb"
    assert [pin.meant_for("3.11") for pin in (binary, old, new, elsewhere)] == [1, 1, 0, 0]
    assert [pin.meant_for("3.13") for pin in (binary, old, new, elsewhere)] == [1, 0, 1, 0]


def test_newer_pythons_fetch_only_what_is_their_own(monkeypatch, tmp_path):
    asked: dict[str, list[str]] = {}

    def download(wanted, _, python, folder):
        asked[python] = [f"{pin.name} {pin.requirement.specifier}" for pin in wanted]
        cpython = f"cp{python.replace('.', '')}"
        for name in (
            "old_style-1.0-py2.py3-none-any",
            "stable-4.0-cp311-abi3-manylinux_2_28_x86_64",
            f"binary-2.0-{cpython}-{cpython}-manylinux_2_17_x86_64",
        ):
            (folder / f"{name}.whl").touch()

    monkeypatch.setattr(wheels, "_download", download)
    wheels.fetch(list(wheels.pins(SMALL)), "amd64", tmp_path)
    assert asked["3.11"] == ["binary ==2.0", "old-style ==1.0", "stable ==4.0"]
    for python in wheels.PYTHONS[1:]:
        assert asked[python] == ["binary ==2.0", "old-style ==3.0"]


def test_the_lock_of_the_service_has_pip_and_a_sum_for_everything():
    pins = list(wheels.pins(LOCK.read_text()))
    assert "pip" in {pin.name for pin in pins}
    assert all(pin.hashes for pin in pins)
    for python in wheels.PYTHONS:
        names = [pin.name for pin in pins if pin.meant_for(python)]
        assert len(names) == len(set(names))


SUM = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"


def test_a_release_is_taken_from_a_file_once_its_sum_is_right(tmp_path):
    source = tmp_path / "given.tar.gz"
    source.write_bytes(b"hello world")
    home = Home(tmp_path, tmp_path / "cache")
    path = fetched(str(source), SUM, home)
    assert path.read_bytes() == b"hello world"
    source.unlink()
    assert fetched(str(source), SUM, home) == path


@pytest.mark.parametrize(("content", "said"), [(b"other", "has the SHA-256"), (None, "be had")])
def test_a_release_that_is_another_or_missing_is_refused(tmp_path, content, said):
    source = tmp_path / "given.tar.gz"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(ToolchainError, match=said) as refused:
        fetched(str(source), SUM, Home(tmp_path, tmp_path / "cache"))
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "cache").rglob("*.tar.gz"))
