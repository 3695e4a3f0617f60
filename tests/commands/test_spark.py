"""Spark on a real pool: clusters side by side, pi, and where its tasks really ran."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import psutil
import pytest

from commands.fake import Panel
from nomad_lab import NomadLab, wait_for
from vdc.errors import PoolError

pytestmark = [pytest.mark.real, pytest.mark.long]

# Asks Spark's own API; each task lasts long enough that one executor cannot take all of them.
WHERE = """
import json, sys, time, urllib.request
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
context = spark.sparkContext
context.parallelize(range(12), 12).map(lambda number: time.sleep(0.5)).count()
url = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/executors"
found = json.load(urllib.request.urlopen(url))
print(json.dumps([e for e in found if e["id"] != "driver"]))
print(json.dumps(sys.argv[1:]))
sys.exit(3)
"""


def node_of_port(lab: NomadLab, app: str) -> dict[int, str]:
    """Which node each of an app's ports is on."""
    stubs = lab.call("GET", f"/v1/job/{app}/allocations")
    assert isinstance(stubs, list)
    found = {}
    for stub in stubs:
        allocation = lab.call("GET", f"/v1/allocation/{stub['ID']}")
        assert isinstance(allocation, dict)
        for port in allocation["AllocatedResources"]["Shared"]["Ports"]:
            found[port["Value"]] = allocation["NodeName"]
    return found


@pytest.fixture(scope="module", autouse=True)
def clusters(pool):
    """Two clusters side by side; the second is smaller."""
    for name, workers in (("pi", 2), ("two", 1)):
        panel = Panel(connect=pool.client)
        done = panel("install", "spark", "--name", name, "--set", f"workers={workers}",
                     "--set", "memory=512")  # fmt: skip
        assert done.exit_code == 0, done.exception
        assert f"{workers} of {workers} run" in panel.said


def test_pi_is_roughly_pi(vdc: Panel):
    done = vdc("submit", "pi", "example:pi", "--", "8")
    assert done.exit_code == 0, vdc.notes
    found = re.fullmatch(r"Pi is roughly (3\.1\d*)\n", vdc.said)
    assert found, vdc.said
    assert abs(float(found[1]) - 3.14159) < 0.02


def test_tasks_run_on_executors_on_two_nodes(vdc: Panel, lab: NomadLab, tmp_path: Path):
    program = tmp_path / "where.py"
    program.write_text(WHERE)
    done = vdc("submit", "pi", str(program), "--", "a b", "${c}", "{{ d }}", "--e")
    assert done.exit_code == 3, vdc.notes
    executors, args = (json.loads(line) for line in vdc.said.splitlines())
    assert args == ["a b", "${c}", "{{ d }}", "--e"]
    assert all(executor["totalTasks"] > 0 for executor in executors)
    nodes = node_of_port(lab, "pi")
    # An executor's log is read through its worker's page, whose port the scheduler gave.
    ports = [int(re.findall(r":(\d+)/", executor["executorLogs"]["stderr"])[0])
             for executor in executors]  # fmt: skip
    assert len({nodes[port] for port in ports}) == 2


def test_every_port_is_the_schedulers_and_no_cluster_knows_of_the_other(pool):
    with pool.client() as client:
        endpoints = [e.url for name in ("pi", "two") for e in client.app(name).endpoints]
    assert len(set(endpoints)) == 4
    assert not [url for url in endpoints if re.search(r":(7077|8080|8081|4040|6066)\b", url)]


def test_the_secret_is_the_jobs_own_and_nowhere_else(lab: NomadLab, pool):
    secrets = []
    for name in ("pi", "two"):
        variable = lab.call("GET", f"/v1/var/nomad/jobs/{name}")
        assert isinstance(variable, dict)
        secrets.append(variable["Items"]["rpc"])
        assert secrets[-1] not in json.dumps(lab.call("GET", f"/v1/job/{name}"))
    assert secrets[0] != secrets[1]
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    written = [pool.log, *lab.folder.glob("**/*.log"), *lab.folder.glob("**/logs/*")]
    texts = [file.read_bytes().decode(errors="replace") for file in written if file.is_file()]
    for secret in secrets:
        assert not [text for text in (*commands, *texts) if secret in text]


def test_a_node_without_java_is_the_reason_of_a_failed_installation(vdc: Panel):
    done = vdc("install", "spark-next", "--name", "next", "--set", "workers=1",
               "--set", "memory=512")  # fmt: skip
    assert isinstance(done.exception, PoolError)
    assert "this node has no Java 99; install openjdk-99-jre-headless" in str(done.exception)
    assert vdc("stop", "next", "--purge").exit_code == 0


def test_a_master_that_moves_takes_its_workers_along(lab: NomadLab, pool):
    def master() -> dict[str, str]:
        stubs = lab.call("GET", "/v1/job/two/allocations")
        assert isinstance(stubs, list)
        return next(
            stub
            for stub in stubs
            if stub["TaskGroup"] == "master" and stub["DesiredStatus"] == "run"
        )

    def alive() -> bool:
        with pool.client() as client:
            urls = [e.url for e in client.app("two").endpoints if e.name == "ui"]
        try:
            answer = httpx.get(f"{urls[0]}json/", trust_env=False).json()
        except (httpx.HTTPError, IndexError):
            return False
        return bool(answer["aliveworkers"] == 1)

    before = master()["ID"]
    lab.call("POST", f"/v1/allocation/{before}/stop")
    wait_for("another master", lambda: master()["ID"] != before)
    wait_for("its worker", alive, 180)
