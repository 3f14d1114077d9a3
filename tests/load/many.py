"""A thousand streams and ten thousand short calls through one broker, twice."""

from __future__ import annotations

from kit.report import Suite, demand
from kit.upstream import until
from world import Host, World, all_good, records, resident, shares

STREAMS = 1000
ENDING = 200
CALLS = 10_000
EVENTS = 4
INTERVAL_MS = 2500
IN_FLIGHT = 64
# What the broker may have more after the second time than after the first, in KiB: caches settle, and the allocator
# keeps what it likes. One kilobyte kept for each call would be more.
GROWTH = 8 << 10


def add_to(suite: Suite) -> None:
    suite.proof("1,000 streams and 10,000 calls at once: none lost, none swapped, all on record, memory flat")(load)


def load(world: World) -> str:
    home = world.home()
    hosts = world.hosts(home)
    pid = home.broker()
    idle = resident(pid)
    peaks, after = [], []
    for time in (1, 2):
        world.forget()
        opened = open_streams(world, hosts, STREAMS, hold=True)
        calling = [
            host.tell("calls", url=f"{api.origin}/echo?", in_flight=IN_FLIGHT, **share)
            for host, api, share in zip(hosts, world.apis, shares(hosts, CALLS), strict=True)
        ]
        all_open(world, hosts, opened)
        all_good([host.told(tag) for host, tag in zip(hosts, calling, strict=True)], CALLS, "answers")
        peaks.append(resident(pid))
        until(lambda: sum(host.do("count")["seen"] for host in hosts) == STREAMS * EVENTS, "every event has come", 120)
        all_good([host.do("close") for host in hosts], STREAMS, "streams")
        until(lambda: world.running("/sse") == 0, "the API hears that streams are let go of")
        for host, tag in zip(hosts, open_streams(world, hosts, ENDING, hold=False), strict=True):
            host.told(tag)
        all_good([host.do("close") for host in hosts], ENDING, "streams that end by themselves")
        demand(home.broker() == pid, "it is the same broker")
        after.append(resident(pid))
        outcomes, open_calls = records(home)
        demand(not open_calls, f"every call that began has ended: {len(open_calls)} have not")
        demand(outcomes == on_record(time), f"on record are {on_record(time)}: {dict(outcomes)}")
    demand(after[1] - after[0] < GROWTH, f"the second time leaves at most {GROWTH} KiB: {after[0]} KiB, then {after[1]}")
    for host in hosts:
        host.end()
    home.stop()
    return (
        f"broker {idle / 1024:.1f} MiB idle, {' and '.join(f'{peak / 1024:.1f}' for peak in peaks)} MiB loaded, "
        f"{' and '.join(f'{rest / 1024:.1f}' for rest in after)} MiB after"
    )


def open_streams(world: World, hosts: list[Host], count: int, hold: bool) -> list[int]:
    """Have streams opened that stay open until they are let go of, or end by themselves."""
    query = f"events={EVENTS}&interval_ms={INTERVAL_MS if hold else 10}&{'hold=1&' if hold else ''}"
    said = {"urls": [f"{api.origin}/sse?{query}" for api in world.apis], "events": EVENTS, "hold": hold}
    return [host.tell("open", **said, **share) for host, share in zip(hosts, shares(hosts, count), strict=True)]


def all_open(world: World, hosts: list[Host], opened: list[int]) -> None:
    told = [host.told(tag) for host, tag in zip(hosts, opened, strict=True)]
    failed = [one for one in told if one["codes"] or one["wrong"]]
    demand(not failed, f"every stream opens: {failed}")
    at_once = world.running("/sse")
    demand(at_once == STREAMS, f"{STREAMS} streams are open at once, not {at_once}")


def on_record(times: int) -> dict[str, int]:
    """Every call of the load so far; what is let go of is cancelled."""
    return {"ok": times * (CALLS + ENDING), "cancelled": times * STREAMS}
