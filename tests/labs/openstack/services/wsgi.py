"""Serves one of OpenStack's WSGI modules on loopback: ``wsgi.py MODULE PORT FOLDER``."""

import importlib
import sys

from cheroot import wsgi


def main():
    """Serves until it is ended."""
    module, port = sys.argv[1:3]
    # What the module reads of the command line is not meant for it.
    del sys.argv[1:]
    application = importlib.import_module(module).application
    # SQLite has one writer: more threads would only wait for each other, and then give up.
    server = wsgi.Server(
        ("127.0.0.1", int(port)), application, numthreads=1, max=1, request_queue_size=128
    )
    server.start()


if __name__ == "__main__":
    main()
