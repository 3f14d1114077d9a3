"""A server on each database, with a relay before it, and members with homes of their own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
from typing import Any

import databases
from kit.account import Account, Done
from kit.canary import Canary, plain
from kit.report import demand
from kit.stage import Stage
from kit.upstream import Upstream, until
from relay import Relay

# Names that are nowhere by chance: the server must not learn one of them.
WORKSPACE = f"acme-{secrets.token_hex(4)}"
PROJECT = f"payments-{secrets.token_hex(4)}"
STAGING, PRODUCTION = f"staging-{secrets.token_hex(4)}", f"production-{secrets.token_hex(4)}"


class Server:
    """The server that is shipped, on one database."""

    def __init__(self, world: World, database: str) -> None:
        self.world = world
        self.account = world.account(f"{database[:2].lower()}{len(world.accounts)}")
        self.database = databases.of(database, self.account)
        self.data = self.account.folder / ("data" if database == "SQLite" else "keys")
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.account.own(self.data)
        self.log: list[bytes] = []
        self.port = 0
        self.key = str(self.data / "server.key")
        if database == "PostgreSQL":
            self.account.run([world.server_program, "make-key", "--key", self.key]).good()
        self.start()
        self.relay = Relay(self.port)

    def start(self, wrapper: tuple[str, ...] = (), **variables: str) -> None:
        environment = {**self.account.environment, **variables}
        words = ["--listen", f"127.0.0.1:{self.port}", "--data", str(self.data), "--key", self.key]
        words += [*self.database.arguments, "--registration", "open", *self.world.server_options]
        self._process = self.account.start(
            [*wrapper, self.world.server_program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        began = len(self.log)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        listening = until(lambda: self._listening(began) or self._process.poll() is not None, "the server listens")
        demand(listening and self._process.poll() is None, f"the server starts: {self.log[-1:]}")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.log.extend(process.stdout)

    def _listening(self, began: int) -> bool:
        for line in self.log[began:]:
            if b'"listening"' in line:
                self.port = int(json.loads(line)["fields"]["address"].rsplit(":", 1)[1])
                return True
        return False

    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def stop(self, kill: bool = False) -> None:
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(30)

    def check(self) -> str:
        """What the server's own verification says of its database."""
        words = [
            self.world.server_program,
            "check",
            "--data",
            str(self.data),
            "--key",
            self.key,
            *self.database.arguments,
        ]
        return self.account.run(words).good().text


class World(Stage):
    # What every server is started with besides: dozens of people log in from one address within a minute.
    server_options: tuple[str, ...] = ("--logins-per-minute", "1000000")

    def __init__(self) -> None:
        super().__init__()
        self.server_program = self._program("agentsecrets-server")
        self.api = Upstream(self, self.account("u"), "--cleartext")
        # A machine has no owner who could trust the API's certificate.
        self.http = self.api.http
        self.canaries: list[Canary] = []
        # Passwords, codes and names that the server must not know.
        self.unsaid: list[tuple[str, bytes]] = [("a workspace", WORKSPACE.encode()), ("a project", PROJECT.encode())]
        self.servers: dict[str, Server] = {}
        self._count = 0

    def server(self, database: str = "SQLite") -> Server:
        if database not in self.servers:
            self.servers[database] = Server(self, database)
        self.servers[database].relay.honest()
        return self.servers[database]

    def canary(self) -> bytes:
        self.canaries.append(plain(f"V{len(self.canaries)}"))
        return self.canaries[-1].value

    def secret(self, word: str) -> str:
        """A name that no other is."""
        name = f"{word}_{secrets.token_hex(4).upper()}"
        self.unsaid.append(("a secret's name", name.encode()))
        return name

    def member(self, server: Server, word: str, ready: bool = True) -> Member:
        self._count += 1
        member = Member(self, server, f"{word}{self._count}")
        if ready:
            member.init()
            member.log_in(new=True)
        return member

    def team(self, server: Server, *words: str) -> list[Member]:
        """A workspace of several: the first begins it, and the others join."""
        first, *others = (self.member(server, word) for word in words)
        first.owner("workspace", "create", WORKSPACE, "--project", PROJECT).good()
        for other in others:
            other.join(first.invite(other.email))
        return [first, *others]

    def close(self) -> None:
        for server in self.servers.values():
            server.relay.end()
            if not server.is_dead():
                server.stop(kill=True)
            server.database.end()
        self.servers = {}
        super().close()


