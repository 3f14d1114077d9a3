"""A home of a user, its owner, and what is stored and granted in it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from .account import Account, Done
from .stage import Stage
from .upstream import Upstream

PROJECT = "demo"


class Home:
    def __init__(
        self, stage: Stage, account: Account, name: str = "h", unlock: str = "file", store: str = "file",
        variables: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.stage = stage
        self.account = account
        self.folder = account.folder / name
        self.directory = account.folder / f"{name}-project"
        self.directory.mkdir()
        account.own(self.directory)
        self.use_key = account.folder / f"{name}.key"
        self.passphrase = secrets.token_urlsafe(18)
        self.variables: dict[str, str] = {"AGENTSECRETS_HOME": str(self.folder), **(variables or {})}
        place = f"file:{self.use_key}" if unlock == "file" else unlock
        self.owner("init", "--store", store, "--unlock", place, "--project", PROJECT).good()

    def cli(self, *arguments: str, value: bytes = b"", fds: tuple[int, ...] = (), timeout: float = 90) -> Done:
        return self.account.run(
            [self.stage.cli, *arguments], value, self.variables, self.directory, pass_fds=fds, timeout=timeout
        )

    def owner(self, *arguments: str, value: bytes = b"", passphrase: str | None = None) -> Done:
        """Run a command with the owner's passphrase on a descriptor."""
        reader, writer = os.pipe()
        try:
            os.write(writer, (passphrase or self.passphrase).encode() + b"\n")
            os.close(writer)
            # Before a command of the owner's own, which ends the line.
            at = arguments.index("--command") if "--command" in arguments else len(arguments)
            words = [*arguments[:at], "--passphrase-fd", str(reader), *arguments[at:]]
            return self.cli(*words, value=value, fds=(reader,))
        finally:
            os.close(reader)

    def trust(self, upstream: Upstream) -> None:
        pem = self.account.write(f"ca-{upstream.port}.pem", upstream.pem, 0o644)
        self.owner("trust", "add", str(pem)).good()

    def store(self, name: str, value: bytes, *grant: str, weak: bool = False) -> None:
        """Store a value, with rules and slots as they follow `--allow`."""
        extra = ["--allow", *grant] if grant else []
        self.owner("secrets", "set", name, *(["--weak"] if weak else []), *extra, value=value).good()

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json").good().out)

    def call(self, url: str, *arguments: str, timeout: float = 90) -> Done:
        return self.cli("call", "--url", url, *arguments, timeout=timeout)

    def broker(self) -> int:
        """The broker's process; one is started where none runs."""
        return int(self.json("status")["broker_pid"])

    def stop(self) -> None:
        self.cli("broker", "stop")

    def files(self) -> list[Path]:
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.is_symlink()]
