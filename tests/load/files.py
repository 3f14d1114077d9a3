"""A broker that may have few open files."""

from __future__ import annotations

import json
import socket

from kit.home import Home
from kit.report import Suite, demand
from kit.upstream import until
from world import World, all_good, records

LIMIT = 256
# Of these 64 are kept back, and each call needs up to three.
ROOM = (LIMIT - 64) // 3
STREAMS = 160


def add_to(suite: Suite) -> None:
    suite.proof("the limit of open files is raised; where it cannot be, calls too many are told and questions answered")(few)
    suite.proof("an open WebSocket counts as the connection it was")(sockets)


def few(world: World) -> str:
    home = world.home()
    hosts = world.hosts(home)
    limited(world, home, "-S -n 128")
    demand(limits(home.broker())[0] == limits(home.broker())[1], "the soft limit is raised to the hard one")
    limited(world, home)
    url = f"{world.apis[1].origin}/sse?events=1&hold=1&"
    told = hosts[0].do("open", urls=[url], events=1, hold=True, first=0, count=STREAMS)
    refused = told["codes"].get("broker_unavailable", 0)
    demand(refused == STREAMS - ROOM, f"{STREAMS - ROOM} calls too many are refused: {told}")
    demand(all("limit of open files" in text for text in told["said"]), f"and told why: {told['said']}")
    doctor = json.loads(home.cli("doctor", "--json").out)
    check = next(check for check in doctor["checks"] if check["name"] == "open files")
    demand(check["state"] == "warn" and str(LIMIT) in check["message"], f"doctor tells it: {check}")
    all_good([hosts[0].do("close")], ROOM, "streams that had room")
    until(lambda: world.running("/sse") == 0, "the API hears that streams are let go of")
    again = hosts[1].do("calls", url=world.apis[1].url("/echo?"), first=0, count=200, in_flight=32)
    all_good([again], 200, "calls after them")
    _, open_calls = records(home)
    demand(not open_calls, f"every call that began has ended: {len(open_calls)} have not")
    for host in hosts:
        host.end()
    home.stop()
    return f"{ROOM} of {STREAMS} at {LIMIT} open files"


def sockets(world: World) -> str:
    home = world.home()
    limited(world, home)
    proxy = json.loads(home.cli("proxy", "start", "--json").good().out)
    opened = []
    while len(opened) <= ROOM:
        status, stream = handshake(world, proxy)
        if status != 101:
            break
        opened.append(stream)
    demand(ROOM - 4 <= len(opened) <= ROOM, f"{len(opened)} sockets are opened where there is room for {ROOM}")
    demand(status == 503, f"the next is told that the broker has no room: {status}")
    opened.pop().close()
    until(lambda: handshake(world, proxy)[0] == 101, "one that ends makes room")
    for stream in opened:
        stream.close()
    home.cli("proxy", "stop").good()
    home.stop()
    return f"{len(opened) + 1} sockets at {LIMIT} open files"


def handshake(world: World, proxy: dict[str, object]) -> tuple[int, socket.socket]:
    """Asks the home's proxy for a WebSocket; gives the status, and the connection."""
    stream = socket.create_connection(("127.0.0.1", int(str(proxy["port"]))), timeout=30)
    host = world.apis[1].origin.removeprefix("https://")
    lines = [
        f"GET /to/~{proxy['session_token']}/{host}/ws/echo HTTP/1.1",
        f"Host: 127.0.0.1:{proxy['port']}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Authorization: Bearer AS_SECRET_TOKEN",
    ]
    stream.sendall("\r\n".join([*lines, "", ""]).encode())
    return int(stream.recv(65536).split()[1]), stream


def limited(world: World, home: Home, how: str = f"-n {LIMIT}") -> None:
    """Starts the home's broker anew with a limit of open files."""
    home.stop()
    shell = f"ulimit {how} && exec {world.cli} broker run --background"
    home.account.run(["/bin/sh", "-c", shell], env=home.variables, cwd=home.directory).good()


def limits(pid: int) -> list[str]:
    with open(f"/proc/{pid}/limits", encoding="utf-8") as listed:
        line = next(line for line in listed if line.startswith("Max open files"))
    return line.split()[3:5]
