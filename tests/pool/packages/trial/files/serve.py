"""Serves, or fails, as its first argument says."""

import http.server
import json
import os
import pathlib
import sys
import time

mode, well_after = sys.argv[1], float(sys.argv[2])
started = time.monotonic()
if mode == "fail":
    sys.stderr.write("first complaint\nthe disk is on fire\n")
    sys.exit(3)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        key = pathlib.Path(os.environ["NOMAD_SECRETS_DIR"], "key").read_text()
        well = time.monotonic() - started >= well_after
        body = json.dumps({"well": well, "key": key}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


address = ("127.0.0.1", int(os.environ["NOMAD_PORT_http"]))  # noqa: SIM112 - its name
sys.stdout.write("serving\n")
sys.stdout.flush()
http.server.ThreadingHTTPServer(address, _Handler).serve_forever()
