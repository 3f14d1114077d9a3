"""A user at a terminal, their agents in three languages, and the API."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

from kit.account import Account, Done
from kit.report import demand
from kit.stage import Stage
from kit.terminal import Terminal
from kit.upstream import Upstream

PYTHON = """
import sys
from agentsecrets import AgentSecrets
with AgentSecrets() as client:
    print(client.call(sys.argv[1], bearer=sys.argv[2]).status_code, client.status().broker_pid, client.isolation)
"""
NODE = """
const { AgentSecrets } = require(process.argv[1]);
(async () => {
  const client = new AgentSecrets();
  const answer = await client.call(process.argv[2], { bearer: process.argv[3] });
  const status = await client.status();
  console.log(answer.status, status.brokerPid ?? status.broker_pid, client.isolation);
  await client.close();
})();
"""


class World(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.api = Upstream(self, self.account("u"))
        self._count = 0

    def person(self) -> Person:
        self._count += 1
        return Person(self, self.account(f"p{self._count}"))


class Person:
    """Somebody with a home in its usual place, a project's folder, and a terminal."""

    def __init__(self, world: World, account: Account) -> None:
        self.world = world
        self.account = account
        self.folder = account.folder / "shop"
        self.folder.mkdir()
        account.own(self.folder)
        self.passphrase = secrets.token_urlsafe(15)
        self.variables: dict[str, str] = {}
        self.wrapper: list[str] = []
        self.prompts = 0
        self.screens: list[str] = []

    def type(self, *words: str, answers: list[tuple[str, str]] | None = None, code: int = 0) -> str:
        """Type a command at the terminal; say what stood on the screen and count what was asked."""
        given, screen, asked = Terminal(self.account).run(
            [*self.wrapper, self.world.cli, *words], answers or [], self.variables, self.folder
        )
        self.prompts = asked
        self.screens.append(screen)
        demand(given == code, f"`{' '.join(words[:3])}` ends with {code}, not {given}: {screen[-500:]}")
        return screen

    def agent(self, *words: str, value: bytes = b"", code: int | None = 0, timeout: float = 60) -> Done:
        """Run a command as an agent does: no terminal."""
        done = self.account.run([self.world.cli, *words], value, self.variables, self.folder, timeout=timeout)
        demand(code is None or done.code == code, f"`{' '.join(words[:3])}` ends with {code}: {done.text[-400:]}")
        return done

    def command(self, language: str, path: str = "/echo", name: str = "TOKEN") -> tuple[list[str], dict[str, str]]:
        """A program of an agent's, and what its environment adds."""
        world, url = self.world, self.world.api.url(path)
        if language == "python":
            extra = {"PYTHONPATH": str(world.python_package())}
            return [world.python(self.account), "-c", PYTHON, url, name], {**self.variables, **extra}
        if language == "node":
            return [world.node(self.account), "-e", NODE, str(world.node_package()), url, name], self.variables
        return [world.cli, "call", "--url", url, "--bearer", name, "--json"], self.variables

    def call(self, language: str, path: str = "/echo", name: str = "TOKEN") -> Done:
        arguments, env = self.command(language, path, name)
        return self.account.run(arguments, env=env, cwd=self.folder)

    def begin(self, language: str, path: str) -> subprocess.Popen[bytes]:
        arguments, env = self.command(language, path)
        return self.account.start(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder,
            env={**self.account.environment, **env},
        )  # fmt: skip

    @property
    def trusted(self) -> Path:
        path = self.account.folder / "ca.pem"
        return path if path.exists() else self.account.write("ca.pem", self.world.api.pem, 0o644)

    def new_home(self, *choices: str) -> None:
        """Init at the terminal, the API's certificate trusted, one value stored and granted."""
        twice = [("passphrase", self.passphrase), ("once more", self.passphrase)]
        self.type("init", *choices, answers=twice)
        demand(self.prompts == 2, f"init asks for the new passphrase twice, not {self.prompts} times")
        self.type("trust", "add", str(self.trusted), answers=[("passphrase", self.passphrase)])
        demand(self.prompts == 1, f"trust asks once, not {self.prompts} times")

    def store(self, name: str, value: str) -> None:
        self.type(
            "secrets", "set", name, "--allow", f"{self.world.api.origin}/**",
            answers=[("hidden", value), ("passphrase", self.passphrase)],
        )  # fmt: skip
        demand(self.prompts == 2, f"set --allow asks for the value and the passphrase, not {self.prompts} things")

    def pid(self) -> int | None:
        said = json.loads(self.agent("broker", "status", "--json").out)
        return said["pid"]
