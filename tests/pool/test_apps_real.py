"""Apps on a real scheduler: installed, changed, refused, failed, resumed."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from nomad_lab import wait_for
from vdc.client.models import InstallRequest
from vdc.errors import PoolError

pytestmark = pytest.mark.real


def kept(lab) -> list[str]:
    """What is kept for apps in the scheduler's variables."""
    paths = [variable["Path"] for variable in lab.call("GET", "/v1/vars") or []]
    return [path for path in paths if path.startswith(("nomad/jobs/", "vdc/apps/"))]


def test_an_app_s_life(client, lab):
    said = []
    app = client.install("trial", "web", {"count": 2}, on_progress=lambda a: said.append(a.status))
    assert app.status == "healthy"
    phases = list(dict.fromkeys(said))
    assert phases[-2:] == ["deploying", "healthy"]
    assert app.options == {"mode": "serve", "well_after": 0, "count": 2, "cpu": 50}
    (group,) = app.groups
    assert (group.desired, group.running) == (2, 2)

    shown = client.app("web")
    answers = [httpx.get(endpoint.url).json() for endpoint in shown.endpoints]
    assert [answer["well"] for answer in answers] == [True, True]
    key = answers[0]["key"]
    assert len(key) >= 32
    assert key == answers[1]["key"]
    assert key not in json.dumps(lab.call("GET", "/v1/job/web"))

    before = client.pool()
    assert before.allocated.cpu_mhz == 100
    scaled = client.scale("web", 3)
    assert scaled.groups[0].running == 3
    assert scaled.options["count"] == 3
    assert b"serving" in b"".join(client.logs("web"))

    client.stop("web")
    assert client.app("web").status == "stopped"
    assert client.install("trial", "web", {"count": 1}).status == "healthy"
    assert httpx.get(client.app("web").endpoints[0].url).json()["key"] == key  # it was kept
    client.stop("web", purge=True)
    with pytest.raises(PoolError, match="there is no app web"):
        client.app("web")
    assert kept(lab) == []


def test_the_same_again_is_quick_and_changes_nothing(client, lab):
    client.install("trial", "web", {"cpu": 60})
    version = lab.call("GET", "/v1/job/web")["Version"]
    begun = time.monotonic()
    assert client.install("trial", "web", {"cpu": 60}).status == "healthy"
    assert time.monotonic() - begun < 2
    assert lab.call("GET", "/v1/job/web")["Version"] == version


def test_two_installations_of_one_name_at_once(pool, client):
    requests = [InstallRequest(package="trial", name="web", options={"cpu": c}) for c in (50, 60)]

    def ask(request):
        with pool.client() as one:
            try:
                return one.begin_install(request)
            except PoolError as error:
                return error

    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(ask, requests))
    (refused,) = [answer for answer in answers if isinstance(answer, PoolError)]
    assert refused.status == 409
    assert "being installed already" in str(refused)
    (begun,) = [answer for answer in answers if not isinstance(answer, PoolError)]
    # Whoever asks for the same joins it.
    assert client.install("trial", "web", {"cpu": begun.options["cpu"]}).status == "healthy"


def test_what_does_not_fit_is_refused_with_figures_and_leaves_nothing(client, lab):
    with pytest.raises(PoolError) as caught:
        client.install("trial", "web", {"cpu": 2001, "count": 3})
    assert caught.value.status == 422
    assert "each needs 2,001 MHz, most free on one node is 2,000" in str(caught.value)
    assert client.apps() == []
    assert all(job["ID"] != "web" for job in lab.call("GET", "/v1/jobs"))


def test_a_program_that_fails_is_told_with_its_last_words(client):
    begun = time.monotonic()
    with pytest.raises(PoolError) as caught:
        client.install("trial", "web", {"mode": "fail"})
    assert "exit code 3: the disk is on fire" in str(caught.value)
    assert time.monotonic() - begun < 15
    assert client.app("web").status == "failed"
    assert b"first complaint" in b"".join(client.logs("web", stream="stderr"))
    # Mended in place.
    assert client.install("trial", "web", {"mode": "serve"}).status == "healthy"


