"""What an interrupted run leaves in Pulumi's folder, and what of it the next run removes."""

import json
import os
import socket

import pytest

from vdc.cli import mend
from vdc.cli.project import find_stack

NOBODY = 2**22 + 1  # above the kernel's highest process id


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack whose back end is a folder of its own."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("VDC_HOME", str(tmp_path / "home"))
    root = tmp_path / "checkout"
    (root / "stacks").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    return find_stack("blue", root)


def write(stack, path, text=""):
    file = stack.own_backend / ".pulumi" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def lock(stack, **owner):
    owner = {"pid": NOBODY, "hostname": socket.gethostname(), **owner}
    return write(stack, "locks/organization/mine/blue/1.json", json.dumps(owner))


def test_the_lock_of_a_dead_process_is_released_and_said(stack):
    held, said = lock(stack), []
    assert mend.release_dead_locks(stack, said.append)
    assert not held.exists()
    assert said == [f"released the lock of an interrupted run (process {NOBODY} is gone)"]


@pytest.mark.parametrize("owner", [{"hostname": "elsewhere"}, {"hostname": "elsewhere", "pid": 1}])
def test_the_lock_of_another_machine_is_left_with_its_files(stack, owner):
    held, half = lock(stack, **owner), write(stack, "stacks/mine/blue.json.18ea.tmp")
    assert not mend.release_dead_locks(stack, [].append)
    assert held.exists() and half.exists()


def test_the_lock_of_a_live_process_that_is_no_pulumi_is_released(stack):
    lock(stack, pid=os.getpid())
    assert mend.release_dead_locks(stack, [].append)


def test_files_that_a_killed_engine_had_not_renamed_yet_are_removed(stack):
    halves = [
        write(stack, "stacks/mine/blue.json.18ea.tmp"),
        write(stack, "stacks/mine/blue.json.bak.18ea63740ba8e813.tmp"),
        write(stack, "locks/organization/mine/blue/1.json.18ea.tmp"),
        write(stack, "history/mine/blue/blue-1.history.json.18ea.tmp"),
        write(stack, "backups/mine/blue/blue.1.json.18ea.tmp"),
    ]
    others = [
        write(stack, "stacks/mine/blue.json"),
        write(stack, "stacks/mine/blue-2.json.18ea.tmp"),
        write(stack, "stacks/other/blue.json.18ea.tmp"),
    ]
    mend.release_dead_locks(stack, [].append)
    assert not any(path.exists() for path in halves)
    assert all(path.exists() for path in others)
