"""How far software has come onto the nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vdc.pool.software.task import brings_software, in_words
from vdc.scheduler.outcome import Evaluation, Placement


@dataclass(frozen=True)
class Spread:
    """Where a job that runs once on every node stands.

    Attributes:
        done: Nodes that have it.
        failed: What went wrong, by node; sorted.
        under_way: Names of the nodes that are still at it; sorted.
        decided: Whether the scheduler has said which nodes there are.
    """

    done: int
    failed: tuple[tuple[str, str], ...]
    under_way: tuple[str, ...]
    decided: bool

    @property
    def total(self) -> int:
        """Nodes that it is or was for."""
        return self.done + len(self.failed) + len(self.under_way)

    @property
    def ended(self) -> bool:
        """Whether nothing of it goes on."""
        return self.decided and not self.under_way

    @property
    def reason(self) -> str:
        """What went wrong, one line naming the first node; empty when nothing did."""
        if not self.failed:
            return ""
        node, why = self.failed[0]
        more = len(self.failed) - 1
        others = f" (and {more} more of {self.total} nodes)" if more else ""
        return f"{node}: {why}{others}"

    @classmethod
    def of(cls, evaluations: Iterable[Evaluation], placements: Iterable[Placement]) -> Spread:
        """Reads the job's evaluations, asked for first, and its placements.

        A node that was lost or taken out of work meanwhile is not counted: nothing starts there.
        """
        done, failed, under_way = 0, [], []
        for placement in placements:
            match placement.client_status:
                case "complete":
                    done += 1
                case "failed":
                    failed.append((placement.node_name, _why(placement)))
                case "pending" | "running" if placement.desired_status == "run":
                    under_way.append(placement.node_name)
        pending = any(evaluation.status == "pending" for evaluation in evaluations)
        return cls(done, tuple(sorted(failed)), tuple(sorted(under_way)), not pending)


def lacks(placement: Placement) -> str:
    """Why a node has not the software of an instance; empty when that is not what it failed of."""
    tasks = (task for task in placement.tasks if brings_software(task.name))
    words = next((words for task in tasks if (words := in_words(task.exit_code))), "")
    return f"its software is not on {placement.node_name}: {words}" if words else ""


def _why(placement: Placement) -> str:
    codes = [in_words(task.exit_code) for task in placement.tasks]
    return next((words for words in codes if words), placement.cause or "it failed")
