"""Progress of an installation: a moving bar on a terminal, a line per step elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vdc.client.models import App
from vdc.client.models import Progress as Amount
from vdc.commands.session import Session

_STEPS = {
    "fetching": "getting the software",
    "submitting": "handing the job to the scheduler",
    "deploying": "starting, until the app itself says that it is well",
}


@contextmanager
def shown(session: Session) -> Iterator[Callable[[App], None]]:
    """Something to tell the app to whenever it has changed."""
    if not session.notes.is_terminal:
        yield _Lines(session)
        return
    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(30),
        TextColumn("{task.fields[amount]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=session.notes, transient=True) as progress:
        task = progress.add_task("asking the pool", total=None, amount="")

        def tell(app: App) -> None:
            amount, done, total = "", 0, None
            if app.progress:
                done, total = app.progress.done, app.progress.total
                amount = _amount(app.progress)
            progress.update(
                task, description=describe(app), completed=done, total=total, amount=amount
            )

        yield tell


class _Lines:
    """For logs and pipes: one line per step, none per byte."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said = ""

    def __call__(self, app: App) -> None:
        line = describe(app)
        if line != self._said and not app.settled:
            self._said = line
            self._session.note(line)


def describe(app: App) -> str:
    """What is being done for an app, without amounts."""
    step = app.progress.what if app.progress else _STEPS.get(app.status, app.status)
    return f"{app.name}: {step}"


def _amount(progress: Amount) -> str:
    done, total = progress.done, progress.total
    if progress.unit == "nodes":
        return f"on {done:,} of {total:,} nodes" if total else ""
    megabytes = f"{done / 1e6:,.0f}"
    return f"{megabytes} of {total / 1e6:,.0f} MB" if total else f"{megabytes} MB"
