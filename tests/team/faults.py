"""Server, client, network, database, clock and disk fail while a team works: nothing that was acknowledged is lost, nothing is half done."""

from __future__ import annotations

import glob
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable

from databases import Postgres
from kit.report import NotRun, Suite, demand
from kit.upstream import until
from world import Member, Server, World

# As many names as one pull takes in together.
NAMES = 24
# How often a client is killed in the middle, each time a little later.
ROUNDS = 6
# Files of a process may not grow past this many KiB, where its disk is to be full.
FULL = 16


def add_to(suite: Suite) -> None:
    suite.proof("faults: the server killed before and after every kind of write")(server_killed)
    suite.proof("faults: the client killed in the middle of pulls: all of it is there, or nothing")(
        client_killed_in_pull
    )
    suite.proof("faults: the client killed in the middle of pushes: nothing is lost, nothing is there twice")(
        client_killed_in_push
    )
    suite.proof("faults: the network cut before, in and after an answer, and back again")(network)
    suite.proof("faults: PostgreSQL restarted under a team that works")(database_restarted)
    suite.proof("faults: a clock that is wrong by an hour, on either side")(clocks)
    suite.proof("faults: a full disk, of the client and of the server")(disks)


def shared(world: World, server: Server) -> tuple[Member, Member, str]:
    """Two members and a name that both have."""
    ann, ben = world.team(server, "ann", "ben")
    name = world.secret("STRIPE")
    ann.set(name, world.canary())
    ann.owner("allow", name, world.http).good()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    return ann, ben, name


def server_killed(world: World) -> str:
    server = world.server()
    ann, ben, name = shared(world, server)
    done = 0
    acts: dict[str, Callable[[], object]] = {
        "session": lambda: ann.log_in(),
        "chain": lambda: ann.owner("allow", name, f"{world.http}/{secrets.token_hex(4)}").good(),
        "record": lambda: ann.owner("secrets", "push").good(),
    }
    value = b""
    for kind, act in acts.items():
        for moment in ("before", "after"):
            if kind == "record":
                value = world.canary()
                ann.set(name, value)
            server.stop()
            server.start(AGENTSECRETS_SERVER_FAULT=f"{kind}.{moment}:1")
            try:
                act()
                failed = False
            except AssertionError:
                failed = True
            until(server.is_dead, f"the server dies at {kind}.{moment}")
            demand(failed, f"what is not acknowledged is told as a failure, at {kind}.{moment}")
            server.start()
            act()
            done += 1
    server.check()
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, value, world.http), "the other member has what was pushed last")
    demand(len(ben.json("workspace", "log")) == len(ann.json("workspace", "log")), "and the same chain")
    for member in (ann, ben):
        member.stop()
    return f"{done} deaths"


def many(world: World, member: Member, names: list[str]) -> dict[str, bytes]:
    """New values for all the names at once."""
    values = {name: world.canary() for name in names}
    text = b"".join(name.encode() + b"=" + value + b"\n" for name, value in values.items())
    file = member.account.write("many.env", text)
    member.owner("secrets", "import", str(file), "--delete-file").good()
    return values


def client_killed_in_pull(world: World) -> str:
    ann, ben, one = shared(world, world.server())
    names = [world.secret("MANY") for _ in range(NAMES)]
    killed, whole, none = 0, 0, 0
    for turn in range(ROUNDS):
        many(world, ann, names)
        ann.owner("secrets", "push").good()
        before = versions(ben, names)
        pid = ben.broker()
        delay = turn * 0.02
        at = threading.Event()
        world.server().relay.after = lambda method, path, at=at: (at.set(), False)[1] if "/changes" in path else False
        killer = threading.Thread(target=kill_after, args=(pid, at, delay))
        killer.start()
        done = ben.cli("secrets", "pull")
        killer.join()
        world.server().relay.honest()
        killed += done.code != 0
        after = versions(ben, names)
        changed = sum(before.get(name) != after.get(name) for name in names)
        demand(changed in (0, NAMES), f"all of it is there or nothing: {changed} of {NAMES} names")
        whole, none = whole + (changed == NAMES), none + (changed == 0)
        ben.cli("secrets", "pull").good()
        demand(ben.drift() == {}, "the next pull takes in what was left")
    demand(killed > 0 and none > 0, f"some were killed in time: {killed} failed, {none} took in nothing, {whole} all")
    values = many(world, ann, names)
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    ann.owner("allow", names[0], world.http).good()
    ben.cli("secrets", "pull").good()
    demand(ben.sees(names[0], values[names[0]], world.http), "the values are the right ones")
    demand(ben.cli("logs", "verify").code == 0 and one, "and the record of calls verifies")
    for member in (ann, ben):
        member.stop()
    return f"{ROUNDS} rounds: {none} took in nothing, {whole} all"


