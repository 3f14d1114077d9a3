"""A broker that is a user of its own: started as a unit starts it, for agents that are two other users."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

from kit.account import Account
from kit.canary import plain
from kit.home import Home
from kit.report import NotRun, Suite, demand
from walls import python
from world import World, pipe

USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NOBODY = 0xFFFFFFFF


def add_to(suite: Suite) -> None:
    suite.proof("walls: a broker of its own user serves the agents of two others, and they have nothing else")(system)
    suite.proof("walls: the units of the system's broker are sound")(units)


class Machine:
    """The service's user and home, its agents, and the key as a credential that systemd hands over."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.service = world.account("s")
        if self.service.uid is None:
            raise NotRun("only root can play a machine of several users")
        self.home = Home(world, self.service, "h")
        self.home.trust(world.upstream)
        self.tokens: dict[str, str] = {}
        for agent in ("bot", "other"):
            self.home.owner("agent", "register", agent).good()
            out = self.service.folder / f"{agent}.token"
            self.home.owner("agent", "token", "issue", agent, "--out", str(out)).good()
            self.tokens[agent] = out.read_text().strip()
            name = f"{agent.upper()}S"
            self.home.store(name, plain(name).value)
            self.home.owner("allow", name, world.upstream.origin, "--agent", agent).good()
        self.home.stop()
        self.folder = world.folder / "run-system"
        self.folder.mkdir(mode=0o755)
        self.service.own(self.folder)
        self.socket = str(self.folder / "broker.sock")
        self.credential = Path("/run/credentials") / f"{world.folder.name}.service" / "use-key"
        self._credential()
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify = str(world.folder / "notify")
        self.told.bind(self.notify)
        self.told.settimeout(60)
        os.chmod(self.notify, 0o666)

    def _credential(self) -> None:
        """The key, root's and for the service to read: by an access list where the file system has them, as systemd does it."""
        self.credential.parent.mkdir(parents=True)
        shutil.move(str(self.home.use_key), self.credential)
        os.chown(self.credential, 0, 0)
        self.credential.chmod(0o400)
        uid = self.service.uid
        entries = [(USER_OBJ, 4, NOBODY), (USER, 4, uid), (GROUP_OBJ, 0, NOBODY), (MASK, 4, NOBODY), (OTHER, 0, NOBODY)]
        access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(self.credential, "system.posix_acl_access", access)
        except OSError:
            self.service.own(self.credential)

    def close(self) -> None:
        shutil.rmtree(self.credential.parent, ignore_errors=True)
        self.told.close()

    def start(self, *more: str, passphrase: bool = False) -> subprocess.Popen[bytes]:
        """Start it in the foreground, as a unit would."""
        fds = (pipe(self.home.passphrase.encode() + b"\n"),) if passphrase else ()
        extra = ["--passphrase-fd", str(fds[0])] if fds else []
        words = [self.world.cli, "broker", "run", "--system", "--unlock", f"file:{self.credential}", *more, *extra]
        variables = {**self.service.environment, **self.home.variables, "NOTIFY_SOCKET": self.notify}
        process = self.service.start(words, env=variables, stderr=subprocess.PIPE, pass_fds=fds)
        for descriptor in fds:
            os.close(descriptor)
        return process

    def started(self, *more: str, passphrase: bool = False) -> subprocess.Popen[bytes]:
        process = self.start(*more, passphrase=passphrase)
        try:
            said = self.told.recv(64)
        except TimeoutError:
            process.kill()
            raise AssertionError(f"it never said that it is ready: {process.communicate()[1][-300:]!r}") from None
        demand(said == b"READY=1", f"the service manager is told: {said!r}")
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        demand(process.wait(30) == 0, "it ends well")
        demand(self.told.recv(64) == b"STOPPING=1", "the service manager is told of that too")
        demand(not Path(self.socket).exists(), "and its socket is gone")

    def variables(self, agent: str) -> dict[str, str]:
        token = {"AGENTSECRETS_AGENT_TOKEN": self.tokens[agent]} if agent else {}
        return {"AGENTSECRETS_BROKER": f"unix:{self.socket}", **token}


def system(world: World) -> str:
    machine = Machine(world)
    try:
        return examined(world, machine)
    finally:
        machine.close()


def refused(process: subprocess.Popen[bytes], code: bytes) -> None:
    _, err = process.communicate(timeout=60)
    demand(process.returncode != 0 and code in err, f"it is refused as {code!r}: {err[-300:]!r}")


