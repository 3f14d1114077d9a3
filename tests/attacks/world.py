"""The people of the attacks: a user with a home, the API, and whoever else is called in."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ground import Ground
from kit.account import Account
from kit.canary import Canary, Search, plain
from kit.home import Home
from kit.keyring import Keyring
from kit.report import NotRun, demand
from kit.stage import Stage
from kit.upstream import Upstream
from table import Table
from walled import System, Walled

WALLS: dict[str, type[Walled]] = {"broker-shared": Walled, "broker-system": System}
HERE = Path(__file__).resolve().parent


class World(Stage):
    def __init__(self) -> None:
        # Before anything that may end early, for it is closed in any case.
        self._homes = 0
        self._grounds: dict[str, Ground] = {}
        self._keychains: dict[str, Ground] = {}
        super().__init__()
        self.agent = self.account("a")
        self.upstream = Upstream(self, self.account("u"))
        self.elsewhere = Upstream(self, self.accounts[1])
        self.table = Table()
        self.attacker = self.file(HERE / "attacker.py")
        self.victim = self.file(HERE / "victim.py")
        self.tool = self.python(self.agent)
        self._check_ground()

    def home(self, unlock: str = "file", account: Account | None = None, keyring: Keyring | None = None) -> Home:
        self._homes += 1
        store, variables = ("keychain", keyring.variables) if keyring else ("file", None)
        home = Home(self, account or self.agent, f"h{self._homes}", unlock, store, variables)
        home.trust(self.upstream)
        return home

    def ground(self, level: str) -> Ground:
        """The home and agent of a level, made once."""
        if level not in self._grounds:
            self._grounds[level] = WALLS.get(level, Ground)(self, level)
        return self._grounds[level]

    def keychain(self, level: str) -> Ground:
        """The same with its values in a keychain: of a user of its own, whom the bus knows by name."""
        if level not in self._keychains:
            account = self.account(f"k{len(self._keychains)}")
            self._keychains[level] = Ground(self, level, account, Keyring(account))
        return self._keychains[level]

    def close(self) -> None:
        for ground in self._keychains.values():
            if ground.keyring is not None:
                ground.keyring.end()
        self._keychains.clear()
        super().close()

    def attack(self, way: str, pid: int, needles: list[bytes], by: Account | None = None) -> dict[str, Any]:
        """One attempt on a process by its own user."""
        text = json.dumps([needle.hex() for needle in needles]).encode() + b"\n"
        done = (by or self.agent).run([self.tool, str(self.attacker), way, str(pid)], text, timeout=240)
        return json.loads(done.good().out.splitlines()[-1])

    def plain(self, what: str, kept: bytes, by: Account | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """A plain program of the agent's that keeps something in its memory."""
        process = (by or self.agent).start(
            [self.tool, str(self.victim), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(kept + b"\n")
        process.stdin.flush()
        demand(process.stdout.readline() == b"ready\n", "the plain program runs")
        return process

    def _check_ground(self) -> None:
        """Attack a plain program. Where the system itself refuses even that, nothing is proved by a refusal."""
        canary = plain("CONTROL")
        process = self.plain("hold", canary.value)
        verdict = self.attack("mem", process.pid, [canary.value])
        end(process)
        self.reads_others = bool(verdict["found"])

    def needs_reading(self) -> None:
        if not self.reads_others:
            raise NotRun("this system lets no process read another of its user (kernel.yama.ptrace_scope, seccomp)")


def end(process: subprocess.Popen[bytes]) -> None:
    """Close a program's input and take its exit."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.wait(20)


def needles_of(*canaries: Canary) -> tuple[Search, list[bytes]]:
    search = Search(canaries, pieces=False)
    return search, search.needles


def pipe(text: bytes) -> int:
    """A descriptor from which a text is read."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    return reader
