"""Packages from folders: what is right loads, what is wrong is told with its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vdc.errors import PackageError
from vdc.library import load
from vdc.library.loading import BUILT_IN, load_package

CASES = Path(__file__).parents[1] / "cases"
STUBS = ("README.md", "example.yaml", "icon.svg", "job.nomad.hcl", "submit.nomad.hcl")


def folder_of(case: Path, tmp_path: Path) -> Path:
    """A package folder with the case's manifest and a stub for every other file."""
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(case, folder / "package.yaml")
    for name in STUBS:
        (folder / name).write_text("stub\n")
    return folder


@pytest.mark.parametrize("case", sorted(CASES.glob("package.error.*.yaml")), ids=lambda p: p.stem)
def test_a_wrong_package_is_refused_in_words(case, tmp_path):
    folder = folder_of(case, tmp_path)
    with pytest.raises(PackageError) as caught:
        load_package(folder)
    said = str(caught.value).replace(f"{folder}/", "")
    assert said + "\n" == case.with_suffix(".txt").read_text()


@pytest.mark.parametrize("case", sorted(CASES.glob("package.ok.*.yaml")), ids=lambda p: p.stem)
def test_a_right_package_loads(case, tmp_path):
    assert load_package(folder_of(case, tmp_path)).name == "mine"


def test_a_folder_may_be_a_package_or_hold_packages(tmp_path):
    case = CASES / "package.ok.smallest.yaml"
    folder = folder_of(case, tmp_path)
    assert load([folder]) == load([tmp_path])
    assert [package.name for package in load([folder]).packages] == ["hello", "mine", "spark"]


def test_a_folder_without_packages_is_a_mistake(tmp_path):
    with pytest.raises(PackageError, match="holds no package"):
        load([tmp_path])


def test_no_package_hides_another_of_its_name(tmp_path):
    shutil.copytree(BUILT_IN / "hello", tmp_path / "hello")
    with pytest.raises(PackageError, match=r"hello is in .* as well; rename one"):
        load([tmp_path])


def test_every_wrong_package_is_told_at_once(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.yaml").write_text("nme: x\n")
    with pytest.raises(PackageError, match=r"(?s)first.*second"):
        load([tmp_path])


def test_an_unknown_package_is_answered_with_the_nearest():
    with pytest.raises(PackageError, match="did you mean spark"):
        load().get("sprak")
    with pytest.raises(PackageError, match="the library has hello, spark"):
        load().get("zzz")