def versions(member: Member, names: list[str]) -> dict[str, str]:
    """The record that holds each name's value."""
    return {info["name"]: info["record"] for info in member.json("secrets", "list") if info["name"] in names}


def kill_after(pid: int, at: threading.Event, delay: float) -> None:
    at.wait(30)
    time.sleep(delay)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def client_killed_in_push(world: World) -> str:
    server = world.server()
    ann, ben, _ = shared(world, server)
    failed = 0
    names: list[str] = []
    for turn in range(ROUNDS):
        fresh = [world.secret("MANY") for _ in range(NAMES)]
        names += fresh
        many(world, ann, fresh)
        pid, at = ann.broker(), threading.Event()
        # Even rounds kill it when the server has stored what the client does not know to be stored.
        if turn % 2:
            server.relay.before = lambda method, path, at=at: (
                (at.set(), False)[1] if path.endswith("/records") else False
            )
        else:
            server.relay.after = lambda method, path, at=at: (at.set(), True)[1] if path.endswith("/records") else False
        killer = threading.Thread(target=kill_after, args=(pid, at, turn * 0.01))
        killer.start()
        failed += ann.cli("secrets", "push").code != 0
        killer.join()
        server.relay.honest()
        again = ann.json("secrets", "push")
        demand(
            not again["conflicts"] and not again["needs_owner"], f"the push that is made again meets itself: {again}"
        )
        demand(ann.drift() == {}, "and then both sides are the same")
    ben.cli("secrets", "pull").good()
    listed = {info["name"] for info in ben.json("secrets", "list")}
    demand(set(names) <= listed, "the other member has every name")
    demand(all(len(ben.json("secrets", "history", name)) == 1 for name in names[:: NAMES // 2]), "each in one version")
    demand(failed > 0, "some pushes were cut short")
    for member in (ann, ben):
        member.stop()
    return f"{ROUNDS} rounds, {failed} cut short"


def network(world: World) -> str:
    server = world.server()
    ann, ben, name = shared(world, server)
    value = world.canary()
    ann.set(name, value)
    server.relay.before = lambda method, path: True
    ann.refused("sync_unavailable", "secrets", "diff")
    demand(ann.sees(name, value, world.http), "without the server calls go on")
    told = ann.json("status")["sync"]
    demand(told["asked"], "and status says how old the state is")
    server.relay.honest()
    # The answer to the push is lost after the server has stored it.
    server.relay.after = lambda method, path: path.endswith("/records")
    lost = ann.owner("secrets", "push")
    demand(b"error[sync_unavailable]" in lost.err, f"a lost answer is a failure: {lost.text[-300:]}")
    server.relay.honest()
    ann.owner("secrets", "push").good()
    demand(ann.drift() == {}, "the push that is made again meets itself")
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, value, world.http), "and the other member has it")
    demand([one["version"] for one in ben.json("secrets", "history", name)] == [2, 1], "once")
    # The same for an entry of the chain.
    server.relay.after = lambda method, path: path.endswith("/chain")
    lost = ann.owner("workspace", "rotate")
    demand(lost.code != 0, "a lost answer to an entry is a failure too")
    server.relay.honest()
    entries = len(ann.json("workspace", "log"))
    ann.cli("secrets", "pull").good()
    demand(len(ann.json("workspace", "log")) == entries + 1, "the next question finds that it was taken")
    ann.set(name, world.canary())
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    demand(ben.drift() == {}, "and the team goes on under the new keys")
    for member in (ann, ben):
        member.stop()
    return "before, in and after"


def database_restarted(world: World) -> str:
    server = world.server("PostgreSQL")
    assert isinstance(server.database, Postgres)
    ann, ben, name = shared(world, server)
    value = world.canary()
    ann.set(name, value)
    server.database.stop()
    refused = ann.owner("secrets", "push")
    demand(b"error[sync_unavailable]" in refused.err, f"without the database the server says so: {refused.text[-300:]}")
    server.database.start()
    until(lambda: ann.owner("secrets", "push").code == 0, "the same server goes on when its database is back")
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, value, world.http), "and nothing was lost")
    server.check()
    for member in (ann, ben):
        member.stop()
    return "stopped, refused, started, pushed"


