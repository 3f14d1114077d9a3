"""A real client of WebSockets under ``agentsecrets run`` and behind ``proxy start``, with compression on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from world import Upstream, World

CLIENT = """
import asyncio, os, sys
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
url, key = sys.argv[1], os.environ.get("WS_KEY", "AS_SECRET_WS_KEY")
headers = {"Authorization": "Bearer " + key}
def open(path, **more):
    return connect(url + path, additional_headers=headers, max_size=None, **more)
async def main():
    async with open("/ws/deflate?deflate=server_max_window_bits%3D12") as socket:
        print([extension.name for extension in socket.protocol.extensions])
        for text in ("hello", "long " * 100_000, key):
            await socket.send(text)
            assert await socket.recv() == text
        await socket.send(b"bytes" * 1000)
        assert await socket.recv() == b"bytes" * 1000
        await (await socket.ping())
        await socket.send("credential")
        print(await socket.recv())
    async with open("/ws/frames?every=5&deflate=1&prefix=a&suffix=z&ping=1") as socket:
        print(await socket.recv())
    async with open("/ws/echo?protocol=0", subprotocols=["realtime"]) as socket:
        print(socket.subprotocol)
        await socket.send("close")
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            print(closed.rcvd.code, closed.rcvd.reason)
    try:
        async with open("/ws/echo", subprotocols=["key." + key]):
            print("open")
    except InvalidStatus as refused:
        print(refused.response.status_code, refused.response.headers["agentsecrets-error"])
asyncio.run(main())
"""
SAID = [
    "['permessage-deflate']",
    "[REDACTED:WS_KEY]",
    "a[REDACTED:WS_KEY]z",
    "realtime",
    "4001 [REDACTED:WS_KEY]",
    "403 slot_not_allowed",
]


@pytest.fixture(scope="module")
def talking(world: World) -> World:
    """Return the world with a key that may go to the upstream."""
    world.store("WS_KEY", None, world.upstream.origin)
    return world


def client(world: World, url: str, *before: str) -> list[str]:
    command: Any = [*before, sys.executable, "-c", CLIENT, url]
    done = subprocess.run(
        command, cwd=world.directory, env=world.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for value in world.values.values():
        assert value not in done.stdout + done.stderr
    return done.stdout.splitlines()


def arrived(world: World, upstream: Upstream) -> None:
    received = upstream.received()
    assert [got.target.split("?")[0] for got in received] == ["/ws/deflate", "/ws/frames", "/ws/echo"]
    value = world.values["WS_KEY"]
    assert [got.header("authorization") for got in received] == [f"Bearer {value}"] * 3
    assert b"AS_SECRET_WS_KEY" in received[0].body, "a placeholder in a message stays a text"


def test_they_talk_under_run(talking: World, upstream: Upstream) -> None:
    upstream.forget()
    url = upstream.origin.replace("https://", "wss://")
    assert client(talking, url, talking.executable, "run", "--") == SAID
    arrived(talking, upstream)


def test_they_talk_by_the_reverse_way(talking: World, upstream: Upstream) -> None:
    upstream.forget()
    said = json.loads(talking.run("proxy", "start", "--port", "0", "--json"))
    try:
        host = upstream.origin.removeprefix("https://")
        assert client(talking, f"ws://127.0.0.1:{said['port']}/to/~{said['session_token']}/{host}") == SAID
    finally:
        talking.run("proxy", "stop")
    arrived(talking, upstream)
