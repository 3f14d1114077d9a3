"""An upstream that says the value back over a WebSocket: in a message, a ping, the reason of a close."""

from __future__ import annotations

import os
import socket
import ssl
import struct

from ground import Ground, across
from kit.report import Suite, demand
from world import World

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)
CLOSE, PING, TEXT = 8, 9, 1


def add_to(suite: Suite) -> None:
    across(suite, "echo over a WebSocket", echoed)


def echoed(world: World, ground: Ground) -> bool:
    upstream, proxy = world.upstream, ground.home.json("proxy", "start")
    path, host = f"/to/~{proxy['session_token']}/localhost:{upstream.port}/ws/echo", f"127.0.0.1:{proxy['port']}"
    try:
        with socket.create_connection(("127.0.0.1", proxy["port"]), 30) as stream:
            frames = talked(stream, HANDSHAKE.format(path=path, host=host, key="AS_SECRET_TOKEN"))
    finally:
        ground.home.cli("proxy", "stop")
    for kind, what in ((TEXT, "a message"), (PING, "a ping"), (CLOSE, "a close")):
        said = b"".join(data for opcode, data in frames if opcode == kind)
        demand(b"[REDACTED:TOKEN]" in said, f"{ground.level}: {what} came, and came redacted")
        ground.keeps(said, what)
    key = ground.token.value.decode()
    context = ssl.create_default_context(cadata=upstream.pem.decode())
    with socket.create_connection(("127.0.0.1", upstream.port), 30) as stream:
        with context.wrap_socket(stream, server_hostname="localhost") as secure:
            frames = talked(secure, HANDSHAKE.format(path="/ws/echo", host=f"localhost:{upstream.port}", key=key))
    found = [opcode for opcode, data in frames if ground.token.value in data]
    demand({TEXT, PING, CLOSE} <= set(found), f"control: a plain program is given the value in each of them: {found}")
    return True


def talked(stream: socket.socket, handshake: str) -> list[tuple[int, bytes]]:
    """Open a WebSocket, ask for the value in three ways, and return every frame up to the close."""
    stream.sendall(handshake.encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(stream)
    head, _, data = data.partition(b"\r\n\r\n")
    demand(b" 101 " in head.split(b"\r\n")[0] + b" ", f"the WebSocket opens: {head.split(bytes([13]))[0].decode()}")
    for text in (b"credential", b"ping", b"close"):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        stream.sendall(bytes([0x80 | TEXT, 0x80 | len(text)]) + mask + masked)
    frames: list[tuple[int, bytes]] = []
    while not frames or frames[-1][0] != CLOSE:
        while len(data) < 2 or len(data) < sum(measured(data)):
            data += received(stream)
        start, length = measured(data)
        frames.append((data[0] & 15, data[start : start + length]))
        data = data[start + length :]
    return frames


def received(stream: socket.socket) -> bytes:
    piece = stream.recv(65536)
    demand(piece, "the other side says more before it goes")
    return piece


def measured(data: bytes) -> tuple[int, int]:
    """Where a frame's text begins, and how long it is (RFC 6455, section 5.2)."""
    length = data[1] & 127
    if length < 126:
        return 2, length
    size = 2 if length == 126 else 8
    return 2 + size, struct.unpack(">H" if size == 2 else ">Q", data[2 : 2 + size].rjust(size, b"\xff"))[0]
