"""What Spark's tasks do before they are Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vdc.library.loading import BUILT_IN

LAUNCH = BUILT_IN / "spark" / "files" / "launch.py"


def launched(part: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A run of the script as a task runs it: isolated, with nothing but the job's environment."""
    command = [sys.executable, "-I", str(LAUNCH), part]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def java_that_says(version: str, folder: Path) -> Path:
    """A JAVA_HOME whose java says a version."""
    (folder / "bin").mkdir(parents=True)
    java = folder / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A SPARK_HOME whose programs print how they were started."""
    (tmp_path / "spark" / "bin").mkdir(parents=True)
    for name in ("spark-class", "spark-submit"):
        program = tmp_path / "spark" / "bin" / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@"\n')
        program.chmod(0o755)
    return {
        "SPARK_HOME": str(tmp_path / "spark"),
        "JAVA_HOME": str(java_that_says("21.0.1", tmp_path / "java")),
        "PATH": os.defpath,
        "HOST": "127.0.0.1",
        "RPC_PORT": "7001",
        "UI_PORT": "7002",
    }


def test_a_node_without_java_says_so_in_one_line(home, tmp_path):
    nothing = {**home, "PATH": str(tmp_path)}
    del nothing["JAVA_HOME"]
    done = launched("master", nothing)
    assert done.returncode == 1
    assert done.stderr == (
        "this node has no Java 17; install openjdk-17-jre-headless or set JAVA_HOME\n"
    )


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292"])
def test_an_old_java_is_named(home, tmp_path, version):
    old = java_that_says(version, tmp_path / "old")
    done = launched("master", {**home, "JAVA_HOME": str(old)})
    assert done.returncode == 1
    assert done.stderr.startswith("this node has no Java 17; ")
    assert f"at {old}/bin/java" in done.stderr


def test_software_that_was_not_unpacked_is_named(home):
    done = launched("master", {**home, "SPARK_HOME": "/nowhere/spark/1"})
    assert done.returncode == 1
    assert done.stderr == "this node has no /nowhere/spark/1: its software was not unpacked\n"


def test_a_master_listens_where_the_scheduler_says(home):
    done = launched("master", home)
    assert done.stdout.split()[:2] == ["spark-class", "org.apache.spark.deploy.master.Master"]
    assert "--host 127.0.0.1 --port 7001 --webui-port 7002" in " ".join(done.stdout.split())


def test_a_driver_hands_on_its_arguments_as_they_are(home):
    args = "WyJhIGIiLCAiJHtjfSIsICItLWQiLCAiIl0="  # ["a b", "${c}", "--d", ""]
    done = launched(
        "driver",
        {
            **home,
            "MASTER": "127.0.0.1:7000",
            "PROGRAM_ARGS": args,
            "NOMAD_JOB_NAME": "run-1",
            "NOMAD_TASK_DIR": "/task",
            "BLOCKS_PORT": "7003",
            "WORKER_MEMORY": "1024",
            "DRIVER_MEMORY": "512",
        },
    )
    words = done.stdout.split("\n")[:-1]
    assert words[:3] == ["spark-submit", "--master", "spark://127.0.0.1:7000"]
    assert words[-5:] == ["/task/program.py", "a b", "${c}", "--d", ""]
    assert "spark.ui.port=7002" in words


def test_a_driver_without_a_master_ends_at_once(home):
    done = launched("driver", {**home, "PROGRAM_ARGS": "W10="})
    assert done.returncode == 1
    assert "no master now" in done.stderr
