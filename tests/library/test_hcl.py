"""Values as HCL, against the scheduler's own parser."""

from __future__ import annotations

import json
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given

from nomad_lab import nomad_binary
from texts import texts
from vdc.library.hcl import assignments, literal

JOB = """
variable "values" { type = list(string) }
job "echo" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/echo"
        args    = var.values
      }
    }
  }
}
"""

HOSTILE = [
    '${env["HOME"]}',
    "${node.unique.id}",
    "%{ if true }yes%{ endif }",
    "$${a}",
    "$$${a}",
    "%%{",
    "${",
    "%{",
    "$",
    "{{ env `HOME` }}",
    '"\nvalues = ["evil"]\n',
    "\\${x}",
    "\\",
    "line\r\nline\ttab\x00nul\x1b[31m\x7f\x08\x0c",
    "<<EOT\nx\nEOT",
    "/* # // */",
    "😀 ünïcödé \u2028\u202e",
    "",
]


def parsed(values: list[str], folder: Path) -> list[str]:
    """The values as the parser understood them."""
    (folder / "job.hcl").write_text(JOB)
    (folder / "vars.hcl").write_text(assignments({"values": list(values)}))
    command = [nomad_binary(), "job", "run", "-output", "-var-file=vars.hcl", "job.hcl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    task = json.loads(done.stdout)["Job"]["TaskGroups"][0]["Tasks"][0]
    return list(task["Config"]["args"])


@pytest.mark.real
def test_hostile_strings_arrive_as_they_are(tmp_path):
    assert parsed(HOSTILE, tmp_path) == HOSTILE


@pytest.mark.real
def test_text_is_normalised_and_nothing_else_happens_to_it(tmp_path):
    decomposed = "e\u0301"
    assert parsed([decomposed], tmp_path) == [unicodedata.normalize("NFC", decomposed)]


@given(texts())
def test_no_sign_that_begins_a_template_survives(text):
    assert not set(literal(text)[1:-1]) & set('"$%{}\n')


def test_other_values_are_written_as_hcl_writes_them():
    values = {"a": [1, -2.5, True, None], "b": {"k-1": "v"}}
    assert assignments(values) == 'a = [1, -2.5, true, null]\nb = {"k-1" = "v"}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"k": "\udfff"}])
def test_what_no_job_can_be_given_is_refused(value):
    with pytest.raises(ValueError, match=r".+"):
        literal(value)
