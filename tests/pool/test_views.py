"""From the picture to the API's answers; quick however many nodes there are."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from vdc.client.models import RunRequest
from vdc.pool import views
from vdc.pool.config import Group, PoolConfig
from vdc.pool.readmodel import ReadModel
from vdc.pool.records import AppRecord, canonical
from vdc.pool.runs import job_of, literal, may_fit_later
from vdc.scheduler.model import Allocation, SchedulerNode
from vdc.scheduler.outcome import Job, Placement, Plan, Shortage

CONFIG = PoolConfig.of(
    {
        "name": "local",
        "host": "h",
        "port": 1,
        "cert_file": "c",
        "key_file": "k",
        "scheduler": {"addresses": [], "ca_file": "a", "cert_file": "c", "key_file": "k"},
        "packages_dir": "p",
        "groups": [
            {"site": "here", "name": "workers", "node_class": "w", "price": "0.02"},
            {"site": "there", "name": "spare", "node_class": "s", "price": None},
        ],
    }
)
NODE = SchedulerNode.of(
    {
        "ID": "n",
        "Name": "n",
        "Datacenter": "here",
        "NodeClass": "w",
        "Status": "ready",
        "SchedulingEligibility": "eligible",
        "NodeResources": {"Cpu": {"CpuShares": 2000}, "Memory": {"MemoryMB": 2048}},
    }
)
JOB = Job.of(
    {
        "ID": "web",
        "Meta": {"vdc_app": "web"},
        "TaskGroups": [{"Name": "web", "Count": 2, "Tasks": [{"Name": "main"}]}],
    }
)
ALLOCATION = Allocation.of(
    {"ID": "a", "JobID": "web", "TaskGroup": "web", "NodeID": "n", "ClientStatus": "running"}
)


def test_the_pool_by_site_and_group_declared_ones_included():
    model = ReadModel()
    model.put_node(NODE)
    model.put_node(replace(NODE, id="m", node_class="stray", datacenter="there"))
    pool = views.pool(CONFIG, model, datetime.now(UTC), stale=False)
    assert pool.price_per_hour == "0.02"
    assert pool.unpriced == 1  # never counted as zero in silence
    assert [(group.site, group.group, group.nodes.ready) for group in pool.groups] == [
        ("here", "workers", 1),
        ("there", "spare", 0),
        ("there", "stray", 1),
    ]
    assert [(site.site, site.total.cpu_mhz) for site in pool.sites] == [
        ("here", 2000),
        ("there", 2000),
    ]


@pytest.mark.parametrize(
    ("phase", "job", "running", "status"),
    [
        ("fetching", None, 0, "fetching"),
        ("failed", JOB, 2, "failed"),
        ("healthy", JOB, 2, "healthy"),
        ("healthy", JOB, 1, "degraded"),
        ("healthy", None, 0, "stopped"),
        ("healthy", replace(JOB, stopped=True), 0, "stopped"),
    ],
)
def test_an_app_s_status(phase, job, running, status):
    model = ReadModel()
    if job:
        model.put_job(job)
    for index in range(running):
        model.put_allocation(replace(ALLOCATION, id=str(index)))
    record = AppRecord("web", "hello", "1", canonical({"count": 2}), phase)
    app = views.app(record, model)
    assert app.status == status
    assert app.options == {"count": 2}
    assert app.settled == (phase != "fetching")


def run_job(**more):
    raw = {"ID": "run-1", "Type": "batch", "Meta": {"vdc_run": "1", "vdc_command": '["a", "b"]'}}
    return Job.of({**raw, **more})


def placement(status, exit_code=None, desired="run"):
    events = [{"Type": "Terminated", "Details": {"exit_code": str(exit_code)}}]
    raw = {"ID": "p", "JobID": "run-1", "NodeName": "node-0", "ClientStatus": status}
    tasks = {"run": {"Events": events if exit_code is not None else []}}
    return Placement.of({**raw, "DesiredStatus": desired, "TaskStates": tasks})


@pytest.mark.parametrize(
    ("job", "found", "state", "code"),
    [
        (run_job(), None, "pending", None),
        (run_job(Stop=True), None, "stopped", None),
        (run_job(), placement("pending"), "pending", None),
        (run_job(), placement("running"), "running", None),
        (run_job(), placement("complete", 0), "complete", 0),
        (run_job(), placement("failed", 3), "failed", 3),
        (run_job(), placement("lost"), "lost", None),
        (run_job(Stop=True), placement("complete", 143, "stop"), "stopped", None),
        (run_job(Stop=True), placement("complete", 0), "complete", 0),
    ],
)
def test_a_run_s_state(job, found, state, code):
    run = views.run(job, found)
    assert (run.state, run.exit_code, run.command) == (state, code, ("a", "b"))
    assert run.reason == ("task run: exit code 3" if state == "failed" else "")


def test_a_run_s_job_is_tried_once_and_goes_where_it_is_told():
    request = RunRequest(
        command=("sh", "-c", "echo ${HOME} %{x}"), site="here", group="workers",
        labels={"tier": "gold"}, env={"A": "1"},
    )  # fmt: skip
    job = job_of("run-1", request)
    (group,) = job["TaskGroups"]
    assert job["Datacenters"] == ["here"]
    assert {c["LTarget"]: c["RTarget"] for c in job["Constraints"]} == {
        "${meta.label_tier}": "gold",
        "${node.class}": "workers",
    }
    assert group["RestartPolicy"]["Attempts"] == group["ReschedulePolicy"]["Attempts"] == 0
    assert group["Tasks"][0]["Config"]["args"] == ["-c", "echo $${HOME} %%{x}"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("$HOME", "$HOME"), ("${HOME}", "$${HOME}"), ("%{if}", "%%{if}"), ("100%", "100%")],
)
def test_no_text_is_left_for_the_agent_to_fill_in(text, escaped):
    assert literal(text) == escaped


@pytest.mark.parametrize(
    ("cpu", "dimensions", "later"),
    [(2000, ("cpu",), True), (2001, ("cpu",), False), (10, (), False), (9000, None, True)],
)
def test_what_never_fits_is_told_from_what_has_to_wait(cpu, dimensions, later):
    model = ReadModel()
    model.put_node(replace(NODE, disk_mib=1000))
    job = Job.of(job_of("run-1", RunRequest(command=("a",), cpu_mhz=cpu)))
    shortages = () if dimensions is None else (Shortage("run", 1, dimensions, (), 1),)
    assert may_fit_later(job, Plan(True, shortages), model) == later


def test_four_thousand_nodes_are_answered_for_at_once():
    """Building the answer costs as much as there are groups, however busy the machine is."""
    groups = tuple(Group("here", f"g{n}", f"g{n}", (), Decimal("0.02")) for n in range(40))
    config = replace(CONFIG, groups=groups)
    model = ReadModel()
    for index in range(4000):
        model.put_node(replace(NODE, id=f"n{index}", name=f"n{index}", node_class=f"g{index % 40}"))
    for index in range(10_000):
        model.put_allocation(
            replace(ALLOCATION, id=f"a{index}", node_id=f"n{index % 4000}", cpu_mhz=10)
        )
    times = []
    for index in range(200):
        model.put_allocation(replace(ALLOCATION, id=f"b{index}", node_id=f"n{index}", cpu_mhz=10))
        begun = time.process_time()
        views.pool(config, model, None, stale=False).model_dump_json()
        times.append(time.process_time() - begun)
    assert sorted(times)[100] < 0.05
