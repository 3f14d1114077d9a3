"""A proxy that makes tunnels (CONNECT), all of them to one port of loopback: where public names lead here."""

from __future__ import annotations

import socket
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType


class Tunnels(ThreadingTCPServer):
    """Listens on `port`; `asked` is what it was asked for."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, leads_to: int) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.leads_to = leads_to
        self.asked: list[str] = []
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.shutdown()
        self.server_close()


class Tunnel(BaseRequestHandler):
    server: Tunnels

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.request.recv(1)
            if not piece:
                return
            head += piece
        self.server.asked.append(head.split(b"\r\n")[0].decode("latin-1").rsplit(" ", 1)[0])
        with socket.create_connection(("127.0.0.1", self.server.leads_to)) as upstream:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=carry, args=(upstream, self.request), daemon=True)
            back.start()
            carry(self.request, upstream)
            back.join(30)


def carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side has gone; so does this one.
        pass
