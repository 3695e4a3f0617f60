"""The pool API, as typed Python. Synchronous; one instance serves one thread at a time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from vdc.client.calls import Calls
from vdc.client.events import opened
from vdc.client.models import (
    App,
    Event,
    InstallRequest,
    Node,
    PackageDetail,
    PackageSummary,
    Pool,
    Run,
    RunRequest,
    ScaleRequest,
    Stream,
    SubmitRequest,
)
from vdc.client.profile import Profile
from vdc.client.software import Software
from vdc.errors import PoolError

_UNPACK_S = 600.0


class PoolClient:
    """One caller of a pool. Use as a context manager.

    Every method raises :class:`~vdc.errors.PoolError` with the service's own line when the
    service refuses (``status`` is the HTTP status), or with status 0 when it does not answer.
    """

    def __init__(self, address: str, ca_file: Path, token: str) -> None:
        self.address = address.rstrip("/")
        self._calls = Calls(self.address, ca_file, token)

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """The client of a profile."""
        return cls(profile.address, profile.ca_file, profile.token)

    def __repr__(self) -> str:
        return f"PoolClient({self.address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._calls.http.close()

    # --- reading -----------------------------------------------------------------

    def pool(self) -> Pool:
        """Capacity and use of everything."""
        return self._calls.ask(Pool, "GET", "/pool")

    def nodes(self) -> list[Node]:
        """Every node, by name."""
        return self._calls.ask(list[Node], "GET", "/nodes")

    def library(self) -> list[PackageSummary]:
        """Every package that can be installed."""
        return self._calls.ask(list[PackageSummary], "GET", "/library")

    def package(self, name: str) -> PackageDetail:
        """One package, with the schema of its options."""
        return self._calls.ask(PackageDetail, "GET", f"/library/{name}")

    def software(self, package: str) -> list[Software]:
        """What a package needs, and what of it the service has."""
        return self._calls.ask(list[Software], "GET", f"/library/{package}/software")

    def send_software(self, package: str, sha256: str, offset: int, part: bytes) -> Software:
        """Brings the next part of an archive; see :func:`~vdc.client.software.supply`."""
        path, params = f"/library/{package}/software/{sha256}", {"offset": str(offset)}
        return self._calls.ask(Software, "PUT", path, params=params, content=part)

    def unpack_software(self, package: str, sha256: str) -> Software:
        """Has an archive unpacked that has come as a whole; returns when it is."""
        path = f"/library/{package}/software/{sha256}/unpack"
        return self._calls.ask(Software, "POST", path, timeout=_UNPACK_S)

    def healthy(self) -> bool:
        """Whether the service answers; needs no token."""
        try:
            return self._calls.http.get(self.address + "/healthz").is_success
        except httpx.HTTPError:
            return False

    # --- apps --------------------------------------------------------------------

    def apps(self) -> list[App]:
        """Every app, by name, without its endpoints."""
        return self._calls.ask(list[App], "GET", "/apps")

    def app(self, name: str) -> App:
        """One app, with its endpoints."""
        return self._calls.ask(App, "GET", f"/apps/{name}")

    def begin_install(self, request: InstallRequest) -> App:
        """Asks for an installation and returns at once."""
        return self._calls.ask(App, "POST", "/apps", body=request)

    def install(
        self,
        package: str,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        on_progress: Callable[[App], None] | None = None,
    ) -> App:
        """Installs a package and returns when the app is healthy.

        The same package and options again is a success that changes nothing; the same
        installation under way already is joined.

        Args:
            package: Name of the package.
            name: Name of the app.
            options: What the package's schema allows.
            version: Only this version of the package.
            on_progress: Told the app whenever something about it changed.

        Raises:
            PoolError: It was refused, or failed: the text says why.
        """
        request = InstallRequest(package=package, name=name, options=dict(options or {}),
                                 version=version)  # fmt: skip
        # The events are opened first, so that no change is missed between answer and stream.
        with opened(self._calls.http, self.address) as events:
            try:
                app = self.begin_install(request)
            except PoolError as error:
                if error.status != 409:
                    raise
                joined = self._under_way(name)
                if joined is None or joined.package != package:
                    raise
                app = joined
            return self._healthy(app, events, on_progress)

    def _under_way(self, name: str) -> App | None:
        """The app, if it is being installed now."""
        try:
            app = self.app(name)
        except PoolError:
            return None
        return None if app.settled else app

    def scale(
        self,
        name: str,
        count: int,
        group: str = "",
        on_progress: Callable[[App], None] | None = None,
    ) -> App:
        """Gives a task group another count and returns when the app is healthy with it."""
        request = ScaleRequest(count=count, group=group)
        with opened(self._calls.http, self.address) as events:
            app = self._calls.ask(App, "POST", f"/apps/{name}/scale", body=request)
            return self._healthy(app, events, on_progress)

    def stop(self, name: str, *, purge: bool = False) -> None:
        """Stops an app; with ``purge`` it is forgotten too, with its options and its history."""
        self._calls.send("DELETE", f"/apps/{name}", params={"purge": str(purge).lower()})

    def logs(
        self,
        name: str,
        *,
        task: str = "",
        stream: Stream = "stdout",
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[bytes]:
        """Output of an app's task as it comes; the first task of the newest instance by default."""
        return self._calls.logs(f"/apps/{name}/logs", task, stream, follow, tail)

    def submit(
        self,
        app: str,
        *,
        command: str = "submit",
        program: bytes | None = None,
        example: str | None = None,
        args: Sequence[str] = (),
    ) -> Run:
        """Runs a program, or one of the package's examples, on an app."""
        request = SubmitRequest(
            command=command,
            program=None if program is None else base64.b64encode(program).decode(),
            example=example,
            args=tuple(args),
        )
        return self._calls.ask(Run, "POST", f"/apps/{app}/submit", body=request)

    # --- runs --------------------------------------------------------------------

    def run(self, request: RunRequest) -> Run:
        """Starts a command and returns at once."""
        return self._calls.ask(Run, "POST", "/runs", body=request)

    def runs(self) -> list[Run]:
        """Every run that the scheduler remembers, newest first."""
        return self._calls.ask(list[Run], "GET", "/runs")

    def run_of(self, run_id: str) -> Run:
        """One run."""
        return self._calls.ask(Run, "GET", f"/runs/{run_id}")

    def run_logs(
        self,
        run_id: str,
        *,
        stream: Stream = "stdout",
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[bytes]:
        """Output of a run; with ``follow`` it waits for the start and ends with the run."""
        return self._calls.logs(f"/runs/{run_id}/logs", "", stream, follow, tail)

    def stop_run(self, run_id: str) -> None:
        """Stops a run; one that has ended is no error."""
        self._calls.send("DELETE", f"/runs/{run_id}")

    def wait_run(self, run_id: str) -> Run:
        """Returns the run once it has ended."""
        with opened(self._calls.http, self.address) as events:
            run = self.run_of(run_id)
            while not run.ended:
                event = next(events)
                if event.kind == "reset" or (event.kind, event.name) == ("run", run_id):
                    run = self.run_of(run_id)
            return run

    # --- events ------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """Every change from now on, for ever; a broken stream is taken up where it ended.

        The first event, and one after each gap that could not be closed, is ``reset``.

        Raises:
            PoolError: The service cannot be reached any more.
        """
        with opened(self._calls.http, self.address) as events:
            yield from events

    def _healthy(
        self, app: App, events: Iterator[Event], on_progress: Callable[[App], None] | None
    ) -> App:
        if on_progress:
            on_progress(app)
        while not app.settled:
            event = next(events)
            if event.kind == "app" and event.name == app.name and event.progress:
                app = app.model_copy(update={"progress": event.progress})
            elif event.kind == "reset" or (event.kind, event.name) == ("app", app.name):
                app = self.app(app.name)
            else:
                continue
            if on_progress:
                on_progress(app)
        if app.status in {"failed", "stopped"}:
            raise PoolError(f"{app.name} is not healthy: {app.reason or 'it was stopped'}")
        return app
