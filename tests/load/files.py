"""A broker that may have few open files."""

from __future__ import annotations

import json

from kit.report import Suite, demand
from kit.upstream import until
from world import World, all_good, records

LIMIT = 256
# Of these 64 are kept back, and each call needs up to three.
ROOM = (LIMIT - 64) // 3
STREAMS = 160


def add_to(suite: Suite) -> None:
    suite.proof("the limit of open files is raised; where it cannot be, calls too many are told and questions answered")(few)


def few(world: World) -> str:
    home = world.home()
    home.stop()
    hosts = world.hosts(home)
    shell = f"ulimit -S -n 128 && exec {world.cli} broker run --background"
    home.account.run(["/bin/sh", "-c", shell], env=home.variables, cwd=home.directory).good()
    demand(limits(home.broker())[0] == limits(home.broker())[1], "the soft limit is raised to the hard one")
    home.stop()
    home.account.run(["/bin/sh", "-c", shell.replace("-S -n 128", f"-n {LIMIT}")], env=home.variables, cwd=home.directory).good()
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


def limits(pid: int) -> list[str]:
    with open(f"/proc/{pid}/limits", encoding="utf-8") as listed:
        line = next(line for line in listed if line.startswith("Max open files"))
    return line.split()[3:5]
