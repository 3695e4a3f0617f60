"""Nodes for clouds that boot none: what an API shows as running runs here, and nothing else does.

A node is the labs' image with systemd and cloud-init, in namespaces and control groups of its own,
on the lab's bridge, with the address that the API shows and a seed of the user data that it holds::

    with Boots(lab, instances) as boots:
        ...                                   # whatever makes the API start instances
        boots.node("i-0123").run("hostname")
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from labs.node import BRIDGE, Instance, Lab, Node, remove_nodes
from labs.processes import output
from nomad_lab import wait_for

__all__ = ["BRIDGE", "Boots", "Instance", "Lab", "Node", "remove_nodes"]

_POLL_S = 1.0


class Boots:
    """Follows an API while it is entered, and leaves nothing; see :class:`Instance`.

    Args:
        lab: Where nodes live.
        instances: Asks the API; called by one thread every ``every_s``. An error of it is written
            to ``boots.log`` in the lab's folder, and changes nothing until the next answer.
        every_s: Pause between two questions.
    """

    def __init__(
        self, lab: Lab, instances: Callable[[], Iterable[Instance]], every_s: float = _POLL_S
    ) -> None:
        self._lab, self._instances, self._every_s = lab, instances, every_s
        self._shown: dict[str, Instance] = {}
        self._nodes: dict[str, Node] = {}
        self._off: set[str] = set()
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"boots of {lab.name}")

    def __enter__(self) -> Self:
        # This side is the router of every subnet, and all of them are on one bridge.
        redirects = (f"net.ipv4.conf.{it}.send_redirects=0" for it in ("all", BRIDGE))
        words = ("sysctl", "-qw", "net.ipv4.ip_forward=1", *redirects)
        output(self._lab.network.command(*words))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        remove_nodes(self._lab)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node that has a disk here, by the cloud's id."""
        with self._lock:
            return dict(self._nodes)

    def node(self, id: str, within_s: float = 60) -> Node:  # noqa: A002 - the cloud's word
        """The node of an instance, once it is booting.

        Raises:
            AssertionError: The API does not show it in time.
        """
        return wait_for(f"a node of {id}", lambda: self.nodes.get(id), within_s)

    def power_off(self, id: str) -> None:  # noqa: A002
        """Ends a node as a crash would, whatever the API shows; until :meth:`reboot`."""
        with self._lock:
            self._off.add(id)
            self._nodes[id].stop()

    def reboot(self, id: str) -> None:  # noqa: A002
        """Power off and on: the same disk, address and seed."""
        with self._lock:
            self._nodes[id].stop()
            self._off.discard(id)
            self._nodes[id].boot(self._shown[id])

    def _follow(self) -> None:
        before = ""
        while not self._end.is_set():
            trouble = ""
            try:
                shown = {instance.id: instance for instance in self._instances()}
                with self._lock:
                    self._match(shown)
            except Exception:  # a fault of the API is not the end of the machines
                trouble = traceback.format_exc()
            if trouble not in ("", before):
                with (self._lab.folder / "boots.log").open("a") as log:
                    log.write(f"{time.strftime('%T')} {trouble}\n")
            before = trouble
            self._end.wait(self._every_s)

    def _match(self, shown: dict[str, Instance]) -> None:
        self._shown = shown
        for gone in self._nodes.keys() - shown.keys():
            self._nodes.pop(gone).remove()
            self._off.discard(gone)
        for instance in shown.values():
            node = self._nodes.get(instance.id) or Node(self._lab, instance.id)
            if node.up and (not instance.running or node.rebooted):
                node.stop()
            if instance.running and not node.up and instance.id not in self._off:
                node.boot(instance)
                self._nodes[instance.id] = node
