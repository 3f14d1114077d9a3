"""What a large workspace costs: `python3 tests/team/figures.py`, on the release build. `cargo xtask bench team` prints it.

10,000 secrets, 100 members, 1,000 entries in the chain, SQLite, loopback. Each figure is the whole command, process start included; beside it
stands what the command that asks nothing costs.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("AGENTSECRETS_PROOF_PROFILE", "release")
sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from world import Member, World  # noqa: E402

SECRETS, MEMBERS, ENTRIES = 10_000, 100, 1_000
CHANGED = 10
RUNS = 7


def timed(work: Callable[[], object], runs: int = RUNS) -> float:
    """The median of several, in milliseconds."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def tell(what: str, got: float, asked: float | None) -> None:
    bound = f"asked ≤ {asked:.0f} ms" if asked is not None else ""
    mark = "" if asked is None else ("met   " if got <= asked else "missed")
    print(f"{mark:7}{what:68} {got:8.1f} ms  {bound}", flush=True)


def imported(world: World, member: Member, names: list[str]) -> None:
    text = b"".join(name.encode() + b"=" + world.canary() + b"\n" for name in names)
    file = member.account.write("many.env", text)
    member.owner("secrets", "import", str(file), "--delete-file").good()


def main() -> None:
    secrets, members, entries = (
        (int(word) for word in sys.argv[1:4]) if len(sys.argv) > 3 else (SECRETS, MEMBERS, ENTRIES)
    )
    # A hundred people register from one address in a minute.
    World.server_options = ("--logins-per-minute", "1000000", "--requests-per-minute", "1000000")
    with World() as world:
        server = world.server()
        # The relay reads and writes every byte in Python; these figures are the server's own.
        server.relay.url = f"http://127.0.0.1:{server.port}"
        ann, ben = world.team(server, "ann", "ben")
        for _ in range(members - 2):
            other = world.member(server, "m")
            other.join(ann.invite(other.email))
            other.stop()
        while len(ann.json("workspace", "log")) < entries - 1:
            ann.invite()
            for one in ann.json("workspace", "members"):
                if one["role"] == "invited":
                    ann.owner("workspace", "withdraw", one["account"]).good()
        names = [f"KEY_{at:05}" for at in range(secrets)]
        imported(world, ann, names)
        nothing = timed(lambda: ann.cli("environment", "switch", "development").good())
        tell("a command that asks nothing", nothing, None)
        tell(f"list {secrets} names", timed(lambda: ann.cli("secrets", "list", "--json").good()), 50)
        push = timed(lambda: ann.cli("secrets", "push", timeout=600).good(), 1)
        tell(f"push {secrets} names", push, None)
        tell(
            f"first pull of {secrets} names, {entries} entries",
            timed(lambda: ben.cli("secrets", "pull", timeout=600).good(), 1),
            2000,
        )
        tell("diff, where nothing differs", timed(lambda: ben.cli("secrets", "diff").good()), 200)
        rounds = []
        for _ in range(RUNS):
            imported(world, ann, names[:CHANGED])
            ann.owner("secrets", "push").good()
            began = time.perf_counter()
            ben.cli("secrets", "pull").good()
            rounds.append((time.perf_counter() - began) * 1000)
        tell(f"pull of {CHANGED} changes", statistics.median(rounds), 50)
        imported(world, ann, names)
        tell(f"diff, where {secrets} names differ", timed(lambda: ann.cli("secrets", "diff").good()), 200)
        entries_now = len(ann.json("workspace", "log"))
        people = sum(one["role"] != "invited" for one in ann.json("workspace", "members"))
        print(f"{secrets} secrets, {people} members, {entries_now} entries", flush=True)
        for member in (ann, ben):
            member.stop()


if __name__ == "__main__":
    main()