def examined(world: World, machine: Machine) -> str:
    users = {agent: world.stranger(agent[0] + "m") for agent in machine.tokens}
    refused(machine.start("--socket", machine.socket), b"owner_required")
    as_root = subprocess.run([world.cli, "broker", "run", "--system"], env={**machine.service.environment, **machine.home.variables},
                             capture_output=True, check=False)  # fmt: skip
    demand(as_root.returncode == 2 and b"not as root" in as_root.stderr, f"root is refused: {as_root.stderr[-200:]!r}")
    machine.end(machine.started("--socket", machine.socket, passphrase=True))
    # What the owner signed once is enough from then on.
    process = machine.started()
    world.upstream.forget()
    for agent, user in users.items():
        served(world, machine, agent, user)
    demand(len(world.upstream.received()) == 2, "two calls arrived, one of each agent")
    words = [world.cli, "status"]
    stranger = users["bot"].run(words, env=machine.variables(""))
    demand(stranger.code == 3 and b"agent_required" in stranger.err, "without a token nobody is served")
    # The owner's acts are done as the service's user, at the home's own socket.
    machine.home.owner("allow", "BOTS", "api.example.com", "--agent", "bot").good()
    records = machine.home.json("logs", "list", "--last", "100")
    levels = {(record["isolation"], record["agent"]) for record in records if record["outcome"] == "ok"}
    demand(levels == {("broker-system", "bot"), ("broker-system", "other")}, f"the log says the level: {levels}")
    told = machine.home.json("broker", "status")["shares"][0]
    demand((told["isolation"], told["agent"], told["state"]) == ("broker-system", None, "listening"), f"status too: {told}")
    machine.end(process)
    grouped(world, machine, users["bot"])
    machine.home.cli("broker", "share", "--stop", machine.socket)
    return "two users, each with its own"


def served(world: World, machine: Machine, agent: str, user: Account) -> None:
    own, others = ("BOTS", "OTHERS") if agent == "bot" else ("OTHERS", "BOTS")
    url = world.upstream.url("/echo")
    plan = {"calls": [{"url": url, "secret": own}, {"url": url, "secret": others}], "check": [others]}

    class There:
        @staticmethod
        def variables(_agent: str, _socket: str | None) -> dict[str, str]:
            return machine.variables(agent)

    said = python(world, user, There, "sdk", json.dumps(plan).encode())  # type: ignore[arg-type]
    demand(said["isolation"] == said["status"] == "broker-system", f"the level is told: {said}")
    demand(said["calls"] == [200, "destination_not_allowed"], f"its own call is made, the other's is not: {said['calls']}")
    demand(said["names"] == [own] and said["checked"] == [False], f"it knows its own names: {said}")
    demand(said["logged"] == [[agent, "broker-system"]], f"and its own log: {said['logged']}")
    done = user.run([world.cli, "allow", own, "example.com"], env=machine.variables(agent))
    demand(done.code == 3 and b"not_shared" in done.err, "an owner's act is refused there")
    files = [str(path) for path in machine.home.files()] + [str(machine.credential)]
    look = {"files": files, "home": str(machine.home.folder), "broker": machine.home.broker(), "socket": machine.socket}
    seen: Any = python(world, user, There, "look", json.dumps(look).encode())  # type: ignore[arg-type]
    demand(set(seen["files"].values()) == {"PermissionError"}, f"no file of the home, nor the key: {seen['files']}")
    demand(seen["memory"] == "PermissionError" and not seen["writable"], "nor the broker's memory, nor the socket's folder")


def grouped(world: World, machine: Machine, user: Account) -> None:
    """The socket of a group: who is not in it does not even connect."""
    group = machine.service.uid
    process = machine.started("--socket", machine.socket, "--group", str(group), passphrase=True)
    words, variables = [world.cli, "status", "--json"], {**user.environment, **machine.variables("bot")}
    found = os.stat(machine.socket)
    demand((found.st_mode & 0o777, found.st_gid) == (0o660, group), "the socket is the group's")
    for groups, code in (([], 1), ([group], 0)):
        done = subprocess.run(words, user=user.uid, group=user.uid, extra_groups=groups, env=variables, cwd="/",
                              capture_output=True, check=False)  # fmt: skip
        demand(done.returncode == code, f"with the groups {groups} it ends with {done.returncode}: {done.stdout[-200:]!r}")
    machine.end(process)
    # What was signed is enough, as it stands in a unit; other terms are the owner's again.
    machine.end(machine.started("--socket", machine.socket, "--group", str(group)))
    refused(machine.start("--socket", machine.socket, "--group", "0"), b"owner_required")


def units(world: World) -> str:
    def printed(init: str) -> bytes:
        return world.agent.run([world.cli, "broker", "run", "--system", "--print-unit", init]).good().out

    plist = plistlib.loads(printed("launchd"))
    demand(plist["ProgramArguments"][:4] == [world.cli, "broker", "run", "--system"], "launchd would run this executable")
    unit = world.programs / "agentsecrets.service"
    unit.write_bytes(printed("systemd"))
    if shutil.which("systemd-analyze") is None:
        raise NotRun("no systemd-analyze: apt-get install systemd")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "agentsecrets" in line]
    demand(done.returncode == 0 and not ours, f"systemd takes every line of it: {ours} {done.returncode}")
    unit.write_text(unit.read_text().replace("MemoryDenyWriteExecute=", "MemoryDenyWriteExec="))
    spoilt = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    demand("MemoryDenyWriteExec" in spoilt.stdout + spoilt.stderr, "control: a line that it does not know is told")
    unit.write_bytes(printed("systemd"))
    exposure = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)],
                              capture_output=True, text=True, check=False)  # fmt: skip
    level = next((line for line in exposure.stdout.splitlines() if "exposure level" in line), "").strip()
    demand(exposure.returncode == 0, f"little is open to it: {level} {exposure.stderr[-200:]}")
    return level.split(": ")[-1]
