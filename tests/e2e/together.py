"""One broker for the command line, Python and Node at the same time; and how it ends."""

from __future__ import annotations

import json
import os
import secrets
import time

from kit.report import NotRun, Suite, demand
from kit.upstream import until
from world import Person, World

LANGUAGES = ("cli", "python", "node")


def add_to(suite: Suite) -> None:
    suite.proof("command line, Python and Node share one broker at the same time")(share)
    suite.proof("fifty at once start one broker")(fifty)
    suite.proof("stop lets calls under way finish")(drain)
    suite.proof("lock ends everything")(lock)


def ready(world: World) -> tuple[Person, str, list[str]]:
    """A home that agents can start the broker of, and the languages there are packages for."""
    person = world.person()
    value = secrets.token_hex(20)
    person.new_home("--store", "file", "--unlock", f"file:{person.account.folder}/use.key")
    person.store("TOKEN", value)
    person.agent("broker", "stop")
    there = ["cli"]
    for language in ("python", "node"):
        try:
            person.command(language)
        except NotRun:
            continue
        there.append(language)
    return person, value, there


def share(world: World) -> str:
    person, value, there = ready(world)
    if len(there) < 3:
        raise NotRun(f"there is no package for {', '.join(set(LANGUAGES) - set(there))}")
    world.api.forget()
    running = [person.begin(language, "/slow?ms=1500") for language in there for _ in range(3)]
    outputs = [process.communicate(timeout=90) for process in running]
    for process, (out, err) in zip(running, outputs, strict=True):
        demand(process.returncode == 0, f"each call is answered: {(out + err)[-300:]!r}")
    pids = {out.split()[1] for out, _ in outputs if out.startswith(b"200 ")}
    pids.add(str(person.pid()).encode())
    demand(len(pids) == 1, f"all were served by one broker: {pids}")
    arrived = [item for item in world.api.received() if item["path"] == "/slow"]
    demand(len(arrived) == len(running) and world.api.saw(value.encode()), "every call arrived")
    log = json.loads(person.agent("logs", "list", "--json").out)
    demand(len(log) >= len(running), "every call is on record")
    person.agent("logs", "verify")
    person.agent("broker", "stop")
    return f"{len(running)} calls at once"


def fifty(world: World) -> str:
    person, _, there = ready(world)
    demand(person.pid() is None, "no broker runs")
    running = [person.begin(there[number % len(there)], "/echo") for number in range(50)]
    codes = [(process.communicate(timeout=120), process.returncode) for process in running]
    bad = [said for said, code in codes if code != 0]
    demand(not bad, f"all fifty are answered, but {len(bad)} were not: {bad[:1]}")
    if person.account.uid is not None:
        alive = []
        for pid in person.account.processes():
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                if b"broker" in line.read():
                    alive.append(pid)
        demand(len(alive) == 1 and alive[0] == person.pid(), f"one broker is left: {alive}")
    person.agent("broker", "stop")
    return ", ".join(there)


def under_way(world: World, person: Person, language: str, path: str):  # noqa: ANN201
    world.api.forget()
    process = person.begin(language, path)
    until(lambda: any(item["path"] == "/slow" for item in world.api.received()), "the call is under way")
    return process


def drain(world: World) -> str:
    person, _, there = ready(world)
    for language in there:
        process = under_way(world, person, language, "/slow?ms=2500")
        pid = person.pid()
        assert pid is not None
        person.agent("broker", "stop", timeout=40)
        out, err = process.communicate(timeout=60)
        demand(process.returncode == 0, f"the call of {language} is finished: {(out + err)[-300:]!r}")
        until(lambda gone=pid: not os.path.exists(f"/proc/{gone}"), "the broker has ended")
        demand(person.call("cli").code == 0, "the next call starts another")
    person.agent("broker", "stop")
    return f"a call of each of {', '.join(there)} was finished"


def lock(world: World) -> str:
    person, _, there = ready(world)
    for language in there:
        process = under_way(world, person, language, "/slow?ms=20000")
        pid = person.pid()
        began = time.monotonic()
        person.agent("lock")
        until(lambda gone=pid: not os.path.exists(f"/proc/{gone}"), "the broker has ended", 5)
        process.communicate(timeout=30)
        demand(process.returncode != 0, f"the call of {language} is broken off")
        demand(time.monotonic() - began < 15, "without waiting for it")
        for again in there:
            done = person.call(again)
            demand(done.code != 0, f"after lock a call of {again} is refused")
            demand(b"store_locked" in done.out + done.err or b"StoreLocked" in done.err, f"by name: {done.text[-200:]}")
        person.type("unlock")
        demand(person.prompts == 0, "unlock asks nothing where the use key is in a file")
        demand(person.call(language).code == 0, "after unlock the call is made")
    person.agent("broker", "stop")
    return f"calls of {', '.join(there)} were broken off and refused until unlock"
