"""Software on other machines: the jobs that bring it, how far they are, who is served when."""

from __future__ import annotations

import pytest

from vdc.pool.software.depot import Turns
from vdc.pool.software.spread import Spread
from vdc.pool.software.task import (
    Parcel,
    bringing,
    brings,
    brings_software,
    guarded,
    in_words,
    removing,
)
from vdc.pool.standing import standing
from vdc.scheduler.outcome import Evaluation, Placement, TaskState

SPARK = Parcel.of("spark/4.1.4", "a" * 64, "b" * 64, 10 * 2**20, ("https://pool:8443",))
JOB = {
    "ID": "web",
    "Constraints": [{"LTarget": "${node.class}", "Operand": "=", "RTarget": "w"}],
    "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t", "User": "root"}]}],
}


def placed(node: str, status: str, code: int | None = None, desired: str = "run") -> Placement:
    task = TaskState("vdc-software", "dead", code not in (None, 0), True, code, f"exit code {code}")
    return Placement(node, "n", "j", 0, "node", node, status, desired, "", 1, 1, (task,))


# --- the jobs --------------------------------------------------------------------


def test_the_job_runs_once_on_every_node_of_the_work_user():
    job = bringing(SPARK, "vdc-work", 40)
    assert job["Type"] == "sysbatch"
    assert job["ID"] == "vdc-software-spark-4.1.4"
    assert job["Constraints"] == [
        {"LTarget": "${meta.work_user}", "Operand": "=", "RTarget": "vdc-work"}
    ]
    (task,) = job["TaskGroups"][0]["Tasks"]
    assert task["User"] == "vdc-work"
    assert task["Config"]["args"][1:] == [
        "add", "40", "${meta.packages}", "spark/4.1.4", "a" * 64, "b" * 64,
        str(10 * 1024 + 16 * 1024), "/etc/vdc/ca.pem", "https://pool:8443",
    ]  # fmt: skip


def test_a_changed_parcel_is_another_job():
    meta = bringing(SPARK, "vdc-work", 0)["Meta"]
    assert brings(meta, SPARK)
    for changed in (
        Parcel.of("spark/4.1.4", "a" * 64, "c" * 64, 10 * 2**20, SPARK.endpoints),
        Parcel.of("spark/4.1.4", "a" * 64, "b" * 64, 10 * 2**20, ("https://other:1",)),
    ):
        assert not brings(meta, changed)
    assert not brings(removing(SPARK.job, SPARK.folder, SPARK.source, "w")["Meta"], SPARK)
    assert brings(bringing(SPARK, "vdc-work", 7)["Meta"], SPARK)


def test_every_group_of_an_app_begins_with_its_software():
    other = Parcel.of("jdk/21.0", "d" * 64, "e" * 64, 1, SPARK.endpoints)
    job = standing(guarded(JOB, [SPARK, other]), "vdc-work")
    tasks = job["TaskGroups"][0]["Tasks"]
    assert [task["Name"] for task in tasks] == ["t", "vdc-software", "vdc-software-2"]
    assert [task.get("Lifecycle") for task in tasks] == [None] + [{"Hook": "prestart"}] * 2
    assert {task["User"] for task in tasks} == {"vdc-work"}
    assert [brings_software(task["Name"]) for task in tasks] == [False, True, True]
    assert JOB["TaskGroups"][0]["Tasks"] == [{"Name": "t", "User": "root"}]


def test_a_package_does_not_choose_its_user_where_there_is_a_work_user():
    (task,) = standing(JOB, "vdc-work")["TaskGroups"][0]["Tasks"]
    assert task["User"] == "vdc-work"


def test_where_there_is_no_work_user_a_job_keeps_away_from_nodes_that_have_one():
    job = standing(JOB, "")
    assert job["TaskGroups"] == JOB["TaskGroups"]
    assert [c["Operand"] for c in job["Constraints"]] == ["=", "is_not_set"]


# --- how far ---------------------------------------------------------------------


def test_nothing_is_known_before_the_scheduler_has_decided():
    spread = Spread.of([Evaluation("e", "pending")], [])
    assert not spread.ended
    assert Spread.of([Evaluation("e", "complete")], []).ended


def test_nodes_are_counted():
    spread = Spread.of(
        [Evaluation("e", "complete"), Evaluation("f", "blocked")],
        [placed("a", "complete", 0), placed("b", "running"), placed("c", "pending"),
         placed("d", "lost"), placed("e", "running", desired="stop")],
    )  # fmt: skip
    assert (spread.done, spread.total, spread.under_way) == (1, 3, ("b", "c"))
    assert not spread.ended
    assert spread.reason == ""


def test_the_first_node_that_failed_is_named():
    spread = Spread.of([], [placed("z", "failed", 24), placed("b", "failed", 21)])
    assert spread.ended
    assert spread.reason == ("b: its disk has not enough room; free some (and 1 more of 2 nodes)")


@pytest.mark.parametrize(("code", "words"), [(1, ""), (None, ""), (0, ""), (24, "wrong SHA-256")])
def test_exit_codes_in_words(code, words):
    assert words in in_words(code)
    assert bool(in_words(code)) is bool(words)
    assert "exit code" in Spread.of([], [placed("a", "failed", 9)]).reason


# --- turns -----------------------------------------------------------------------


def test_thousands_that_come_at_once_are_told_moments_of_their_own():
    now = 1000.0
    turns = Turns(at_once=16, knocks_per_s=20, clock=lambda: now)
    told = [turns.take() for _ in range(4000)]
    assert told[:16] == [0] * 16
    waits = told[16:]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1, 201)
    assert max(waits.count(second) for second in set(waits)) <= 21


def test_a_turn_that_is_given_back_is_the_next_one_s():
    turns = Turns(at_once=1, clock=lambda: 5.0)
    assert turns.take() == 0
    assert turns.take() > 0
    turns.give_back()
    assert turns.take() == 0