class Member:
    """Somebody with a user, a home and a directory of their own."""

    def __init__(self, world: World, server: Server, name: str) -> None:
        self.world, self.server = world, server
        self.account: Account = world.account(name)
        self.home = self.account.folder / "home"
        self.directory = self.account.folder / "work"
        self.directory.mkdir()
        self.account.own(self.directory)
        self.email = f"{name}@example.com"
        self.passphrase, self.password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.recovery = b""
        self.variables = {"AGENTSECRETS_HOME": str(self.home)}
        world.unsaid += [("a password", self.password.encode()), ("a passphrase", self.passphrase.encode())]

    def cli(self, *words: str, value: bytes = b"", fds: dict[str, bytes] | None = None, timeout: float = 90) -> Done:
        """Run a command; `fds` are what it reads, each by the option that names its descriptor."""
        readers = []
        words_with = list(words)
        try:
            for option, text in (fds or {}).items():
                reader, writer = os.pipe()
                readers.append(reader)
                os.write(writer, text)
                os.close(writer)
                words_with += [option, str(reader)]
            return self.account.run(
                [self.world.cli, *words_with],
                value,
                self.variables,
                self.directory,
                pass_fds=tuple(readers),
                timeout=timeout,
            )
        finally:
            for reader in readers:
                os.close(reader)

    def owner(self, *words: str, value: bytes = b"", fds: dict[str, bytes] | None = None) -> Done:
        return self.cli(*words, value=value, fds={**(fds or {}), "--passphrase-fd": self.passphrase.encode() + b"\n"})

    def told(self, option: str, *words: str, fds: dict[str, bytes] | None = None) -> bytes:
        """Run a command of the owner's that writes a code to the descriptor of `option`."""
        reader, writer = os.pipe()
        passing = {**(fds or {}), "--passphrase-fd": self.passphrase.encode() + b"\n"}
        readers = []
        arguments = [self.world.cli, *words, option, str(writer)]
        try:
            for name, text in passing.items():
                end, begin = os.pipe()
                os.write(begin, text)
                os.close(begin)
                readers.append(end)
                arguments += [name, str(end)]
            kept = (writer, *readers)
            self.account.run(arguments, b"", self.variables, self.directory, pass_fds=kept).good()
        finally:
            os.close(writer)
            for end in readers:
                os.close(end)
        with os.fdopen(reader, "rb") as file:
            code = file.read().strip()
        self.world.unsaid.append(("a code", code))
        return code

    def init(self, *words: str) -> None:
        place = ["--store", "file", "--unlock", f"file:{self.account.folder / 'use.key'}"]
        self.owner("init", *(words or place)).good()

    def log_in(self, new: bool = False) -> None:
        words = ["login", "--server", self.server.relay.url, "--email", self.email]
        password = {"--password-fd": self.password.encode()}
        if new:
            self.recovery = self.told("--recovery-fd", *words, "--new", fds=password)
        else:
            self.owner(*words, fds=password).good()

    def invite(self, email: str = "", *words: str) -> bytes:
        return self.told("--code-fd", "workspace", "invite", *([email] if email else []), *words)

    def join(self, code: bytes) -> None:
        self.owner("workspace", "join", fds={"--code-fd": code}).good()

    def enrolment(self, name: str, *environments: str) -> bytes:
        words = [word for environment in environments for word in ("--environment", environment)]
        return self.told("--enrolment-fd", "workspace", "machine", "add", name, *words)

    def set(self, name: str, value: bytes, *words: str) -> None:
        self.owner("secrets", "set", name, *words, value=value).good()

    def json(self, *words: str, code: int = 0) -> Any:
        done = self.cli(*words, "--json")
        demand(done.code == code, f"`{done.command}` ends with {code}, not {done.code}: {done.text[-400:]}")
        return json.loads(done.out)

    def drift(self, *words: str) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.json("secrets", "diff", *words)}

    def refused(self, code: str, *words: str) -> str:
        """Run a command that is refused by this code; gives what it says."""
        done = self.cli(*words)
        demand(
            done.code != 0 and f"error[{code}]".encode() in done.err,
            f"`{done.command}` is refused as {code}: {done.text[-400:]}",
        )
        return done.text

    def sees(self, name: str, value: bytes, origin: str = "") -> bool:
        """Whether a call by that name brings this value to the API."""
        self.world.api.forget()
        self.cli("call", "--url", f"{origin or self.world.api.origin}/echo", "--bearer", name).good()
        return self.world.api.saw(value)

    def broker(self) -> int:
        """The broker's process; one is started where none runs."""
        return int(self.json("status")["broker_pid"])

    def files(self) -> dict[str, bytes]:
        """What a home has of its workspaces and values, but for when it asked last."""
        kept = [path for path in sorted(self.home.rglob("*")) if path.is_file() and not path.is_symlink()]
        return {str(path.relative_to(self.home)): path.read_bytes() for path in kept}

    def kept(self, name: str) -> Any:
        """A document that the home keeps in the clear."""
        return json.loads((self.home / name).read_bytes())

    def chain(self) -> list[dict[str, Any]]:
        """The entries of the one chain that the home has, as they read."""
        [file] = self.home.glob("sync/*/chain.jsonl")
        return [json.loads(json.loads(line)["body"]) for line in file.read_text().splitlines()]

    def trust(self) -> None:
        pem = self.account.write("api.pem", self.world.api.pem, 0o644)
        self.owner("trust", "add", str(pem)).good()

    def stop(self) -> None:
        self.cli("broker", "stop")