def clocks(world: World) -> str:
    library = next(iter(sorted(glob.glob("/usr/lib/*/faketime/libfaketime.so.1"))), None)
    if library is None:
        raise NotRun("there is no faketime: apt-get install faketime")
    server = world.server()
    ann, ben, name = shared(world, server)
    for shift in ("+1h", "-1h"):
        value = world.canary()
        ann.set(name, value)
        server.stop()
        server.start(LD_PRELOAD=library, FAKETIME=shift)
        refused = ann.owner("secrets", "push")
        demand(b"error[clock_skew]" in refused.err, f"a clock that is wrong is named: {refused.text[-300:]}")
        server.stop()
        server.start()
        ann.owner("secrets", "push").good()
        ben.cli("secrets", "pull").good()
        demand(ben.sees(name, value, world.http), "when it is right again the work goes on")
    for member in (ann, ben):
        member.stop()
    return "an hour ahead, an hour behind"


def disks(world: World) -> str:
    server = world.server()
    ann, ben, name = shared(world, server)
    names = [world.secret("MANY") for _ in range(NAMES * 2)]
    many(world, ann, names)
    ann.owner("secrets", "push").good()
    # The client's: its broker may make no file longer than this, as on a disk that is full.
    ben.stop()
    before = {path: data for path, data in ben.files().items() if "store" in path or "index" in path}
    demand(before, "there is a store to look at")
    limited = f'trap "" XFSZ; ulimit -f {FULL}; exec "$@"'
    done = ben.account.run(
        ["bash", "-c", limited, "-", world.cli, "secrets", "pull"], env=ben.variables, cwd=ben.directory
    )
    demand(done.code != 0 and b"error[" in done.err, f"a full disk is a failure with a name: {done.text[-300:]}")
    ben.stop()
    after = {path: data for path, data in ben.files().items() if path in before}
    demand(before == after, "nothing of what was there is changed")
    ben.cli("secrets", "pull").good()
    demand(
        set(names) <= {info["name"] for info in ben.json("secrets", "list")}, "with room again everything is taken in"
    )
    # The server's.
    value = world.canary()
    ann.set(name, value)
    server.stop()
    size = max(path.stat().st_size for path in server.data.iterdir()) // 1024
    server.start(wrapper=("bash", "-c", f'trap "" XFSZ; ulimit -f {size + 8}; exec "$@"', "-"))
    refused = None
    for _ in range(40):
        refused = ann.owner("allow", name, f"{world.http}/{secrets.token_hex(8)}")
        if refused.code != 0:
            break
    demand(refused is not None and b"error[sync_unavailable]" in refused.err, "a server without room says so")
    server.stop()
    server.start()
    ann.owner("secrets", "push").good()
    ben.cli("secrets", "pull").good()
    demand(ben.sees(name, value, world.http), "with room again the work goes on")
    server.check()
    for member in (ann, ben):
        member.stop()
    return "both"
