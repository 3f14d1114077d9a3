"""The API over real TLS, run by a user of its own: it is the one place that may hold the values."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from .account import Account
from .stage import Stage

_T = TypeVar("_T")


class Upstream:
    def __init__(self, stage: Stage, account: Account, *arguments: str, address: str = "localhost") -> None:
        directory = account.folder / f"upstream-{len(list(account.folder.iterdir()))}"
        directory.mkdir(mode=0o755)
        account.own(directory)
        self.process = account.start(
            [stage.upstream_program, "--dir", str(directory), "--until-stdin-closes", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        ready = directory / "ready.json"
        until(ready.exists, "the upstream listens")
        said = json.loads(ready.read_text())
        self.port: int = said["https_port"]
        self.origin = f"https://{address}:{self.port}"
        # With --cleartext it listens without TLS too.
        self.http = f"http://{address}:{said['http_port']}"
        self.pem = (directory / "ca.pem").read_bytes()

    def url(self, path: str) -> str:
        return self.origin + path

    def open(self, request: urllib.request.Request, careless: bool = False) -> bytes:
        """Make a request as a plain program does; a careless one believes every certificate."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if careless:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())

    def plainly(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """Return what a plain program is answered."""
        return self.open(urllib.request.Request(self.url(path), headers=headers or {}))

    def _ask(self, path: str, method: str = "GET") -> Any:
        return json.loads(self.open(urllib.request.Request(self.url(path), method=method)))

    def received(self) -> list[dict[str, Any]]:
        said = self._ask("/__received")
        listed = said["received"] if isinstance(said, dict) else said
        return [item for item in listed if not item["path"].startswith("/__")]

    def bodies(self) -> list[bytes]:
        return [base64.b64decode(item["body_base64"]) for item in self.received()]

    def state(self) -> dict[str, Any]:
        """The connections that are open, and what became of each request."""
        return self._ask("/__state")

    def forget(self) -> None:
        self._ask("/__received", "DELETE")

    def saw(self, value: bytes) -> bool:
        """Whether a request arrived with the value in it, as it is or in `Authorization: Basic`."""
        wanted = (value, base64.b64encode(value))
        for item in self.received():
            text = json.dumps(item["headers"]).encode() + item["target"].encode() + base64.b64decode(item["body_base64"])
            if any(form in text for form in wanted):
                return True
        return False

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def until(happened: Callable[[], _T], what: str, seconds: float = 30) -> _T:
    """Wait for something to happen, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in {seconds:.0f} s it did not come to be that {what}")
        time.sleep(0.01)
    return found
