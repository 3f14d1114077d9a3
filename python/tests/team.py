"""A real server on loopback, and two homes that share a workspace by it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from world import Upstream, World, built, until

PERSONAL = "personal"
WORKSPACE = "acme"
SHARED = "payments"


class Server:
    """The server that is shipped, on SQLite."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._address = "127.0.0.1:0"
        self.start()

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    def start(self) -> None:
        """Start it, at the address that it had before."""
        program = built("AGENTSECRETS_TEST_SERVER", "agentsecrets-server")
        # Everybody comes from one address here.
        words = ["--listen", self._address, "--data", str(self._data), "--logins-per-minute", "1000"]
        self._process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        lines: list[bytes] = []
        reading = self._process.stderr
        assert reading is not None
        threading.Thread(target=lambda: lines.extend(reading), daemon=True).start()
        said = until(lambda: [line for line in lines if b'"listening"' in line])[0]
        self._address = json.loads(said)["fields"]["address"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


class Member(World):
    """Somebody with an account at the server."""

    def __init__(self, root: Path, upstream: Upstream, server: Server, name: str) -> None:
        super().__init__(root, upstream)
        self.email = f"{name}@example.com"
        password = {"--password-fd": secrets.token_urlsafe(18)}
        words = ["login", "--server", server.url, "--email", self.email, "--new"]
        self.owner(*words, given=password, told="--recovery-fd")


class Machine(World):
    """A home without an owner, enrolled for some environments."""

    def __init__(self, root: Path, upstream: Upstream, enrolment: str) -> None:
        self.executable = built("AGENTSECRETS_TEST_EXECUTABLE", "agentsecrets")
        self.upstream = upstream
        self.home = root / "home"
        self.directory = root / "project"
        self.directory.mkdir()
        self.run("init", "--store", "file", "--unlock", f"file:{root / 'use.key'}", "--no-owner")
        reader, writer = os.pipe()
        try:
            os.write(writer, enrolment.encode())
            os.close(writer)
            self.run("workspace", "join", "--enrolment-fd", str(reader), pass_fds=(reader,))
        finally:
            os.close(reader)


class Team:
    """Ann, who has made a workspace, and Ben, whom she has invited."""

    def __init__(self, root: Callable[[str], Path], upstream: Upstream) -> None:
        self.server = Server(root("s"))
        self.ann = Member(root("a"), upstream, self.server, "ann")
        self.ben = Member(root("b"), upstream, self.server, "ben")
        self.ann.owner("workspace", "create", WORKSPACE, "--project", SHARED)
        code = self.ann.owner("workspace", "invite", self.ben.email, told="--code-fd")
        self.ben.owner("workspace", "join", given={"--code-fd": code})

    def stop(self) -> None:
        self.ann.stop()
        self.ben.stop()
        self.server.stop()
