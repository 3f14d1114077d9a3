"""The memory of hosts holds no value; the memory of the broker is closed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from ground import Ground, across
from kit.account import Account
from kit.canary import Canary, Search, plain
from kit.home import Home
from kit.report import NotRun, Suite, demand
from world import HERE, World, end

ROW = "memory of the agent's process, read by another"
STYLES = ("--slot", "bearer", "--slot", "basic", "--slot", "header:X-Api-Key", "--slot", "query:key",
          "--slot", "body:auth.key", "--slot", "form:api_key")  # fmt: skip


def add_to(suite: Suite) -> None:
    for language in ("python", "node"):
        suite.proof(f"memory of the agent's process, read by another, in {language}")(lambda world, it=language: host(world, it))
    across(suite, "`/proc` of the broker, ptrace, debugger", closed)
    suite.proof("core dump of the broker is not made")(core)


def stored(world: World, place: str = "file") -> tuple[Home, list[Canary]]:
    home = world.home(place)
    canaries = [plain(name) for name in ("TOKEN", "KEY", "QUERY", "FIELD", "FORM")]
    user = plain("USER")
    canaries.append(Canary("BASIC", b"someone:" + user.value, user.parts))
    for canary in canaries:
        home.store(canary.name, canary.value, f"{world.upstream.origin}/**", *STYLES)
    return home, canaries


def calls(world: World) -> dict[str, Any]:
    url = world.upstream.url
    echoes = [f"/echo/encoded?as={form}&header=1" for form in
              ("raw", "base64", "base64-after-1", "hex", "percent", "json", "html", "mixed", "gzip", "br")]  # fmt: skip
    made: list[dict[str, Any]] = [{"url": url(path), "bearer": "TOKEN"} for path in echoes]
    made += [
        {"url": url("/echo"), "basic": "BASIC"},
        {"url": url("/echo"), "header": {"X-Api-Key": "KEY"}},
        {"url": url("/echo"), "query": {"key": "QUERY"}},
        {"url": url("/echo"), "method": "POST", "body": {"auth": {}}, "body_field": {"auth.key": "FIELD"}},
        {"url": url("/echo"), "method": "POST", "form": {"a": "b"}, "form_field": {"api_key": "FORM"}},
        {"url": url("/drop?after=64&of=900&chunked=1"), "bearer": "TOKEN"},
        {"url": url("/status/500"), "bearer": "TOKEN"},
        {"url": url("/slow?ms=3000"), "bearer": "TOKEN", "timeout": 0.2},
        {"url": "https://localhost:9/", "bearer": "TOKEN"},
    ]
    return {
        "calls": made,
        "slow": {"url": url("/slow?ms=1500"), "header": {"X-Api-Key": "KEY"}},
        "stream": {"url": url("/sse?events=400&interval_ms=20&echo=1"), "bearer": "TOKEN"},
    }


def host(world: World, language: str) -> str:
    world.needs_reading()
    home, canaries = stored(world)
    search = Search(canaries, pieces=False)
    told = []
    for level in ("in-process", "broker", "passphrase"):
        if level == "passphrase":
            home.stop()
            home, canaries = stored(world, "passphrase")
            search = Search(canaries, pieces=False)
        isolation = "in-process" if level == "in-process" else "broker"
        sentinel = plain("SENTINEL")
        plan = {**calls(world), "home": str(home.folder), "isolation": isolation, "sentinel": sentinel.value.decode()}
        if language == "node":
            for call in plan["calls"]:
                call.update({"timeout": 200} if "timeout" in call else {})
        if isolation == "in-process":
            plan["unlock"] = f"file:{home.use_key}"
        # A core of Node is its whole reserved address space, 11 GB of it; where the use key lies changes nothing in a host.
        more = ["gcore"] if language == "python" and level != "passphrase" and shutil.which("gdb") else []
        found, size = dumps(world, start(world, language), plan, search.needles, sentinel.value, more)
        names = search.names(found)
        # In-process is the control as well: there the same attack finds what it looks for.
        world.table.tell(ROW, level, not names)
        told.append(f"{level}: {len(names)} of {len(canaries)} found in {size / 1e6:.0f} MB")
        if isolation == "in-process":
            home.stop()
    for canary in canaries:
        demand(world.upstream.saw(canary.parts[0]) or canary.is_basic, f"{canary.name} arrived at the upstream")
    home.stop()
    return ", ".join(told)


def start(world: World, language: str) -> subprocess.Popen[bytes]:
    agent = world.agent
    if language == "python":
        package = world.python_package()
        arguments = [world.tool, str(world.file(HERE / "host.py"))]
        extra = {"PYTHONPATH": str(package)}
    else:
        package = world.node_package()
        arguments = [world.node(agent), str(world.file(HERE / "host.cjs")), str(package)]
        extra = {}
    env = {**agent.environment, **extra}
    return agent.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def dumps(
    world: World, process: subprocess.Popen[bytes], plan: dict[str, Any], needles: list[bytes], sentinel: bytes,
    more: list[str],
) -> tuple[set[int], int]:
    """Search the host's memory while a call is under way and when all are done, by the kernel and by a debugger."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    process.stdin.flush()
    found: set[int] = set()
    size = 0
    for moment, ways in (("during", ["mem"]), ("after", ["readv", *more])):
        line = process.stdout.readline().decode()
        if not line.startswith(moment):
            process.kill()
            raise AssertionError(f"the host came to `{moment}`: {process.stderr.read().decode(errors='replace')[-800:]}")
        for way in ways:
            verdict = world.attack(way, process.pid, [sentinel, *needles])
            demand(verdict["opened"], f"the host's memory is open to {way}")
            demand(0 in verdict["found"], f"the host's own sentinel is found by {way} {moment}")
            found |= {number - 1 for number in verdict["found"] if number}
            size += verdict["bytes"]
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        if moment == "after":
            answers = json.loads(line.split(" ", 1)[1])
            demand(answers.count(200) >= 15 and "error" in answers, f"the host's calls went as planned: {answers}")
    end(process)
    return found, size


