"""The trail of a group in a cloud."""

import asyncio
from pathlib import Path

import pytest

from vdc.provider import processes
from vdc.provider.drivers.openstack.trail import Step, Trail

STEP = Step(owner="dev/cloud/workers", realm="r", datacenter="dc", cloud="lab")


def test_nodes_that_begin_together_write_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = processes.write_private

    def counted(path: Path, text: str) -> None:
        written.append(text)
        write(path, text)

    monkeypatch.setattr(processes, "write_private", counted)

    async def begin() -> None:
        trail = Trail(tmp_path, STEP)
        await asyncio.gather(*(trail.enter() for _ in range(8)))

    asyncio.run(begin())
    assert len(written) == 1
    assert Step.model_validate_json((tmp_path / "cloud.workers.json").read_bytes()) == STEP
