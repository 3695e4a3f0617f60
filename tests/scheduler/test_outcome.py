"""How rollouts are judged, and how failures are put."""

from __future__ import annotations

import pytest

from vdc.scheduler.outcome import (
    Deployment,
    Evaluation,
    Job,
    Placement,
    Plan,
    TaskState,
)
from vdc.scheduler.verdict import Verdict, verdict

JOB = {"ID": "web", "Type": "service", "Version": 2, "TaskGroups": [{"Name": "web", "Count": 2}]}


def placement(status="running", version=2, desired="run", tasks=None, **more):
    raw = {"ID": "a", "JobID": "web", "JobVersion": version, "TaskGroup": "web"}
    raw |= {"ClientStatus": status, "DesiredStatus": desired, "TaskStates": tasks or {}, **more}
    return Placement.of(raw)


def deployment(status, version=2, text=""):
    return Deployment("d", version, status, text)


def test_a_successful_deployment_of_this_version_is_healthy_whatever_is_pending():
    said = verdict(
        2,
        Job.of(JOB),
        [Evaluation("e", "pending")],
        [deployment("failed", 1), deployment("successful")],
        [placement()],
    )
    assert said == Verdict("healthy")


def test_a_deployment_of_an_older_version_says_nothing():
    said = verdict(2, Job.of(JOB), [Evaluation("e", "pending")], [deployment("failed", 1)], [])
    assert said.state == "waiting"


def test_a_failed_instance_fails_at_once():
    tasks = {
        "main": {"Failed": True, "Events": [{"Type": "Driver Failure", "DisplayMessage": "x"}]}
    }
    bad = placement("failed", tasks=tasks)
    said = verdict(2, Job.of(JOB), [], [deployment("running")], [placement(), bad])
    assert (said.state, said.reason, said.culprit) == ("failed", "task main: x", bad)


@pytest.mark.parametrize("old", [{"version": 1}, {"desired": "stop"}])
def test_failures_of_an_earlier_version_or_already_replaced_are_passed_over(old):
    said = verdict(2, Job.of(JOB), [], [deployment("successful")], [placement("failed", **old)])
    assert said.state == "healthy"


def test_a_version_that_was_rolled_back_has_failed_for_its_own_reason():
    job = Job.of({**JOB, "Version": 3})
    deployments = [deployment("successful", 3), deployment("failed", 2, "unhealthy; rolled back")]
    assert verdict(2, job, [], deployments, []) == Verdict("failed", "unhealthy; rolled back")


@pytest.mark.parametrize("job", [None, Job.of({**JOB, "Stop": True})])
def test_a_stopped_job_has_failed(job):
    assert verdict(2, job, [], [], []).state == "failed"


def test_without_a_deployment_every_wanted_instance_must_run():
    done = [Evaluation("e", "complete")]
    assert verdict(2, Job.of(JOB), done, [], [placement()]).reason == "1 of 2 instances run"
    assert verdict(2, Job.of(JOB), done, [], [placement(), placement()]).state == "healthy"
    blocked = [Evaluation("e", "blocked")]
    assert verdict(2, Job.of(JOB), blocked, [], [placement(), placement()]).state == "waiting"


def test_a_job_that_the_scheduler_has_given_up_has_failed():
    done = [Evaluation("e", "complete")]
    dead = Job.of({**JOB, "Status": "dead"})
    assert verdict(2, dead, done, [], [placement("failed", 1, ClientDescription="gone")]).reason
    assert verdict(2, dead, done, [], []).state == "failed"
    none = Job.of({**JOB, "Status": "dead", "TaskGroups": [{"Name": "web", "Count": 0}]})
    assert verdict(2, none, done, [], []).state == "healthy"


@pytest.mark.parametrize(
    ("event", "cause", "code"),
    [
        ({"Type": "Terminated", "Details": {"exit_code": "3"}}, "exit code 3", 3),
        ({"Type": "Terminated", "Details": {"exit_code": "0"}}, "", 0),
        (
            {"Type": "Terminated", "Details": {"exit_code": "137", "signal": "9"}},
            "killed by signal 9",
            137,
        ),
        (
            {"Type": "Terminated", "Details": {"exit_code": "137", "oom_killed": "true"}},
            "out of memory",
            137,
        ),
        ({"Type": "Driver Failure", "DisplayMessage": "no\n such file"}, "no such file", None),
        ({"Type": "Restarting", "DisplayMessage": "soon"}, "", None),
    ],
)
def test_the_cause_of_a_task_s_end_is_one_line(event, cause, code):
    task = TaskState.of("main", {"Events": [{"Type": "Started"}, event]})
    assert (task.cause, task.exit_code) == (cause, code)


def test_a_symptom_does_not_hide_the_cause():
    symptom = {"Type": "Alloc Unhealthy", "DisplayMessage": "because of failed task"}
    cause = {"Type": "Terminated", "Details": {"exit_code": "3"}}
    assert TaskState.of("main", {"Events": [cause, symptom]}).cause == "exit code 3"
    assert TaskState.of("main", {"Events": [symptom]}).cause == "because of failed task"


def test_the_guilty_task_is_the_one_that_failed():
    tasks = {
        "a": {"Failed": False, "Events": [{"Type": "Terminated", "Details": {"exit_code": "143"}}]},
        "b": {"Failed": True, "Events": [{"Type": "Terminated", "Details": {"exit_code": "1"}}]},
    }
    found = placement("failed", tasks=tasks)
    assert found.cause == "task b: exit code 1"
    assert found.guilty is not None
    assert found.guilty.name == "b"


def test_a_plan_names_what_is_exhausted():
    plan = Plan.of(
        {
            "Diff": {"Type": "Added"},
            "FailedTGAllocs": {
                "web": {
                    "NodesEvaluated": 3,
                    "CoalescedFailures": 1,
                    "DimensionExhausted": {"memory": 1, "cpu": 2},
                }
            },
        }
    )
    (shortage,) = plan.shortages
    assert plan.changes
    assert (shortage.missing, shortage.dimensions, shortage.nodes) == (2, ("cpu", "memory"), 3)