def closed(world: World, ground: Ground) -> bool:
    """Every way fails on the broker that succeeds on a plain program, however the broker came to be."""
    world.needs_reading()
    home = ground.home
    needles = [*ground.search.needles, str(home.folder).encode()]
    control = plain("CONTROL")
    target = world.plain("hold", control.value, env={**world.agent.environment, "SENTINEL": control.value.decode()})
    ways = ["mem", "environ", "descriptors", "ptrace", "readv", *(["gcore"] if shutil.which("gdb") else [])]
    for way in ways:
        verdict = world.attack(way, target.pid, [control.value])
        demand(verdict["opened"] and (verdict["found"] or way == "descriptors"), f"control: {way} reads a plain program")
    end(target)
    if not ground.walled:
        home.cli("lock").good()
        home.owner("unlock").good()
    brokers = [home.broker()]
    tried(world, ways, brokers[0], needles, ground.agent)
    if ground.level == "broker":
        home.stop()
        ground.control()
        brokers.append(home.broker())
        demand(brokers[0] != brokers[1], "a call starts another broker")
        tried(world, ways, brokers[1], needles, ground.agent)
    if "gcore" not in ways:
        raise NotRun("gdb is not installed; every other way was refused")
    return True


def tried(world: World, ways: list[str], pid: int, needles: list[bytes], by: Account) -> None:
    for way in ways:
        verdict = world.attack(way, pid, needles, by)
        demand(not verdict["opened"] and not verdict["found"], f"{way} on the broker is refused")


def core(world: World) -> str:
    """A plain program that is killed by SIGSEGV leaves a core; the broker leaves none."""
    home, _ = stored(world)
    home.stop()
    ground = world.agent.folder / "cores"
    ground.mkdir()
    world.agent.own(ground)
    shell = ["/bin/sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"]
    control = plain("CONTROL")
    target = world.agent.start(
        [*shell, world.tool, str(world.victim), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ground
    )
    assert target.stdin is not None and target.stdout is not None
    target.stdin.write(control.value + b"\n")
    target.stdin.flush()
    target.stdout.readline()
    dumped = segv(target)
    cores = list(ground.glob("core*"))
    if not dumped:
        raise NotRun("this system makes no core dumps, not even of a plain program")
    for made in cores:
        made.unlink()
    env = {**world.agent.environment, **home.variables}
    broker = world.agent.start([*shell, world.cli, "broker", "run"], cwd=ground, env=env, stdin=subprocess.DEVNULL)
    # A call before it listens would start another, which might win.
    socket = Path(home.variables["AGENTSECRETS_HOME"]) / "run" / "broker.sock"
    for _ in range(400):
        if socket.exists():
            break
        time.sleep(0.05)
    demand(home.call(world.upstream.url("/echo"), "--bearer", "TOKEN").code == 0, "the broker in the foreground answers")
    demand(home.broker() == broker.pid, "the foreground broker is the one")
    demand(not segv(broker), "the kernel says that it dumped no core of the broker")
    demand(not list(ground.glob("core*")), "no core file of the broker is there")
    demand(home.call(world.upstream.url("/echo"), "--bearer", "TOKEN").code == 0, "the next call starts a broker")
    with open(f"/proc/{home.broker()}/limits", encoding="utf-8") as limits:
        line = next(line for line in limits if line.startswith("Max core file size"))
    demand(line.split()[4:6] == ["0", "0"], "a broker in the background may not dump either")
    home.stop()
    return "a plain program dumped, the broker did not"


def segv(process: subprocess.Popen[bytes]) -> bool:
    """Kill by SIGSEGV; say whether a core was dumped."""
    ended, status = 0, 0
    while not ended:
        # A Rust program takes the first for a stack overflow that did not happen, and goes on.
        process.send_signal(signal.SIGSEGV)
        time.sleep(0.05)
        ended, status = os.waitpid(process.pid, os.WNOHANG)
    process.returncode = -signal.SIGSEGV
    demand(os.WIFSIGNALED(status), "the signal ended it")
    return os.WCOREDUMP(status)
