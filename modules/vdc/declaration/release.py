"""The program of the pool service as servers that are machines of their own install it."""

from __future__ import annotations

from typing import Annotated

from vdc.declaration.fields import Model, Written, declared
from vdc.declaration.finding import Finding, Findings
from vdc.declaration.forms import Form
from vdc.declaration.os import SHA256

ARCHIVE = Form(
    name="archive",
    noun="where an archive lies",
    rule="an https address, or the whole path of a file on this machine",
    example="https://files.example.org/vdc-wheelhouse-0.1.0-amd64.tar.gz",
    pattern=r"^(https://[^\s/@]+/\S+|/\S+)$",
    hint=lambda text: f"write https{text[4:]}" if text.startswith("http://") else None,
)
FORMS = (ARCHIVE,)


class Release(Model):
    """A wheelhouse of the pool service, as ``make release`` makes it."""

    url: Annotated[str, Written(ARCHIVE)] = declared(
        "Where the wheelhouse lies.", change="in-place"
    )
    sha256: Annotated[str, Written(SHA256)] = declared(
        "The wheelhouse's SHA-256 sum; what has another one is not used.", change="in-place"
    )


def release_is_installed(declared: bool, elsewhere: bool) -> Findings:
    """The service of this machine runs from what is installed here."""
    if declared and not elsewhere:
        yield Finding(
            ("control", "release"),
            "is for servers that are machines of their own, and they run on this one",
            "remove it, or write another site in control.site",
            rests_on=(("control", "site"),),
        )
