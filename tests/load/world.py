"""A home with one broker, the API in both HTTP versions, and hosts in two languages that make calls as they are told."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

from kit.canary import plain
from kit.home import Home
from kit.report import demand
from kit.stage import Stage
from kit.upstream import Upstream

HERE = Path(__file__).resolve().parent
LANGUAGES = ("python", "node")


class World(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.agent = self.account("a")
        # The one speaks HTTP/2 to whoever offers it, which is how a thousand streams share connections there.
        self.apis = [Upstream(self, self.account("u2")), Upstream(self, self.account("u1"), "--http1")]
        self._homes = 0

    def home(self, unlock: str = "file") -> Home:
        self._homes += 1
        home = Home(self, self.agent, f"h{self._homes}", unlock)
        for api in self.apis:
            home.trust(api)
        self.store(home)
        return home

    def store(self, home: Home) -> None:
        origins = [word for api in self.apis for word in ("--allow", api.origin)]
        home.owner("secrets", "set", "TOKEN", *origins, value=plain().value).good()

    def hosts(self, home: Home, copies: int = 1) -> list[Host]:
        return [Host(self, home, language) for language in LANGUAGES for _ in range(copies)]

    def running(self, path: str) -> int:
        """How many requests of a path the APIs have neither answered nor lost."""
        listed = [item for api in self.apis for item in api.state()["requests"]]
        return sum(item["path"] == path and item["outcome"] == "running" for item in listed)

    def forget(self) -> None:
        for api in self.apis:
            api.forget()


class Host:
    """A process that makes calls with the package of a language."""

    def __init__(self, world: World, home: Home, language: str) -> None:
        self.language = language
        env = {**home.account.environment, **home.variables}
        if language == "python":
            arguments = [world.python(home.account), str(world.file(HERE / "host.py"))]
            env["PYTHONPATH"] = str(world.python_package())
        else:
            arguments = [world.node(home.account), str(world.file(HERE / "host.cjs")), str(world.node_package())]
        self._process = home.account.start(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=home.directory
        )
        self._tags = count()
        self._told: dict[int, Any] = {}

    def tell(self, do: str, **said: object) -> int:
        """Say what to do; the answer is had by what this returns."""
        tag = next(self._tags)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"tag": tag, "do": do, **said}).encode() + b"\n")
        self._process.stdin.flush()
        return tag

    def told(self, tag: int) -> dict[str, Any]:
        assert self._process.stdout is not None
        while tag not in self._told:
            line = self._process.stdout.readline()
            demand(line, f"the host in {self.language} lives")
            said = json.loads(line)
            self._told[said["tag"]] = said
        return self._told.pop(tag)

    def do(self, do: str, **said: object) -> dict[str, Any]:
        return self.told(self.tell(do, **said))

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        demand(self._process.wait(60) == 0, f"the host in {self.language} ends well")


def shares(hosts: list[Host], whole: int) -> list[dict[str, int]]:
    """The numbers each host uses, so that no two of all calls have the same."""
    part = whole // len(hosts)
    return [{"first": at * part, "count": part} for at in range(len(hosts))]


def all_good(told: list[dict[str, Any]], wanted: int, what: str) -> None:
    """None lost, none wrong, none swapped."""
    good, wrong = sum(one["good"] for one in told), sum(one["wrong"] for one in told)
    codes = sum((Counter(one["codes"]) for one in told), Counter[str]())
    said = [text for one in told for text in one["said"]]
    demand(good == wanted, f"all {wanted} {what} came whole: {good} did, {wrong} were wrong, {dict(codes)} {said[:2]}")


def records(home: Home) -> tuple[Counter[str], set[str]]:
    """The outcomes of all calls on record, and the calls that have begun and not ended."""
    home.cli("logs", "verify", timeout=300).good()
    lines = home.cli("logs", "export", timeout=300).good().out.splitlines()
    listed = [record for record in map(json.loads, lines) if record["act"] == "call"]
    begun = [record["call"] for record in listed if record["phase"] == "begun"]
    ended = {record["call"]: record for record in listed if record["phase"] == "ended"}
    demand(len(begun) == len(set(begun)), "no call begins twice")
    demand(len(ended) == sum(record["phase"] == "ended" for record in listed), "no call ends twice")
    return Counter(str(record["outcome"]) for record in ended.values()), set(begun) - set(ended)


def resident(pid: int) -> int:
    """The memory that a process has, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])
