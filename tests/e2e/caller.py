"""A client of a service on the pool that never stops asking."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from e2e.checkout import Checkout
from e2e.eventually import eventually

Address = tuple[str, int]


@dataclass
class Caller:
    """Follows a service in the scheduler's catalogue and calls its instances in turn.

    As a good client does, it goes to the instances that are registered at that moment, learns of
    a change when it happens (a blocking query), and opens a connection for each request. The
    catalogue knows no health, so an instance may be in it an instant before it listens: a
    connection that is refused, where nothing has been sent yet, is tried at the next instance.
    Anything else that goes wrong is a failure, and nothing is ever sent twice.
    """

    service: str
    failures: list[str] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    registered: tuple[Address, ...] = ()
    _over: threading.Event = field(default_factory=threading.Event)

    def follow(self, place: Checkout) -> None:
        """Keeps ``registered`` as the catalogue says, until it is over."""
        index = "0"
        with place.scheduler() as scheduler:
            while not self._over.is_set():
                params = {"index": index, "wait": "2s"}
                answer = scheduler.get(f"/v1/service/{self.service}", params=params)
                index = answer.headers["X-Nomad-Index"]
                found = ((entry["Address"], entry["Port"]) for entry in answer.json())
                self.registered = tuple(sorted(found))

    def call(self) -> None:
        """Asks one instance after the other, until it is over."""
        for turn in itertools.count():
            if self._over.wait(0.01):
                return
            now = self.registered
            if not now:
                if self.answered:
                    self.failures.append("no instance is registered")
                continue
            first = turn % len(now)
            try:
                self._ask(now[first:] + now[:first])
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(f"{error!r}; registered {now}")

    def _ask(self, addresses: tuple[Address, ...]) -> None:
        with self._connected(addresses) as connection:
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read()
        assert answer.status == 200, f"{answer.status}: {body!r}"
        self.answered += 1

    def _connected(self, addresses: tuple[Address, ...]) -> closing[http.client.HTTPConnection]:
        for address in addresses:
            connection = http.client.HTTPConnection(*address, timeout=10)
            try:
                connection.connect()
            except ConnectionRefusedError:
                self.refused += 1
            else:
                return closing(connection)
        raise ConnectionRefusedError("by every instance")

    def end(self) -> None:
        """Lets both loops end."""
        self._over.set()


@contextmanager
def calling(place: Checkout, service: str) -> Iterator[Caller]:
    """A caller at work during the block; the first answer has come when the block begins."""
    caller = Caller(service)
    threads = [
        threading.Thread(target=caller.follow, args=(place,), daemon=True),
        threading.Thread(target=caller.call, daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        eventually("a first answer", lambda: caller.answered, 30)
        yield caller
    finally:
        caller.end()
        for thread in threads:
            thread.join(30)
