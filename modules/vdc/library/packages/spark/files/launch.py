"""Starts one part of a Spark cluster: ``launch.py master|worker|driver``. Standard library alone.

The job file says everything else in the environment. What Spark reads from its configuration
folder is rendered there by the scheduler; nothing secret passes through here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

OLDEST_JAVA = 17
NO_JAVA = (
    f"this node has no Java {OLDEST_JAVA}; "
    f"install openjdk-{OLDEST_JAVA}-jre-headless or set JAVA_HOME"
)


def main(part: str) -> None:
    """Turns into the Spark process, or ends with one line that says why not."""
    home = Path(os.environ["SPARK_HOME"])
    if not home.is_dir():
        sys.exit(f"this node has no {home}: its software was not unpacked")
    require_java()
    commands = {"master": master, "worker": worker, "driver": driver}
    program, *words = commands[part]()
    command = [str(home / "bin" / program), *words]
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


def require_java() -> None:
    """Ends the process unless there is a Java that is new enough."""
    java = java_path()
    if java is None:
        sys.exit(NO_JAVA)
    try:
        answer = subprocess.run(
            [java, "-version"], stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{NO_JAVA} ({java}: {error})")
    version = java_major(answer.stderr)
    if version < OLDEST_JAVA:
        sys.exit(f"{NO_JAVA} (found {version or 'an unknown version'} at {java})")


def java_path() -> str | None:
    """Of JAVA_HOME, else on PATH."""
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin/java" if home else shutil.which("java")


def java_major(text: str) -> int:
    """The feature release in what ``java -version`` says; 0 when it says nothing of the sort."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else 0


def master() -> list[str]:
    """The cluster's master: one address for programs, one for its web page."""
    return [
        "spark-class", "org.apache.spark.deploy.master.Master",
        "--host", os.environ["HOST"],
        "--port", os.environ["RPC_PORT"],
        "--webui-port", os.environ["UI_PORT"],
    ]  # fmt: skip


def worker() -> list[str]:
    """A worker of the master that the scheduler's catalogue names."""
    url = master_url()
    if not url:
        # The template that names the master does not wait for one: it renders nothing now, and
        # when it renders again the scheduler starts this task anew.
        sys.stdout.write("waiting for the master\n")
        sys.stdout.flush()
        signal.pause()
    await_port(url.removeprefix("spark://"))
    return [
        "spark-class", "org.apache.spark.deploy.worker.Worker",
        "--host", os.environ["HOST"],
        "--port", os.environ["RPC_PORT"],
        "--webui-port", os.environ["UI_PORT"],
        "--cores", os.environ["WORKER_CORES"],
        "--memory", f"{os.environ['WORKER_MEMORY']}m",
        "--work-dir", f"{os.environ['NOMAD_ALLOC_DIR']}/work",
        url,
    ]  # fmt: skip


def driver() -> list[str]:
    """A program on the cluster; its own process is this task."""
    url = master_url()
    if not url:
        sys.exit("the cluster has no master now; `vdc apps` says how it is")
    args = json.loads(base64.b64decode(os.environ["PROGRAM_ARGS"]))
    address, task = os.environ["HOST"], os.environ["NOMAD_TASK_DIR"]
    settings = {
        "spark.app.name": os.environ["NOMAD_JOB_NAME"],
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.driver.port": os.environ["RPC_PORT"],
        "spark.driver.blockManager.port": os.environ["BLOCKS_PORT"],
        "spark.ui.port": os.environ["UI_PORT"],
        "spark.executor.memory": f"{os.environ['WORKER_MEMORY']}m",
        "spark.ui.showConsoleProgress": "false",
    }
    confs = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    memory = ["--driver-memory", f"{os.environ['DRIVER_MEMORY']}m"]
    return ["spark-submit", "--master", url, *memory, *confs, f"{task}/program.py", *args]


def master_url() -> str:
    """Where the master is, as the scheduler's catalogue says; empty while it is nowhere."""
    address = os.environ.get("MASTER", "")
    return f"spark://{address}" if address else ""


def await_port(address: str) -> None:
    """Returns when somebody listens there.

    A worker that asks too early asks again only after six to fifteen seconds. The address is in
    the catalogue before the master listens, and nothing tells when it does; one that never does
    moves, which starts this task again.
    """
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1])
