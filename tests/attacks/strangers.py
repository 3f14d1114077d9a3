"""Another user of the machine: as a daemon that poses as the broker, and as a client of the real one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from ground import Ground, across
from inside import one_call
from kit.account import Account
from kit.canary import plain
from kit.home import Home
from kit.report import Suite, demand
from world import HERE, World


def add_to(suite: Suite) -> None:
    suite.proof("a daemon of another user on the socket is not believed")(daemon)
    suite.proof("a loosened socket folder is refused")(loosened)
    across(suite, "forged PID", client)
    across(suite, "second user: files, memory, socket", outside)
    across(suite, "stranger at the shared socket", tokenless)


def pose(world: World, account: Account, path: str) -> subprocess.Popen[bytes]:
    """Listen at a path as that user, and tell what is heard."""
    program = world.file(HERE / "daemon.py")
    process = account.start(
        [world.tool, str(program), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    demand(line == b"listening\n", "the false daemon listens")
    return process


def heard(process: subprocess.Popen[bytes]) -> dict[str, int]:
    out, _ = process.communicate(b"\n", timeout=20)
    return json.loads(out.splitlines()[-1])


def prepared(world: World) -> Home:
    home = world.home()
    home.store("TOKEN", plain().value, world.upstream.origin)
    home.stop()
    return home


def daemon(world: World) -> str:
    """The folder was open for a moment, a stranger took the socket, and the folder is private again."""
    stranger = world.stranger("x")
    home = prepared(world)
    run = home.folder / "run"
    path = str(run / "broker.sock")
    url = world.upstream.url("/echo")
    for folder in (world.agent.folder, home.folder, run):
        folder.chmod(0o777)
    process = pose(world, stranger, path)
    for folder in (world.agent.folder, home.folder, run):
        folder.chmod(0o700)
    done = home.call(url, "--bearer", "TOKEN", "--json")
    demand(done.code != 0 and b"broker_unavailable" in done.out + done.err, f"the call is refused: {done.text[-200:]}")
    told = heard(process)
    demand(told["connections"] > 0 and told["bytes"] == 0, f"the stranger hears not a byte of the call: {told}")
    (run / "broker.sock").unlink(missing_ok=True)
    # Control: a daemon of the user's own is talked to, so that the silence was the peer check's doing.
    process = pose(world, world.agent, path)
    home.call(url, "--bearer", "TOKEN", "--timeout", "2", timeout=20)
    told = heard(process)
    demand(told["bytes"] > 0, "control: a daemon of the same user hears the call")
    (run / "broker.sock").unlink(missing_ok=True)
    demand(home.call(url, "--bearer", "TOKEN").code == 0, "without it the real broker is started")
    home.stop()
    return "0 bytes told"


def loosened(world: World) -> str:
    home = prepared(world)
    url = world.upstream.url("/echo")
    run = home.folder / "run"
    world.upstream.forget()
    for mode in (0o777, 0o750, 0o701):
        run.chmod(mode)
        done = home.call(url, "--bearer", "TOKEN", "--json")
        demand(done.code != 0 and b"broker_unavailable" in done.out + done.err, f"a folder of mode {mode:o} is refused")
        demand(home.cli("doctor").code != 0, f"doctor says that mode {mode:o} is wrong")
    demand(not world.upstream.received(), "nothing was sent")
    run.chmod(0o700)
    if world.agent.uid is not None:
        stranger = world.stranger("y")
        os.chown(run, stranger.uid, stranger.uid)  # type: ignore[arg-type]
        run.chmod(0o777)
        done = home.call(url, "--bearer", "TOKEN")
        demand(done.code != 0, "a folder of another user is refused")
        world.agent.own(run)
        run.chmod(0o700)
    demand(home.call(url, "--bearer", "TOKEN").code == 0, "control: with the folder private again the call is made")
    home.stop()
    return ""


def client(world: World, ground: Ground) -> bool:
    """A client of another user says that it is the user's own process: the kernel knows better."""
    home, url = ground.home, world.upstream.url("/echo")
    demand(home.call(url, "--bearer", "TOKEN").code == 0, "a broker runs")
    stranger, pid = world.stranger(f"z{len(world.accounts)}"), home.broker()
    run = home.folder / "run"
    program = str(world.file(HERE / "client.py"))
    world.upstream.forget()
    request = json.dumps({"url": url, "secret": "TOKEN", "pid": pid}).encode()
    answers = {}
    with opened(world, home):
        for who, account in (("stranger", stranger), ("user", world.agent)):
            done = account.run([world.tool, program, str(run / "broker.sock")], request)
            answers[who] = json.loads(done.good().out)
            if who == "stranger":
                demand(not world.upstream.received(), "the stranger's call reaches nobody")
    demand(all(answer == "" for answer in answers["stranger"]), f"the stranger is answered nothing: {answers['stranger']}")
    demand(all(" 200 " in answer for answer in answers["user"]), f"control: the user is answered: {answers['user']}")
    demand(len(world.upstream.received()) == 1, "control: the same call of the user's arrives")
    return True


