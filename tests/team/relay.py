"""What stands between the homes and the server: it keeps every byte, and cuts, stalls and lies as it is told."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Gets the request's method and path and the answer's document; gives the document that the home is shown instead.
Twist = Callable[[str, str, Any], Any]


class Relay:
    """A server of HTTP/1.1 on loopback that hands everything on. The homes know no other."""

    def __init__(self, port: int) -> None:
        self.behind = port
        self.twist: Twist | None = None
        # Gets method and path, may wait, and says whether the connection is cut before the request is handed on.
        self.before: Callable[[str, str], bool] | None = None
        # The same after the server has answered, before the home hears of it.
        self.after: Callable[[str, str], bool] | None = None
        # Gets method, path and body, and gives an answer's body where the server is not to hear of it.
        self.intercept: Callable[[str, str, bytes], bytes | None] | None = None
        # What is sent instead of any answer.
        self.raw: Callable[[Any], None] | None = None
        self.heard: list[bytes] = []
        self.asked: list[tuple[str, str, int]] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def handle_any(self) -> None:
                relay.serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A home that goes away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def honest(self) -> None:
        """Hand everything on again."""
        self.twist = self.before = self.after = self.intercept = self.raw = None

    def end(self) -> None:
        self._server.shutdown()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length)
        method, path = handler.command, handler.path
        self.heard += [f"{method} {path}".encode(), str(handler.headers).encode(), body]
        if self.before is not None and self.before(method, path):
            return self._cut(handler)
        if self.raw is not None:
            handler.close_connection = True
            return self.raw(handler)
        swallowed = self.intercept(method, path, body) if self.intercept is not None else None
        try:
            if swallowed is not None:
                status, headers, answer = 200, [("content-type", "application/json")], swallowed
            else:
                status, headers, answer = self._hand_on(method, path, handler.headers, body)
        except OSError:
            return self._cut(handler)
        self.asked.append((method, path, status))
        self.heard += [repr(headers).encode(), answer]
        if self.after is not None and self.after(method, path):
            return self._cut(handler)
        if self.twist is not None and status < 300 and answer:
            answer = json.dumps(self.twist(method, path, json.loads(answer))).encode()
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _hand_on(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        try:
            kept = {
                name: value for name, value in headers.items() if name.lower() not in ("connection", "content-length")
            }
            connection.request(method, path, body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    @staticmethod
    def _cut(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.connection.close()


def stalled(seconds: float) -> Callable[[Any], None]:
    """An answer that begins and does not go on."""

    def answer(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{")
        handler.wfile.flush()
        time.sleep(seconds)

    return answer


def flooding(handler: Any) -> None:
    """An answer that does not end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"[" * 0x10000 + b"\r\n"
    try:
        for _ in range(8192):
            handler.wfile.write(piece)
    except OSError:
        return
