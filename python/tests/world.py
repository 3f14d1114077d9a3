"""A throwaway home with a real broker, and a real API over TLS on loopback."""

from __future__ import annotations

import base64
import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
PROJECT = "demo"
_T = TypeVar("_T")


def built(variable: str, name: str) -> str:
    """Return a program of the workspace: the one named by the variable, else the debug build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get(variable) or target / "debug" / name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not built; set {variable} or build the workspace")
    return str(path)


def make_canary(length: int = 32) -> str:
    """Make a value that exists nowhere else."""
    return "cnry_" + secrets.token_hex(length // 2)


@dataclass
class Received:
    """A request as the upstream got it."""

    said: Any

    @property
    def method(self) -> str:
        return str(self.said["method"])

    @property
    def target(self) -> str:
        return str(self.said["target"])

    @property
    def body(self) -> bytes:
        return base64.b64decode(self.said["body_base64"])

    @property
    def outcome(self) -> str:
        return str(self.said["outcome"])

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.said["headers"] if key.lower() == name.lower()]
        return values[0] if values else None


class Upstream:
    """The API, from its own side."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir()
        program = built("AGENTSECRETS_TEST_UPSTREAM", "upstream")
        self.process = subprocess.Popen(
            [program, "--dir", str(directory), "--until-stdin-closes", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        ready = directory / "ready.json"
        until(ready.exists)
        said = json.loads(ready.read_text())
        self.ca = directory / "ca.pem"
        self.port: int = said["https_port"]
        self.origin = f"https://localhost:{self.port}"
        self._context = ssl.create_default_context(cafile=str(self.ca))

    def url(self, path: str) -> str:
        return self.origin + path

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(self.url(path), method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=30) as answer:
            return json.load(answer)

    def received(self) -> list[Received]:
        listed: list[Any] = self.ask("/__received")
        return [Received(item) for item in listed if not item["path"].startswith("/__")]

    def last(self) -> Received:
        return self.received()[-1]

    def forget(self) -> None:
        self.ask("/__received", "DELETE")

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


class World:
    """The home, its owner, and what is stored and granted in it."""

    def __init__(self, root: Path, upstream: Upstream) -> None:
        self.executable = built("AGENTSECRETS_TEST_EXECUTABLE", "agentsecrets")
        self.upstream = upstream
        self.home = root / "home"
        self.directory = root / "project"
        self.directory.mkdir()
        self.use_key = root / "use.key"
        self.values: dict[str, str] = {}
        self._passphrase = secrets.token_urlsafe(16)
        self.owner("init", "--store", "file", "--unlock", f"file:{self.use_key}", "--project", PROJECT)
        self.owner("trust", "add", str(upstream.ca))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ}
        return {**kept, "HOME": str(self.home.parent), "AGENTSECRETS_HOME": str(self.home), "NO_COLOR": "1"}

    def run(self, *arguments: str, value: bytes = b"", pass_fds: Iterable[int] = ()) -> str:
        done = subprocess.run(
            [self.executable, *arguments],
            input=value,
            capture_output=True,
            cwd=self.directory,
            env=self.environment,
            pass_fds=tuple(pass_fds),
            timeout=60,
        )
        if done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()

    def owner(
        self,
        *arguments: str,
        value: bytes = b"",
        last: tuple[str, ...] = (),
        given: Mapping[str, str] | None = None,
        told: str | None = None,
    ) -> str:
        """Run a command of the owner's, and return what it prints.

        Args:
            arguments: The command.
            value: Its standard input.
            last: The end of the command.
            given: What else it reads, each by the option that names its descriptor.
            told: The option of a descriptor that it writes a code to, which is returned instead.
        """
        readers: dict[str, int] = {}
        for option, text in {"--passphrase-fd": self._passphrase + "\n", **(given or {})}.items():
            readers[option], writer = os.pipe()
            os.write(writer, text.encode())
            os.close(writer)
        ear, mouth = os.pipe()
        named = {**readers, **({} if told is None else {told: mouth})}
        words = [word for option, number in named.items() for word in (option, str(number))]
        try:
            printed = self.run(*arguments, *words, *last, value=value, pass_fds=named.values())
        finally:
            for descriptor in (mouth, *readers.values()):
                os.close(descriptor)
        with os.fdopen(ear) as code:
            return printed if told is None else code.read().strip()

    def store(self, name: str, value: str | bytes | None = None, *grant: str, weak: bool = False) -> str:
        """Store a value, a canary unless said, and grant it."""
        said = make_canary() if value is None else value
        raw = said if isinstance(said, bytes) else said.encode()
        self.run("secrets", "set", name, *(["--weak"] if weak else []), value=raw)
        if grant:
            self.owner("allow", name, *grant)
        self.values[name] = raw.decode("latin-1")
        return self.values[name]

    def allow_command(self, name: str, *argv: str) -> None:
        """Give a secret to a command."""
        self.owner("allow", name, last=("--command", "--", *argv))

    def stop(self) -> None:
        self.run("broker", "stop")


def until(happened: Callable[[], _T], seconds: float = 20.0) -> _T:
    """Wait for something to happen, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)
    return found
