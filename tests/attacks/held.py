"""A descriptor of a program's memory, opened at its exec, before it could close itself."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from typing import Any

from kit.canary import Canary, Search, plain
from kit.home import Home
from kit.report import Suite, demand
from world import World


ROW = "descriptor of memory held from the exec on"


def add_to(suite: Suite) -> None:
    suite.proof("held descriptor finds a passphrase in a program that does not fork")(control)
    suite.proof("held descriptor on `unlock` finds nothing")(unlock)
    suite.proof("held descriptor on `allow` and `init` finds nothing")(owner)
    suite.proof("held descriptor on a broker started by an SDK finds nothing")(started)


def hold(
    world: World, command: list[str], needles: list[bytes], typed: bytes | None, variables: dict[str, str]
) -> dict[str, Any]:
    """Run a command under the attack; what is typed reaches it only once the attacker holds its memory."""
    reader, writer = os.pipe()
    sentinel = secrets.token_hex(16)
    environment = {**world.agent.environment, **variables, "AGENTSECRETS_SENTINEL": sentinel}
    process = world.agent.start(
        [world.tool, str(world.attacker), "hold", str(reader), "--", *(word.replace("{fd}", str(reader)) for word in command)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, pass_fds=(reader,),
    )  # fmt: skip
    os.close(reader)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(json.dumps([needle.hex() for needle in [sentinel.encode(), *needles]]).encode() + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if line != b"holding\n":
        raise AssertionError(f"the attacker holds the memory: {process.stderr.read().decode(errors='replace')[-600:]}")
    if typed is not None:
        os.write(writer, typed + b"\n")
    os.close(writer)
    out, err = process.communicate(timeout=120)
    demand(out, f"the attack came to an end: {err.decode(errors='replace')[-600:]}")
    verdict = json.loads(out.splitlines()[-1])
    demand(0 in verdict["found"], "the held descriptor reads the program: its own sentinel is found")
    demand(verdict["samples"] >= 2, "the program was searched more than once")
    verdict["found"] = [number - 1 for number in verdict["found"] if number]
    return verdict


def control(world: World) -> str:
    world.needs_reading()
    passphrase = plain("PASSPHRASE")
    verdict = hold(world, [world.tool, str(world.victim), "careless", "{fd}"], [passphrase.value], passphrase.value, {})
    demand(verdict["found"] == [0], "control: the passphrase of a program that closed itself but did not fork is found")
    return f"found in {verdict['samples']} samples"


def sought(home: Home, *canaries: Canary) -> Search:
    """The passphrase, the values, and the use key where it can be known."""
    wanted = [Canary("PASSPHRASE", home.passphrase.encode(), (home.passphrase.encode(),)), *canaries]
    if home.use_key.exists():
        text = home.use_key.read_bytes().strip()
        wanted.append(Canary("USE KEY", text, (text, base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))))
    return Search(wanted, pieces=False)


def refused(verdict: dict[str, Any], search: Search, what: str) -> None:
    names = search.names(verdict["found"])
    demand(not names, f"{what}: {', '.join(sorted(names))} was found through the held descriptor")
    opened = [pid for pid, how in verdict["children"].items() if how == "opened"]
    demand(not opened, f"{what}: a child could be opened")
    demand(verdict["code"] == 0, f"{what} did its work (it ended with {verdict['code']}: {verdict['said']})")


def unlock(world: World) -> str:
    world.needs_reading()
    told = []
    for place in ("passphrase", "file"):
        home = world.home(place)
        token = plain()
        home.store("TOKEN", token.value, world.upstream.origin)
        home.cli("lock").good()
        locked = home.call(world.upstream.url("/echo"), "--bearer", "TOKEN")
        demand(locked.code == 5, "a locked home answers no call")
        command = [world.cli, "unlock", *(["--passphrase-fd", "{fd}"] if place == "passphrase" else [])]
        search = sought(home, token)
        verdict = hold(world, command, search.needles, home.passphrase.encode(), home.variables)
        refused(verdict, search, "unlock")
        demand(verdict["children"], "the forked child was seen")
        demand(home.call(world.upstream.url("/echo"), "--bearer", "TOKEN").code == 0, "the home is open after it")
        for way in ("mem", "environ", "ptrace", "readv"):
            demand(not world.attack(way, home.broker(), search.needles)["opened"], f"{way} on the broker is refused")
        home.stop()
        world.table.tell(ROW, "passphrase" if place == "passphrase" else "broker", True)
        told.append(f"{place}: {verdict['samples']} samples, {verdict['bytes'] / 1e6:.0f} MB")
    return "; ".join(told)


def owner(world: World) -> str:
    world.needs_reading()
    home = world.home("passphrase")
    token = plain()
    home.store("TOKEN", token.value)
    search = sought(home, token)
    command = [world.cli, "allow", "TOKEN", "api.example.com", "--passphrase-fd", "{fd}"]
    verdict = hold(world, command, search.needles, home.passphrase.encode(), home.variables)
    refused(verdict, search, "allow")
    home.stop()
    fresh = world.agent.folder / "fresh"
    passphrase = plain("PASSPHRASE")
    search = Search([passphrase], pieces=False)
    variables = {"AGENTSECRETS_HOME": str(fresh)}
    command = [world.cli, "init", "--store", "file", "--unlock", "passphrase", "--project", "x", "--passphrase-fd", "{fd}"]
    verdict = hold(world, command, search.needles, passphrase.value, variables)
    refused(verdict, search, "init")
    world.agent.run([world.cli, "broker", "stop"], env=variables).good()
    return "neither the passphrase nor a value"


def started(world: World) -> str:
    """The attacker starts the broker himself; it opens its use key in a child that was forked after it had closed itself."""
    world.needs_reading()
    home = world.home()
    token = plain()
    home.store("TOKEN", token.value, world.upstream.origin)
    home.stop()
    search = sought(home, token)
    verdict = hold(world, [world.cli, "broker", "run", "--background"], search.needles, None, home.variables)
    refused(verdict, search, "broker run --background")
    demand(home.call(world.upstream.url("/echo"), "--bearer", "TOKEN").code == 0, "the broker answers")
    home.stop()
    return f"{verdict['samples']} samples"
