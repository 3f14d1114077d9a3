"""Code in the agent's own process, and programs of its user that open what it can open."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
from typing import Any

from ground import Ground, across
from kit.canary import plain
from kit.report import Suite, demand
from world import HERE, World, end


def add_to(suite: Suite) -> None:
    across(suite, "environment and file search", search)
    across(suite, "`ctypes` scan from Python", lambda world, ground: scanned(world, ground, "python", ground.client))
    across(suite, "native memory read from Node", lambda world, ground: scanned(world, ground, "node", ground.client))
    across(suite, "store opened by an engine of the attacker's", opened)
    across(suite, "permitted call by any process of the user", permitted)


def search(world: World, ground: Ground) -> bool:
    """While an agent works: every environment, command line and file that its user can read."""
    agent = ground.agent
    if ground.level != "in-process":
        ground.cli("run", "--", "sh", "-c", f"env > {shlex.quote(str(agent.folder))}/printed-env").good()
    # Controls: a dotenv file, a shell history and an environment, as they are found where no name stands for a value.
    sentinel = plain("SENTINEL")
    agent.write(".env", b"STRIPE_KEY=" + sentinel.value)
    agent.write(".bash_history", b"export KEY=" + base64.b64encode(sentinel.value) + b"\n# " + sentinel.value.hex().encode())
    target = world.plain("hold", b"nothing", agent, env={**agent.environment, "KEY": sentinel.value.decode()})
    needles = [sentinel.value, base64.b64encode(sentinel.value), sentinel.value.hex().encode(), *ground.search.needles]
    users = ",".join(str(os.getuid() if account.uid is None else account.uid) for account in (agent, ground.home.account))
    folders = [str(agent.folder), str(ground.home.folder), "/tmp", "/var/tmp", "/dev/shm"]
    text = json.dumps([needle.hex() for needle in needles]).encode() + b"\n"
    with ground.working():
        done = agent.run([world.tool, str(world.file(HERE / "seeker.py")), users, *folders], text, timeout=120).good()
    verdict = json.loads(done.out)
    end(target)
    mine: dict[str, Any] = {place: seen for place, seen in verdict["found"].items() if min(seen) < 3}
    demand(
        {number for seen in mine.values() for number in seen} >= {0, 1, 2},
        f"control: plain, base64 and hex are found: {list(mine)}",
    )
    demand(any(place.startswith("environment") for place in mine), "control: an environment is searched")
    found = [place for place, seen in verdict["found"].items() if max(seen) >= 3]
    for name in (".env", ".bash_history", "printed-env"):
        (agent.folder / name).unlink(missing_ok=True)
    demand(verdict["places"] > 40, f"there was something to search: {verdict['places']} places")
    return not found


def scanned(world: World, ground: Ground, language: str, client: dict[str, str]) -> bool:
    """A plugin looks for the shape of a key in the process that it is in. It says by hash what it found."""
    urls = [world.upstream.url(path) for path in ("/echo", "/echo/encoded?as=raw", "/bytes?n=64k")]
    plan: dict[str, Any] = {"client": client, "urls": urls, "stream": world.upstream.url("/sse?events=100&interval_ms=50&echo=1")}
    if language == "python":
        done = ground.run([str(world.file(HERE / "scan.py"))], plan).good()
    else:
        if "agent_token" in client:
            plan["client"] = {"broker": client["broker"], "agentToken": client["agent_token"]}
        words = [world.node(ground.agent), str(world.file(HERE / "scan.cjs")), str(world.node_package())]
        done = ground.agent.run(words, json.dumps(plan).encode() + b"\n", cwd=ground.directory, timeout=120).good()
    ground.keeps(done.out + done.err, "what the plugin told")
    verdict = json.loads(done.out.splitlines()[-1])
    demand(verdict["own"] in verdict["found"], f"control: the plugin finds its own key in {verdict['bytes'] / 1e6:.0f} MB")
    if verdict["codes"] != ["200"] * 3:
        demand(verdict["codes"] == ["store_locked"], f"{ground.level}: no call but a locked store: {verdict['codes']}")
    return hashlib.sha256(ground.token.value).hexdigest() not in verdict["found"]


def opened(world: World, ground: Ground) -> bool:
    """The attacker starts an engine of his own over the user's home, and reads his own memory."""
    own = {"home": str(ground.home.folder), "isolation": "in-process"}
    if ground.walled:
        own["unlock"] = f"file:{ground.home.use_key}"
        demand(one_call(world, ground, own) != "200", f"{ground.level}: the home is closed to an engine of another user")
        return ground.cannot(["/bin/cat", str(ground.home.use_key)], ["/bin/ls", str(ground.home.folder)])
    if ground.level != "passphrase":
        return scanned(world, ground, "python", {**own, "unlock": f"file:{ground.home.use_key}"})
    demand(scanned(world, ground, "python", own), "without the passphrase there is nothing to find")
    guess = ground.home.account.write("guess.key", base64.urlsafe_b64encode(bytes(32)).rstrip(b"=") + b"\n")
    said = one_call(world, ground, {**own, "unlock": f"file:{guess}"})
    demand(said in ("store_locked", "store_corrupted", "invalid_call"), f"a guessed use key opens nothing: {said}")
    return True


ONE_CALL = """
import json, sys
from agentsecrets import AgentSecrets, AgentSecretsError
plan = json.loads(sys.stdin.readline())
try:
    print(AgentSecrets(**plan["client"]).call(plan["url"], bearer="TOKEN").status_code)
except AgentSecretsError as error:
    print(error.code)
"""


def one_call(world: World, ground: Ground, client: dict[str, str]) -> str:
    plan = {"client": client, "url": world.upstream.url("/echo")}
    return ground.run(["-c", ONE_CALL], plan).good().out.decode().strip()


def permitted(world: World, ground: Ground) -> bool:
    """Whoever runs as the user may make the calls that are granted: there is nothing to tell one from another."""
    world.upstream.forget()
    said = one_call(world, ground, ground.client)
    return not (said == "200" and world.upstream.saw(ground.token.value))
