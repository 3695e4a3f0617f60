"""What commands return that the API has no one type for."""

from __future__ import annotations

from dataclasses import dataclass

from vdc.client.models import App, Pool, Run


@dataclass(frozen=True)
class Status:
    """The pool and what is installed on it, in one look."""

    address: str
    pool: Pool
    apps: tuple[App, ...]

    @property
    def well(self) -> bool:
        """Whether the picture is fresh, every node is up and every app is as wanted."""
        nodes_up = self.pool.nodes.down == 0
        apps_up = all(app.status in {"healthy", "stopped"} for app in self.apps)
        return not self.pool.stale and nodes_up and apps_up


@dataclass(frozen=True)
class Gone:
    """Something that was stopped.

    Attributes:
        name: Of the app or run.
        purged: Whether the pool has forgotten it.
    """

    name: str
    purged: bool


@dataclass(frozen=True)
class Finished:
    """A run that has ended, with what it printed; for programs, which cannot watch it."""

    run: Run
    stdout: str
    stderr: str
