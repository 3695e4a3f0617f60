"""Reading a declaration never ends in anything but a declaration or its problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from texts import texts
from vdc.declaration import Declaration, check, load
from vdc.declaration.loader import check_data
from vdc.errors import DeclarationError

STACKS = Path(__file__).parents[2] / "stacks"
CASES = sorted((Path(__file__).parents[1] / "cases").glob("declaration.*.yaml"))
SEEDS = [file.read_bytes() for file in CASES if "bomb" not in file.name]
FRAGMENTS = [
    b"\n", b" ", b"  ", b": ", b"- ", b"*a", b"&a ", b"<<: *a", b"!!int x", b"!x ", b"[", b"]",
    b"{", b"}", b'"', b"'", b"\t", b"null", b"~", b"yes", b"0x1f", b"1e999", b"1.0e+99", b".nan",
    b"2026-01-02", b"-1", b"99999999999999999999", b"0" * 50, b"? ", b"| \n", b"---\n", b"...\n",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"#", b"kind", b"local", b"count: 1\n", b"=", b"!!binary x",
    b"!!set {a, b}", b"!!omap [a: 1]", b"'a\n\nb'", b"\xc2\x85", b"\xe2\x80\xa8", b"4GiB\n",
    b"1:30",
]  # fmt: skip
SOURCES = st.sampled_from(SEEDS)
PIECES = st.sampled_from(FRAGMENTS) | st.binary(max_size=4)


@st.composite
def mutated(draw):
    """A case file with pieces put in, taken out or moved about."""
    data = bytearray(draw(SOURCES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data[start:end] = draw(PIECES)
    return bytes(data)


def sound(checked):
    """A declaration and no error, or errors and no declaration; each a single line."""
    errors = [problem for problem in checked.problems if problem.level == "error"]
    assert (checked.declaration is None) == bool(errors)
    for problem in checked.problems:
        assert problem.message
        assert problem.remedy
        assert problem.line >= 1
        assert len(str(problem).splitlines()) == 1
        assert "see the schema" not in problem.remedy, "a refusal that nobody put into words"


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_files_give_a_declaration_or_problems(data):
    sound(check_data(data, "mutated.yaml"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | texts(max_size=200).map(lambda text: text.encode()))
def test_noise_gives_problems(data):
    sound(check_data(data, "noise.yaml"))


@pytest.mark.parametrize("file", sorted(STACKS.glob("[a-z]*.yaml")), ids=lambda file: file.stem)
def test_the_stacks_of_the_repository_are_sound(file):
    assert check(file).problems == ()


def test_a_missing_file_is_a_problem_with_a_suggestion(tmp_path):
    (tmp_path / "prod.yaml").touch()
    with pytest.raises(DeclarationError, match=r"prd\.yaml:1: cannot be read .*mean prod\.yaml\?"):
        load(tmp_path / "prd.yaml")


def test_a_folder_is_a_problem(tmp_path):
    with pytest.raises(DeclarationError, match="cannot be read"):
        load(tmp_path)


def test_an_endless_file_is_a_problem():
    (problem,) = check(Path("/dev/zero")).problems
    assert "larger than any declaration" in problem.message


def test_a_deep_document_does_not_reach_the_recursive_parser():
    (problem,) = check_data(b"a: " + b"[" * 300_000, "deep.yaml").problems
    assert "nested" in problem.message


def test_a_byte_order_mark_and_windows_line_ends_are_fine():
    text = "name: dc\r\ncontrol: {site: here}\r\nsites:\r\n  here: {kind: local}\r\n"
    assert check_data(text.encode("utf-8-sig"), "windows.yaml").declaration is not None


def test_a_declaration_made_in_python_passes_the_same_checks():
    made = Declaration.model_validate(
        {"name": "dc", "control": {"site": "here"}, "sites": {"here": {"kind": "local"}}}
    )
    assert (
        made
        == check_data(
            b"name: dc\ncontrol: {site: here}\nsites: {here: {kind: local}}\n", "same.yaml"
        ).declaration
    )
    with pytest.raises(ValueError, match="is not a name"):
        Declaration.model_validate({**made.model_dump(), "name": "Not A Name"})


def test_warnings_do_not_stop():
    checked = check_data(
        b"name: dc\ncontrol: {site: here}\nsites: {here: {kind: local}}\n", "small.yaml"
    )
    assert checked.declaration is not None
    assert [problem.level for problem in checked.problems] == ["warning"]
