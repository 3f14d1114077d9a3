"""A broker that ends in the middle of many calls, and many that start one."""

from __future__ import annotations

import os
import signal
from typing import Any

from kit.home import Home
from kit.report import Suite, demand
from kit.upstream import until
from world import Host, World, all_good, records, shares

CALLS = 256
STREAMS = 128
STARTERS = 64


def add_to(suite: Suite) -> None:
    suite.proof("the broker killed in the middle: every call says so, the next one works, every record is closed")(killed)
    suite.proof("the broker killed under a passphrase: the next call says store_locked until unlock")(killed_locked)
    suite.proof("the broker stopped in the middle: calls under way are finished, endless streams end as told")(stopped)
    suite.proof("64 clients at once start one broker")(starters)


def under_way(world: World, hosts: list[Host], path: str, streams: int = STREAMS) -> list[tuple[Host, int]]:
    """Have calls and streams made, and wait until all of them are at the APIs."""
    world.forget()
    urls = [f"{api.origin}/sse?events=1&hold=1&" for api in world.apis]
    begun = []
    for host, api, share in zip(hosts, world.apis, shares(hosts, streams), strict=True):
        host.do("open", urls=urls, events=2, hold=True, **share)
        part = CALLS // len(hosts)
        begun.append((host, host.tell("calls", url=api.url(path), first=0, count=part, in_flight=part)))
    until(lambda: world.running("/slow") + world.running("/sse") == CALLS + streams, "all calls are under way", 90)
    return begun


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the broker is dead")


def broken_off(told: list[dict[str, Any]], wanted: int, what: str) -> None:
    codes = [one["codes"] for one in told]
    broken = sum(one.get("broker_unavailable", 0) for one in codes)
    demand(broken == wanted, f"{wanted} {what} end as broker_unavailable: {codes} {[one['said'] for one in told]}")
    demand(not any(one["final"] for one in told), "and say that trying again may help")
    demand(all("broker" in text for one in told for text in one["said"]), "and name the broker")


def one_call(world: World, hosts: list[Host]) -> list[dict[str, Any]]:
    url = world.apis[0].url("/echo?")
    return [host.do("calls", url=url, first=0, count=1, in_flight=1) for host in hosts]


def killed(world: World) -> str:
    home = world.home()
    hosts = world.hosts(home)
    pid = home.broker()
    begun = under_way(world, hosts, "/slow?ms=60000&")
    kill(pid)
    broken_off([host.told(tag) for host, tag in begun], CALLS, "calls")
    broken_off([host.do("close") for host in hosts], STREAMS, "streams")
    all_good(one_call(world, hosts), len(hosts), "next calls")
    demand(home.broker() != pid, "another broker has started by itself")
    until(lambda: world.running("/slow") + world.running("/sse") == 0, "the API hears that its callers are gone")
    outcomes, open_calls = records(home)
    demand(not open_calls, f"the next start closes what the dead broker left open: {len(open_calls)} are open")
    wanted = {"failed": CALLS + STREAMS, "ok": len(hosts)}
    demand(outcomes == wanted, f"on record are {wanted}: {dict(outcomes)}")
    end(home, hosts)
    return f"{CALLS} calls and {STREAMS} streams"


def killed_locked(world: World) -> str:
    home = world.home("passphrase")
    hosts = world.hosts(home)
    all_good(one_call(world, hosts), len(hosts), "calls of the unlocked home")
    begun = under_way(world, hosts, "/slow?ms=60000&")
    kill(home.broker())
    broken_off([host.told(tag) for host, tag in begun], CALLS, "calls")
    broken_off([host.do("close") for host in hosts], STREAMS, "streams")
    for one in one_call(world, hosts):
        demand(one["codes"] == {"store_locked": 1}, f"the next call is refused as store_locked: {one}")
    home.owner("unlock").good()
    all_good(one_call(world, hosts), len(hosts), "calls after unlock")
    _, open_calls = records(home)
    demand(not open_calls, f"every call that began has ended: {len(open_calls)} have not")
    end(home, hosts)
    return "refused until unlock, then answered"


def stopped(world: World) -> str:
    home = world.home()
    hosts = world.hosts(home)
    pid = home.broker()
    begun = under_way(world, hosts, "/slow?ms=4000&")
    home.cli("broker", "stop").good()
    all_good([host.told(tag) for host, tag in begun], CALLS, "answers of calls under way")
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the broker has ended", 60)
    broken_off([host.do("close") for host in hosts], STREAMS, "streams")
    all_good(one_call(world, hosts), len(hosts), "next calls")
    outcomes, open_calls = records(home)
    demand(not open_calls, f"every call that began has ended: {len(open_calls)} have not")
    demand(outcomes["ok"] == CALLS + len(hosts), f"what was finished is on record as such: {dict(outcomes)}")
    end(home, hosts)
    return f"{CALLS} calls were finished, {STREAMS} streams ended"


def starters(world: World) -> str:
    home = world.home()
    hosts = world.hosts(home, copies=2)
    home.stop()
    demand(home.json("broker", "status")["pid"] is None, "no broker runs")
    part = STARTERS // len(hosts)
    url = world.apis[0].url("/echo?")
    begun = [host.tell("clients", url=url, first=at * part, count=part) for at, host in enumerate(hosts)]
    all_good([host.told(tag) for host, tag in zip(hosts, begun, strict=True)], STARTERS, "answers")
    brokers = [pid for pid in home.account.processes() if b"broker" in command_line(pid)]
    demand(home.account.uid is None or brokers == [home.broker()], f"one broker is left: {brokers}")
    outcomes, open_calls = records(home)
    demand(outcomes == {"ok": STARTERS} and not open_calls, f"each has its record: {dict(outcomes)}")
    end(home, hosts)
    return f"{len(hosts)} processes"


def command_line(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read()
    except OSError:
        return b""


def end(home: Home, hosts: list[Host]) -> None:
    for host in hosts:
        host.end()
    home.stop()
