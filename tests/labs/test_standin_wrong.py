"""Wrong programs, every one refused: files ``standin.error.*`` against the texts beside them.

Check is called as the engine calls it, over gRPC. A reference to what does not exist is asked of
the API, which for OpenStack is a lab's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from labs.standin import CLOUDS
from labs.standin.aws import Aws
from labs.standin.openstack import OpenStack
from labs.standin.program import program
from labs.standin.wrong import CASES, names, said
from provider.moto_server import REGION, moto_server, surroundings

ASKED = [name for name in names("openstack") if ".dangling_" in name]


@pytest.fixture(scope="module")
def amazon() -> Iterator[dict[str, str]]:
    """An AWS of this module's own: the environment that leads to it."""
    with moto_server() as address:
        yield {**surroundings(address), "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def aws() -> Aws:
    """For all of them: its clients take longer to be made than they are asked."""
    return Aws()


def expected(name: str) -> str:
    return (CASES / name).with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("name", names("aws"))
def test_aws_refuses_it_with_exactly_these_lines(name, amazon, aws, monkeypatch):
    for variable, value in amazon.items():
        monkeypatch.setenv(variable, value)
    assert "".join(f"{line}\n" for line in asyncio.run(said(aws, name))) == expected(name)


@pytest.mark.parametrize("name", sorted(set(names("openstack")) - set(ASKED)))
def test_openstack_refuses_it_with_exactly_these_lines(name):
    assert "".join(f"{line}\n" for line in asyncio.run(said(OpenStack(), name))) == expected(name)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_there_are_twenty_of_each_and_no_text_is_empty(cloud):
    assert len(names(cloud)) >= 20
    assert all(expected(name).strip() for name in names(cloud))


def test_every_text_has_its_program():
    texts = {file.stem for file in CASES.glob("standin.*.txt")}
    assert texts == {name.removesuffix(".yaml") for cloud in CLOUDS for name in names(cloud)}


WRONG = """
import pulumi_aws as aws

aws.ec2.LaunchTemplate("nodes", metadata_options={"http_tokens": "always"})
"""


@pytest.mark.real
@pytest.mark.long
def test_the_engine_says_it_with_the_property(tmp_path, amazon):
    made = program(tmp_path / "program", **amazon)
    made.write(WRONG)
    words = made.pulumi("preview", code=1)
    assert "This is a stand-in for pulumi-resource-aws, not the real plugin." in words
    assert "property metadataOptions.httpTokens" in words
    assert "has a problem: 'always' is not one of optional, required" in words
