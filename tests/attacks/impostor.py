"""Programs of the same user that pose as ours: what they learn, and what they can make others believe."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ground import Ground, across
from kit.canary import plain
from kit.report import Suite, demand
from kit.terminal import Terminal
from walled import Walled
from world import HERE, World


def add_to(suite: Suite) -> None:
    across(suite, "fake broker on the socket, for a value in use", heard)
    across(suite, "fake broker on the socket, for a false answer", believed)
    across(suite, "fake broker on the socket, for what is stored next", stored)
    across(suite, "fake command, for what the human types next", typed)
    across(suite, "home rolled back whole", rolled_back)


@contextmanager
def relayed(world: World, ground: Ground) -> Iterator[Path]:
    """The real broker behind a false one; gives the file in which the false one keeps what it hears."""
    home, agent = ground.home, world.agent
    home.broker()
    log = agent.write(f"heard-{ground.level}", b"")
    words = [world.tool, str(world.file(HERE / "relay.py")), str(home.folder / "run/broker.sock"), str(log)]
    process = agent.start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        demand(process.stdout.readline() == b"listening\n", "the false broker listens")
        yield log
    finally:
        process.stdin.close()
        process.wait(20)
        log.unlink()


def heard(world: World, ground: Ground) -> bool:
    """It hears names, places and redacted answers; and it can make no call that its user could not make anyway."""
    if isinstance(ground, Walled):
        # Neither the owner's socket nor the shared one can be moved, and none can be put beside it.
        places = (ground.folder / "probe", ground.home.folder / "run/probe", ground.socket, ground.home.folder / "run/broker.sock")
        return ground.cannot(*(["/usr/bin/touch", str(place)] for place in places[:2]), *(["/bin/rm", str(place)] for place in places[2:]))
    world.upstream.forget()
    with relayed(world, ground) as log:
        for path in ("/echo", "/echo/encoded?as=base64", "/sse?events=3&echo=1"):
            demand(ground.call(world.upstream.url(path), bearer="TOKEN")["status"] == 200, "the call is made through it")
        told = log.read_bytes()
    demand(b"TOKEN" in told and b"/echo/encoded" in told, "control: it hears name and place of the call")
    demand(world.upstream.saw(ground.token.value), "control: the value was used meanwhile")
    return not ground.search.named(told)


def believed(world: World, ground: Ground) -> bool:
    with relayed(world, ground):
        said = ground.call(world.upstream.url("/echo"), bearer="TOKEN")
    return '"LIE"' not in said["text"]


def stored(world: World, ground: Ground) -> bool:
    fresh = plain("FRESH")
    with relayed(world, ground) as log:
        ground.home.cli("secrets", "set", f"FRESH_{ground.level.upper()}", value=fresh.value).good()
        told = log.read_bytes()
    return fresh.value not in told


FAKE = """#!/bin/sh
printf 'passphrase: '
stty -echo
read -r typed
stty echo
printf '%s' "$typed" > "$HOME/typed"
"""


def typed(world: World, ground: Ground) -> bool:
    """Another `agentsecrets` comes first on the human's path; the human types what it asks for."""
    agent, home = world.agent, ground.home
    folder = agent.folder / "bin"
    folder.mkdir()
    agent.own(folder)
    try:
        agent.write("bin/agentsecrets", FAKE.encode(), 0o755)
        variables = {**home.variables, "PATH": f"{folder}:{agent.environment['PATH']}"}
        _, _, asked = Terminal(agent).run(
            ["/bin/sh", "-c", "agentsecrets unlock"], [("passphrase", home.passphrase)], variables, home.directory
        )
        demand(asked == 1, "the human was asked once")
        return (agent.folder / "typed").read_text() != home.passphrase
    finally:
        shutil.rmtree(folder)
        (agent.folder / "typed").unlink(missing_ok=True)


def rolled_back(world: World, ground: Ground) -> bool:
    """The owner's home as it was before something was denied is put back, pin, log and all, while no broker runs."""
    home, agent = ground.home, world.agent
    if ground.walled:
        return ground.cannot(["/bin/ls", str(home.folder)], ["/bin/cp", "-a", str(home.folder), str(ground.agent.folder)])
    url = world.upstream.url("/echo")
    home.stop()
    kept = agent.folder / f"kept-{ground.level}"
    agent.run(["cp", "-a", str(home.folder), str(kept)]).good()
    if ground.level == "passphrase":
        home.owner("unlock").good()
    home.cli("deny", "PLANTED").good()
    ground.refused({"destination_not_allowed"}, {"url": url, "bearer": "PLANTED"})
    home.stop()
    agent.run(["rm", "-r", str(home.folder)]).good()
    agent.run(["mv", str(kept), str(home.folder)]).good()
    if ground.level == "passphrase":
        home.owner("unlock").good()
    return ground.call(url, bearer="PLANTED")["status"] != 200
