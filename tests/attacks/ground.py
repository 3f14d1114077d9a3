"""A home with an agent at each isolation level, and the calls that such an agent can make."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.canary import Canary, Search, keyed, plain
from kit.report import Suite, demand
from kit.upstream import until

if TYPE_CHECKING:
    from kit.account import Account, Done
    from kit.home import Home
    from kit.keyring import Keyring
    from world import World

CALLER = Path(__file__).resolve().parent / "caller.py"


class Ground:
    """What is stored and granted is the same at every level."""

    # Whether the agent is another user than the one whose home it is.
    walled = False

    def __init__(self, world: World, level: str, account: Account | None = None, keyring: Keyring | None = None) -> None:
        self.world = world
        self.level = level
        self.keyring = keyring
        place = "passphrase" if level == "passphrase" else "keychain" if keyring else "file"
        self.home: Home = world.home(place, account, keyring)
        # Who attacks, and from where; at these levels it is the very user whose home it is.
        self.agent: Account = self.home.account
        self.directory = self.home.directory
        self.variables = self.home.variables
        self.home.trust(world.elsewhere)
        # In the shape of a vendor's key, so that whoever searches a memory need not know it.
        self.token, self.other, self.planted = keyed(), plain("OTHER"), plain("PLANTED")
        self.canaries: list[Canary] = [self.token, self.other, self.planted]
        self.search = Search(self.canaries)
        origin = world.upstream.origin
        slots = ["--slot", "bearer", "--slot", "basic", "--slot", "header:X-Api-Key"]
        self.home.store("TOKEN", self.token.value, origin, *slots)
        self.home.owner("allow", "TOKEN", f"{origin}/echo", "--slot", "body:auth.key").good()
        self.home.store("PLANTED", self.planted.value, origin)
        self.home.store("OTHER", self.other.value)

    @property
    def isolation(self) -> str:
        return "in-process" if self.level == "in-process" else "broker"

    @property
    def client(self) -> dict[str, str]:
        """How an agent's program opens its client at this level."""
        told = {"home": str(self.home.folder), "isolation": self.isolation}
        return told | ({"unlock": f"file:{self.home.use_key}"} if self.isolation == "in-process" else {})

    def calls(self, *calls: dict[str, Any], cwd: Path | None = None) -> list[dict[str, Any]]:
        """Make calls as an agent's program does, by the Python package; say how each ended."""
        done = self.run([str(self.world.file(CALLER))], {"client": self.client, "calls": calls}, cwd)
        self.keeps(done.out + done.err, "what the agent was given")
        return list(json.loads(done.good().out.splitlines()[-1]))

    def wake(self) -> None:
        """A broker that serves, after it was stopped, where a call does not start one."""
        if self.level == "passphrase":
            self.home.owner("unlock").good()

    def cli(self, *words: str, value: bytes = b"") -> Done:
        """Run a command as the agent does."""
        return self.agent.run([self.world.cli, *words], value, self.variables, self.directory)

    def run(self, words: list[str], plan: object, cwd: Path | None = None, more: dict[str, str] | None = None) -> Done:
        """Run a program of the agent's in Python, with a plan on its stdin."""
        world, text = self.world, json.dumps(plan).encode() + b"\n"
        env = {**self.variables, "PYTHONPATH": str(world.python_package()), **(more or {})}
        # Said by the program itself.
        env.pop("AGENTSECRETS_HOME", None)
        return self.agent.run([world.tool, *words], text, env, cwd or self.directory, timeout=120)

    @contextmanager
    def working(self) -> Iterator[subprocess.Popen[bytes]]:
        """An agent with a call under way."""
        world, agent = self.world, self.agent
        plan = {"client": self.client, "calls": [{"url": world.upstream.url("/hang"), "bearer": "TOKEN"}]}
        env = {**agent.environment, "PYTHONPATH": str(world.python_package()), "STRIPE_KEY": "AS_SECRET_TOKEN"}
        words = [world.tool, str(world.file(CALLER))]
        world.upstream.forget()
        process = agent.start(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, cwd=self.directory)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(plan).encode() + b"\n")
            process.stdin.flush()
            until(lambda: world.upstream.saw(self.token.value), "the value is on its way")
            yield process
            demand(process.poll() is None, "the agent was at work meanwhile")
        finally:
            process.kill()
            process.communicate()

    def call(self, url: str, **options: Any) -> dict[str, Any]:
        return self.calls({"url": url, **options})[0]

    def refused(self, codes: set[str], *calls: dict[str, Any]) -> None:
        """Each call is refused with one of these codes."""
        for call, outcome in zip(calls, self.calls(*calls), strict=True):
            shown = {name: what for name, what in call.items() if name != "body"}
            demand(outcome["code"] in codes, f"{self.level}: {shown} is refused, not {outcome['code'] or outcome['status']}")

    def cannot(self, *commands: list[str]) -> bool:
        """Whether the agent runs each of them in vain."""
        raise NotImplementedError(f"at {self.level} the agent is the home's own user: {commands}")

    def control(self) -> None:
        """A call inside the grant is made, and its value arrives."""
        self.world.upstream.forget()
        outcome = self.call(self.world.upstream.url("/echo"), bearer="TOKEN")
        demand(outcome["status"] == 200, f"control: a granted call is made at {self.level}: {outcome['code']}")
        demand(self.world.upstream.saw(self.token.value), "control: its value arrives")
        self.world.upstream.forget()

    def keeps(self, data: bytes, what: str) -> None:
        """No value is in it, in any form."""
        told = self.search.told(data)
        demand(not told, f"{self.level}: in {what} there is no value, but {sorted(told)} is")


def across(suite: Suite, row: str, attack: Callable[[World, Ground], bool]) -> None:
    """Make an attack at every level of which the table's row says something. It returns whether the level held."""

    def proof(world: World) -> str:
        levels = world.table.levels(row)
        demand(levels, f"the attack table has a row `{row}`")
        return ", ".join(world.table.tell(row, level, attack(world, world.ground(level))) for level in levels)

    suite.proof(row)(proof)