def test_the_same_again_after_a_failure_tries_anew(client):
    for _ in range(2):
        with pytest.raises(PoolError, match="exit code 3"):
            client.install("trial", "web", {"mode": "fail"})


def test_a_program_that_cannot_start_is_told_in_the_driver_s_words(client):
    with pytest.raises(PoolError, match="/nonexistent/program"):
        client.install("trial", "web", {"mode": "absent"})


def test_running_is_not_yet_well(client):
    begun = time.monotonic()
    assert client.install("trial", "web", {"well_after": 4}).status == "healthy"
    assert time.monotonic() - begun >= 4


@pytest.mark.parametrize(
    "after_s", [1.0, *(pytest.param(s, marks=pytest.mark.long) for s in (0.0, 0.2, 2.5))]
)
def test_a_service_killed_half_way_goes_on_at_its_next_start(pool, client, after_s):
    with pool.client() as other:
        other.begin_install(InstallRequest(package="trial", name="web", options={"well_after": 4}))
    threading.Event().wait(after_s)
    pool.kill()
    pool.start()
    app = wait_for("healthy again", lambda: _settled(client, "web"))
    assert app.status == "healthy", app.reason


def _settled(client, name):
    try:
        app = client.app(name)
    except PoolError as error:
        assert error.status == 503  # it has not heard from the scheduler yet
        return None
    return app if app.settled else None


def test_a_name_that_is_another_job_s_is_not_taken(client, lab):
    job = {
        "ID": "mine",
        "Type": "batch",
        "Datacenters": ["*"],
        "Periodic": {"Enabled": True, "SpecType": "cron", "Specs": ["0 0 1 1 *"]},
        "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t", "Driver": "raw_exec",
                        "Config": {"command": "true"}}]}],
    }  # fmt: skip
    lab.call("POST", "/v1/jobs", body={"Job": job})
    try:
        with pytest.raises(PoolError, match="mine is a job that is no app"):
            client.install("trial", "mine")
        with pytest.raises(PoolError, match="there is no app"):
            client.stop("mine")
        assert lab.call("GET", "/v1/job/mine")["Stop"] is False
    finally:
        lab.call("DELETE", "/v1/job/mine", params={"purge": "true"})


def test_a_viewer_sees_and_changes_nothing(pool, client, lab):
    client.install("trial", "web")
    with pool.client(pool.viewer) as viewer:
        assert viewer.pool().nodes.ready == 2
        assert [app.name for app in viewer.apps()] == ["web"]
        for forbidden in (
            lambda: viewer.install("trial", "other"),
            lambda: viewer.install("trial", "web", {"cpu": 60}),
            lambda: viewer.scale("web", 2),
            lambda: viewer.stop("web"),
            lambda: list(viewer.logs("web")),
            lambda: viewer.submit("web", example="greeting"),
        ):
            with pytest.raises(PoolError) as caught:
                forbidden()
            assert caught.value.status == 403
    assert client.app("web").status == "healthy"
    assert [app.name for app in client.apps()] == ["web"]
    assert kept(lab) == ["nomad/jobs/web", "vdc/apps/web"]


def test_a_program_submitted_to_an_app(client):
    client.install("trial", "web")
    run = client.submit("web", program=b"2+2\n", args=("a b", "${c}"))
    assert (run.app, run.command) == ("web", ("submit", "-", "a b", "${c}"))
    output = b"".join(client.run_logs(run.id, follow=True))
    assert output == b'web\n2+2\n["a b", "${c}"]'
    assert client.wait_run(run.id).exit_code == 0
    example = client.submit("web", example="greeting")
    assert b"good day" in b"".join(client.run_logs(example.id, follow=True))
    with pytest.raises(PoolError, match="no example 'nothing'"):
        client.submit("web", example="nothing")
    with pytest.raises(PoolError, match="either a program or"):
        client.submit("web")
