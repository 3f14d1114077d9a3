"""The agent behind a farther wall: another user, with a shared socket and a token, and nothing else of the home's."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from ground import Ground
from kit.report import demand
from kit.upstream import until

if TYPE_CHECKING:
    from kit.account import Account
    from world import World


class Walled(Ground):
    """A broker shared with one agent of another user of the machine."""

    walled = True

    def __init__(self, world: World, level: str, account: Account | None = None) -> None:
        super().__init__(world, level, account)
        home = self.home
        self.agent = world.stranger(f"g{len(world.accounts)}")
        self.directory = self.agent.folder
        home.owner("agent", "register", "bot").good()
        issued = home.account.folder / f"{home.folder.name}.token"
        home.owner("agent", "token", "issue", "bot", "--out", str(issued)).good()
        self.folder = world.folder / f"shared-{home.folder.name}"
        self.folder.mkdir(mode=0o755)
        home.account.own(self.folder)
        self.socket = self.folder / "bot.sock"
        self.share()
        self.token_text = issued.read_text().strip()
        self.variables = {"AGENTSECRETS_BROKER": f"unix:{self.socket}", "AGENTSECRETS_AGENT_TOKEN": self.token_text}
        said = json.loads(self.cli("status", "--json").good().out)["isolation"]
        demand(said == level, f"the agent is told its level: {said}")

    def share(self) -> None:
        self.home.owner("broker", "share", "--socket", str(self.socket), "--agent", "bot").good()

    def wake(self) -> None:
        """The agent can start no broker: any command of the owner's does."""
        self.home.broker()

    @property
    def client(self) -> dict[str, str]:
        return {"broker": f"unix:{self.socket}", "agent_token": self.token_text}

    def cannot(self, *commands: list[str]) -> bool:
        """The agent runs each of them in vain; the user whose home it is can do the first."""
        for words in commands:
            done = self.agent.run(words)
            demand(
                done.code != 0 and b"ermission denied" in done.err,
                f"{self.level}: `{done.command}` is refused: {done.text[-200:]}",
            )
        self.home.account.run(commands[0]).good()
        return True


class System(Walled):
    """A broker that is a user of its own, started as a unit starts it."""

    def __init__(self, world: World, level: str) -> None:
        super().__init__(world, level, world.account(f"s{len(world.accounts)}"))

    def share(self) -> None:
        self.home.owner("broker", "share", "--system", "--socket", str(self.socket)).good()
        self.home.stop()
        self.wake()

    def wake(self) -> None:
        home = self.home
        env = {**home.account.environment, **home.variables}
        home.account.start([self.world.cli, "broker", "run", "--system"], env=env, stdin=subprocess.DEVNULL)
        until(self.socket.exists, "the system's broker listens")