@contextmanager
def opened(world: World, home: Home) -> Iterator[None]:
    """A careless administrator opened every door to the socket; the kernel's word about the peer is what is left."""
    folders = (world.agent.folder, home.folder, home.folder / "run")
    for folder in folders:
        folder.chmod(0o711)
    socket = home.folder / "run/broker.sock"
    socket.chmod(0o777)
    try:
        yield
    finally:
        socket.chmod(0o600)
        for folder in folders:
            folder.chmod(0o700)


def outside(world: World, ground: Ground) -> bool:
    """While an agent works, another user searches what he can read, and tries its memory, the broker's and the socket."""
    stranger, home = world.stranger(f"o{len(world.accounts)}"), ground.home
    kept = plain("KEPT")
    stranger.write("kept", kept.value)
    text = json.dumps([needle.hex() for needle in [kept.value, *ground.search.needles]]).encode() + b"\n"
    with ground.working() as working:
        users = f"{world.agent.uid},{stranger.uid}"
        folders = [str(stranger.folder), str(world.agent.folder), str(home.folder), "/tmp", "/var/tmp", "/dev/shm"]
        done = stranger.run([world.tool, str(world.file(HERE / "seeker.py")), users, *folders], text, timeout=120).good()
        found = json.loads(done.out)["found"]
        targets = [working.pid] if ground.isolation == "in-process" else [working.pid, home.broker()]
        for pid in targets:
            for way in ("mem", "environ", "ptrace", "readv"):
                verdict = world.attack(way, pid, ground.search.needles, by=stranger)
                demand(not verdict["opened"], f"{ground.level}: {way} on a process of another user is refused")
        if ground.isolation == "broker":
            program = str(world.file(HERE / "client.py"))
            request = json.dumps({"url": world.upstream.url("/echo"), "secret": "TOKEN", "pid": working.pid}).encode()
            done = stranger.run([world.tool, program, str(home.folder / "run/broker.sock")], request)
            demand(b"PermissionError" in done.err, f"the socket is in a folder that is closed: {done.text[-200:]}")
    mine = [place for place, seen in found.items() if 0 in seen]
    demand(len(mine) == 1 and mine[0].endswith("/kept"), f"control: the stranger finds what is his own: {mine}")
    return len(found) == 1


def tokenless(world: World, ground: Ground) -> bool:
    """Another user who reaches the socket, without a token and with one that he made up."""
    kept = ground.agent, ground.directory, ground.variables
    world.upstream.forget()
    ground.agent = world.stranger(f"t{len(world.accounts)}")
    ground.directory, ground.variables = ground.agent.folder, {}
    try:
        for token in ({}, {"agent_token": "as_" + "x" * 40}, {"agent_token": ground.client["agent_token"][:-1] + "x"}):
            said = one_call(world, ground, {"broker": ground.client["broker"], **token})
            demand(said in ("agent_required", "agent_token_invalid"), f"{ground.level}: the stranger is refused: {said}")
    finally:
        ground.agent, ground.directory, ground.variables = kept
    demand(not world.upstream.received(), f"{ground.level}: and nothing arrives")
    ground.control()
    return True
