"""How a user's profile is kept and found, and that its token is not shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from vdc.client import PoolClient, Profile
from vdc.errors import PoolError
from vdc.home import Home

SECRET = "5ecre7"
PROFILE = Profile("https://127.0.0.1:1", Path("/ca.pem"), SECRET)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "data", tmp_path / "cache")


def test_it_is_written_for_its_owner_alone_and_read_back(home):
    path = home.stack("local").profile
    PROFILE.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Profile.load(home, "local", {}) == PROFILE
    PROFILE.save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["profile.json"]


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(home, monkeypatch):
    path = home.stack("local").profile
    PROFILE.save(path)
    before = path.read_bytes()

    def broken(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr("vdc.client.profile.os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        Profile("https://other", Path("/x"), "y").save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["profile.json"]


def test_the_environment_goes_before_the_file(home):
    PROFILE.save(home.stack("local").profile)
    env = {"VDC_ADDR": "https://pool/", "VDC_TOKEN": "other"}
    found = Profile.load(home, "local", env)
    assert found == Profile("https://pool", PROFILE.ca_file, "other")
    whole = {**env, "VDC_CACERT": "/env.pem"}
    assert Profile.load(home, "nothing", whole) == Profile(
        "https://pool", Path("/env.pem"), "other"
    )


@pytest.mark.parametrize("content", [None, "{}", "[]", "{", '{"address": "https://x"}'])
def test_what_is_missing_names_the_way_to_have_it(home, content):
    path = home.stack("local").profile
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_text(content)
    with pytest.raises(PoolError, match="run `vdc up`"):
        Profile.load(home, "local", {})


def test_no_token_in_any_repr():
    assert SECRET not in repr(PROFILE)
    with pytest.raises(PoolError, match="CA file"):
        PoolClient.of(PROFILE)
