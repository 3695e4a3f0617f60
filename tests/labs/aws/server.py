"""The lab's AWS: ``python -m labs.aws.server FOLDER``; API, metadata service and clock in one.

The API is moto's, with machines and groups that take time; it answers to ``AWS_ENDPOINT_URL`` and,
over TLS, to AWS's own names, which the lab's name server says are here.
"""

from __future__ import annotations

import math
import ssl
import sys
import threading
import time
import traceback
from pathlib import Path

from labs.aws import catalogue, groups, machines
from labs.aws.door import Door
from labs.aws.identity import Authority
from labs.aws.metadata import Metadata
from labs.aws.scaling import Group
from labs.aws.scaling import groups as all_groups
from labs.aws.settings import PORT, SIDE
from labs.aws.wishes import Wishes

_TICK_S = 0.3


def main() -> None:
    """Serves until it is ended."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    folder = Path(sys.argv[1])
    wishes, authority = Wishes(folder / "wishes"), Authority(folder / "keys")
    lock = threading.RLock()
    for part in (machines, groups, catalogue):
        part.install(wishes)
    metadata = Metadata(authority, wishes, lock)
    door = Door(DomainDispatcherApplication(create_backend_app), wishes, metadata.roles, lock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")
    for port, tls in ((PORT, None), (443, context)):
        server = make_server(
            SIDE, port, door, threaded=True, ssl_context=tls, request_handler=MotoRequestHandler
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    while True:
        with lock:
            try:
                _step(wishes)
            except Exception:  # one thing that is wrong is not the end of a cloud
                traceback.print_exc()
        time.sleep(_TICK_S)


def _step(wishes: Wishes) -> None:
    """What comes by itself."""
    catalogue.publish(wishes)
    wanted = wishes.taken_back()
    for machine in machines.machines():
        machines.age(machine)
        if wanted.get(machine.id, math.inf) < time.time() and machine.state == "running":
            machine.terminate()
    for group in all_groups():
        Group(group, wishes).step()


if __name__ == "__main__":
    main()
