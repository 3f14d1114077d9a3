"""Another user of the machine: as a daemon that poses as the broker, and as a client of the real one."""

from __future__ import annotations

import json
import os
import subprocess

from kit.account import Account
from kit.canary import plain
from kit.home import Home
from kit.report import Suite, demand
from world import HERE, World


def add_to(suite: Suite) -> None:
    suite.proof("a daemon of another user on the socket is not believed")(daemon)
    suite.proof("a loosened socket folder is refused")(loosened)
    suite.proof("a client of another user is turned away, whatever process it says it is")(client)


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


def client(world: World) -> str:
    home = prepared(world)
    url = world.upstream.url("/echo")
    demand(home.call(url, "--bearer", "TOKEN").code == 0, "a broker runs")
    stranger, pid = world.stranger("z"), home.broker()
    run = home.folder / "run"
    # A careless administrator opened every door to the socket; the kernel's word about the peer is what is left.
    for folder in (world.agent.folder, home.folder, run):
        folder.chmod(0o711)
    (run / "broker.sock").chmod(0o777)
    program = str(world.file(HERE / "client.py"))
    world.upstream.forget()
    request = json.dumps({"url": url, "secret": "TOKEN", "pid": pid}).encode()
    answers = {}
    for who, account in (("stranger", stranger), ("user", world.agent)):
        done = account.run([world.tool, program, str(run / "broker.sock")], request)
        answers[who] = json.loads(done.good().out)
        if who == "stranger":
            demand(not world.upstream.received(), "the stranger's call reaches nobody")
    for folder in (run, home.folder, world.agent.folder):
        folder.chmod(0o700)
    demand(all(answer == "" for answer in answers["stranger"]), f"the stranger is answered nothing: {answers['stranger']}")
    demand(all(" 200 " in answer for answer in answers["user"]), f"control: the user is answered: {answers['user']}")
    demand(len(world.upstream.received()) == 1, "control: the same call of the user's arrives")
    home.stop()
    return f"{len(answers['stranger'])} requests unanswered"
