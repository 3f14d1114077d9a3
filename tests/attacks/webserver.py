"""An attacker's web server: a page, its plan, and what the page reports. And a local server that guards nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KINDS = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, port: int = 0) -> None:
        super().__init__((address, port), Handler)
        self.plan: dict[str, Any] = {}
        self.ready, self.go = threading.Event(), threading.Event()
        self.reported = threading.Event()
        self.report: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop listening, so that whoever comes is turned away by the system."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path in KINDS:
            name, kind = KINDS[self.path]
            self._answer((HERE / name).read_bytes(), kind)
        elif self.path == "/plan":
            self._answer(json.dumps(self.server.plan).encode(), "application/json")
        elif self.path == "/go":
            self._answer(b"go" if self.server.go.wait(20) else b"wait", "text/plain")
        else:
            self._answer(b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path == "/ready":
            self.server.ready.set()
        if self.path == "/report":
            self.server.report = json.loads(body)
            self.server.reported.set()
        self._answer(b"", "text/plain")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("access-control-allow-origin", "*")
        # So that a later request needs a new connection, and with it the name once more.
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Unguarded(ThreadingHTTPServer):
    """A local server as there are many: it answers whoever comes, under whatever name."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Careless)
        self.served: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Careless(BaseHTTPRequestHandler):
    server: Unguarded

    def do_GET(self) -> None:
        self.server.served.append(f"{self.command} {self.path} {self.headers.get('upgrade') or self.headers.get('sec-fetch-dest', '')}")
        self.send_response(200)
        body = b"what only this machine should see"
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass
