"""What an agent's environment may do to the broker it starts: nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from ground import Ground, across
from kit.canary import plain
from kit.home import Home
from kit.report import NotRun, Suite, demand
from kit.upstream import Upstream
from world import HERE, World, end


ROW = "`LD_PRELOAD` on an auto-started broker"


def add_to(suite: Suite) -> None:
    for starter in ("cli", "python", "node"):
        suite.proof(f"environment of the {starter} does not reach the broker or its TLS")(
            lambda world, it=starter: bent(world, it)
        )
    across(suite, ROW, preloaded)


class Listener:
    """Counts who comes."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"


ASK = """
import os, ssl, sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=10, context=ssl.create_default_context()).read()
    print("reached")
except OSError as why:
    print(f"not reached: {why}")
"""


def library(world: World) -> Path:
    """A library that does nothing, to be seen among the mappings of whoever was made to load it."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.rsplit(" ", 1)[-1]
        if "/libm.so" in path or "/libz.so" in path or "/libexpat.so" in path:
            copy = world.programs / "libguest.so"
            shutil.copy(path, copy)
            copy.chmod(0o755)
            return copy
    raise NotRun("no shared library to preload was found")


def bent(world: World, starter: str) -> str:
    guest = library(world)
    proxy = Listener()
    untrusted = Upstream(world, world.accounts[1])
    pem = world.agent.write(f"untrusted-{starter}.pem", untrusted.pem, 0o644)
    keys = world.agent.folder / f"keys-{starter}.log"
    bending = {
        "LD_PRELOAD": str(guest), "LD_LIBRARY_PATH": str(world.programs), "LD_AUDIT": str(guest),
        "SSL_CERT_FILE": str(pem), "SSL_CERT_DIR": str(world.agent.folder), "SSLKEYLOGFILE": str(keys),
        "HTTPS_PROXY": proxy.url, "https_proxy": proxy.url, "ALL_PROXY": proxy.url, "HTTP_PROXY": proxy.url,
        "RUST_LOG": "trace", "MALLOC_CHECK_": "3", "GLIBC_TUNABLES": "glibc.malloc.check=1", "SECRET_OF_THE_AGENT": "x",
    }  # fmt: skip
    control(world, bending, untrusted, keys, proxy, guest)
    home = world.home()
    token = plain()
    home.store("TOKEN", token.value, world.upstream.origin)
    home.owner("allow", "TOKEN", untrusted.origin).good()
    home.stop()
    count = proxy.count
    world.upstream.forget()
    answer, refused = calls(world, starter, home, bending, [world.upstream.url("/echo"), untrusted.url("/echo")])
    demand(answer == "200", f"the call is made in spite of the surroundings: {answer}")
    demand(refused == "upstream_unreachable", f"a certificate that only the environment vouches for is refused: {refused}")
    demand(world.upstream.saw(token.value) and not untrusted.saw(token.value), "the value went where it may")
    demand(proxy.count == count, "no proxy of the environment was asked")
    demand(not keys.exists(), "no TLS keys were written")
    pid = home.broker()
    found = Path(f"/proc/{pid}/environ").read_bytes() if os.geteuid() == 0 else b""
    names = {entry.split(b"=")[0].decode() for entry in found.split(b"\0") if entry}
    demand(not names & bending.keys(), f"the broker's environment holds none of them: {sorted(names & bending.keys())}")
    maps = Path(f"/proc/{pid}/maps").read_text() if os.geteuid() == 0 else ""
    demand("libguest" not in maps, "the library is not in the broker")
    world.table.tell(ROW, "broker", True)
    home.stop()
    untrusted.stop()
    proxy.socket.close()
    seen = "" if os.geteuid() == 0 else "; its environment and mappings NOT RUN, as only root may look"
    return f"the broker has {', '.join(sorted(names))}{seen}"


def control(
    world: World, bending: dict[str, str], untrusted: Upstream, keys: Path, proxy: Listener, guest: Path
) -> None:
    """A plain program is bent by every one of them."""
    agent = world.agent
    direct = {name: value for name, value in bending.items() if "proxy" not in name.lower() and name != "LD_AUDIT"}
    done = agent.run([world.tool, "-c", ASK, untrusted.url("/echo")], env=direct)
    demand(b"reached" == done.out.strip(), f"control: SSL_CERT_FILE bends a plain program: {done.text[-200:]}")
    demand(keys.exists(), "control: SSLKEYLOGFILE bends a plain program")
    keys.unlink()
    count = proxy.count
    agent.run([world.tool, "-c", ASK, untrusted.url("/echo")], env={**direct, "https_proxy": proxy.url})
    demand(proxy.count > count, "control: https_proxy bends a plain program")
    keys.unlink(missing_ok=True)
    process = world.plain("hold", b"nothing", env={**agent.environment, "LD_PRELOAD": str(guest)})
    maps = Path(f"/proc/{process.pid}/maps").read_text() if os.geteuid() == 0 or not agent.uid else ""
    end(process)
    demand("libguest" in maps, "control: LD_PRELOAD bends a plain program")


PYTHON = """
import sys
from agentsecrets import AgentSecrets, AgentSecretsError
with AgentSecrets(home=sys.argv[1], project="demo") as client:
    for url in sys.argv[2:]:
        try:
            print(client.call(url, bearer="TOKEN").status_code)
        except AgentSecretsError as error:
            print(error.code)
"""
NODE = """
const { AgentSecrets } = require(process.argv[1]);
(async () => {
  const client = new AgentSecrets({ home: process.argv[2], project: "demo" });
  for (const url of process.argv.slice(3)) {
    try { console.log((await client.call(url, { bearer: "TOKEN" })).status); } catch (error) { console.log(error.code); }
  }
})();
"""


def calls(world: World, starter: str, home: Home, bending: dict[str, str], urls: list[str]) -> list[str]:
    env = {name: value for name, value in bending.items() if name != "LD_AUDIT"}
    if starter == "cli":
        told = []
        for url in urls:
            kept = home.variables
            home.variables = {**kept, **bending}
            done = home.call(url, "--bearer", "TOKEN", "--json")
            home.variables = kept
            said = json.loads(done.out)
            told.append(str(said["error"]["code"] if said.get("error") else said["status"]))
        return told
    if starter == "python":
        arguments = [world.tool, "-c", PYTHON, str(home.folder), *urls]
        env["PYTHONPATH"] = str(world.python_package())
    else:
        arguments = [world.node(world.agent), "-e", NODE, str(world.node_package()), str(home.folder), *urls]
    done = world.agent.run(arguments, env=env).good()
    return done.out.decode().split()


MAPPED = """
import json, sys
from agentsecrets import AgentSecrets
plan = json.loads(sys.stdin.readline())
print(AgentSecrets(**plan["client"]).call(plan["url"], bearer="TOKEN").status_code)
print("libguest" in open("/proc/self/maps").read())
"""


def preloaded(world: World, ground: Ground) -> bool:
    """Whether a library of the attacker's gets into the process that holds the value."""
    guest = library(world)
    bending = {"LD_PRELOAD": str(guest), "LD_AUDIT": str(guest)}
    home = ground.home
    if ground.isolation == "in-process":
        done = ground.run(["-c", MAPPED], {"client": ground.client, "url": world.upstream.url("/echo")}, more={"LD_PRELOAD": str(guest)})
        return done.good().out.split() != [b"200", b"True"]
    home.stop()
    kept, home.variables = home.variables, {**home.variables, **bending}
    done = home.call(world.upstream.url("/echo"), "--bearer", "TOKEN", "--json")
    home.variables = kept
    locked = ground.level == "passphrase"
    demand((b"store_locked" in done.out) == locked, f"{ground.level}: a broker that a call starts is open or locked: {done.text[-200:]}")
    if os.geteuid() != 0:
        raise NotRun("only root may look at the broker's mappings")
    held = "libguest" not in Path(f"/proc/{home.broker()}/maps").read_text()
    if locked:
        home.owner("unlock").good()
    return held
