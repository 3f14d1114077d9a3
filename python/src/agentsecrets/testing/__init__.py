"""Tests without a network: clients that record calls and answer from a script.

```python
mock = MockAgentSecrets()
mock.respond("https://api.stripe.com/*", json={"ok": True})
code_under_test(mock)
assert mock.calls[0].bearer == "STRIPE_KEY"
```

The rules about arguments are the real ones: what the real client refuses as ``InvalidCall`` is
refused here. Policy, store and upstream are not played; say their errors with ``fail``.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, cast

from .. import _native
from .._loop import pieces as pieces_of
from .._request import Prepared, pieces, prepare
from .._response import AsyncStreamResponse, Response
from ..aio import AsyncAgentSecrets, AsyncStreaming
from ..client import AgentSecrets, Streaming
from ..errors import AgentSecretsError
from ..types import CallOptions
from .leaks import assert_no_leak, find_leaks

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .._response import RawStream


def _nothing() -> list[bytes]:
    return []


@dataclass
class RecordedCall:
    """A call as the code under test made it."""

    method: str
    url: str
    options: dict[str, Any]
    """Every keyword that was given."""
    sent: list[bytes] = field(default_factory=_nothing)
    """What the streamed parts of the body gave, one entry a part."""

    def __getattr__(self, name: str) -> Any:
        """Return a keyword of the call, ``None`` where it was not given."""
        if name in _KEYWORDS:
            return self.options.get(name)
        raise AttributeError(name)


_KEYWORDS = frozenset(CallOptions.__optional_keys__)
_EPOCH = "1970-01-01T00:00:00Z"
_NOTHING: dict[str, dict[str, object]] = {
    "pull": {"pulled": [], "conflicts": [], "unpushed": []},
    "push": {"pushed": [], "conflicts": [], "needs_owner": []},
    "use_workspace": {},
}
"""What is told by name where it is no empty list: a mock has nothing to share."""


class CannedAnswer:
    """An answer out of a script; what the native half has, without it."""

    def __init__(self, url: str, said: dict[str, Any]) -> None:
        self.url = url
        self.status_code: int = said["status_code"]
        self.headers: list[tuple[str, str]] = list(said["headers"])
        self.reason: str = said["reason"]
        self.chunks: list[bytes] = list(said["chunks"])
        self.content = b"".join(self.chunks)
        self.redacted: list[str] = list(said["redacted"])
        self.trailers: list[tuple[str, str]] = []
        self.duration_ms = 0.0
        self.audit_incomplete = False

    def tail(self) -> tuple[list[str], list[tuple[str, str]], bool]:
        return self.redacted, self.trailers, False

    def next(self, timeout: float | None = None) -> bytes | None:  # noqa: ARG002  # A canned piece is there.
        return self.chunks.pop(0) if self.chunks else None

    def ready(self) -> tuple[bytes | None] | None:
        return (self.next(),)

    def close(self) -> None:
        self.chunks = []


class _Script:
    """What the mocks share: rules, and the calls that were made."""

    _native: _native.Client | None
    _isolation: str

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The native client is what a mock is without.
        self._native = None
        self._isolation = "mock"
        self._closed = False
        self._names = list(secrets)
        self._rules: list[tuple[str, str | None, dict[str, Any] | AgentSecretsError]] = []
        self.calls: list[RecordedCall] = []
        """The calls made so far, oldest first."""

    def respond(
        self,
        url: str = "*",
        *,
        method: str | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        text: str | None = None,
        content: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
        redacted: Iterable[str] = (),
    ) -> None:
        """Answer calls of a URL (``*`` stands for anything in it); the last rule that fits counts."""
        found = [(name.lower(), value) for name, value in (headers or {}).items()]
        if json is not None:
            chunks = [_json.dumps(json).encode()]
            found = [("content-type", "application/json"), *found]
        elif text is not None:
            chunks = [text.encode()]
        elif content is not None:
            chunks = [content]
        reason = HTTPStatus(status_code).phrase if status_code in set(HTTPStatus) else ""
        said: dict[str, Any] = {
            "status_code": status_code,
            "reason": reason,
            "headers": found,
            "chunks": list(chunks or ()),
            "redacted": list(redacted),
        }
        self._rules.append((url, method, said))

    def fail(self, error: AgentSecretsError, url: str = "*", *, method: str | None = None) -> None:
        """Refuse calls of a URL with an error, as in ``fail(DestinationNotAllowed("no"))``."""
        self._rules.append((url, method, error))

    def workspace(self, name: str, *, project: str | None = None) -> Self:  # noqa: ARG002  # A mock has but one.
        """Return the mock: it is in every workspace."""
        return self

    def _client(self) -> NoReturn:
        from ..errors import NeedsBroker

        raise NeedsBroker("a mock starts no child")

    def _told(self, what: str, arguments: tuple[object, ...]) -> object:
        if what == "secrets":
            said: dict[str, object] = {"version": 1, "created": _EPOCH, "updated": _EPOCH, "destinations": []}
            return [{"name": name, **said} for name in self._names]
        if what == "check":
            asked = cast("list[str]", arguments[0])
            return [{"name": name, "present": name in self._names, "granted": name in self._names} for name in asked]
        if what == "status":
            return {
                "version": "mock",
                "home": "",
                "isolation": "mock",
                "store": "",
                "use_key": "",
                "locked": False,
                "owner": False,
                "secrets": len(self._names),
            }
        return _NOTHING.get(what, [])

    def _record(self, url: str, method: str, options: CallOptions) -> tuple[Prepared, RecordedCall]:
        if self._closed:
            from .._request import invalid

            invalid("the client is closed")
        prepared = prepare(url, method, options)
        made = RecordedCall(method.upper(), str(url), dict(options))
        self.calls.append(made)
        return prepared, made

    def _answer(self, made: RecordedCall) -> CannedAnswer:
        for pattern, method, said in reversed(self._rules):
            if fnmatchcase(made.url, pattern) and method in (None, made.method):
                if isinstance(said, AgentSecretsError):
                    raise said
                return CannedAnswer(made.url, said)
        raise LookupError(f"no rule for {made.method} {made.url}: say one with respond()")


class MockAgentSecrets(_Script, AgentSecrets):
    """``AgentSecrets`` without a network: records calls, and answers from a script."""

    def __init__(self, *, secrets: Iterable[str] = (), **_choices: object) -> None:
        _Script.__init__(self, secrets)

    def close(self) -> None:
        """Close the client: later calls are refused."""
        self._closed = True

    def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        """Record a call, and answer from the script."""
        return Response(self._sent(*self._record(url, method, options)))

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Streaming:
        """Record a call, and answer from the script as it comes."""
        recorded = self._record(url, method, options)
        return Streaming(lambda: self._sent(*recorded))

    def _ask(self, what: str, *arguments: object) -> Any:
        return self._told(what, arguments)

    def _sent(self, prepared: Prepared, made: RecordedCall) -> CannedAnswer:
        made.sent.extend(b"".join(pieces(source)) for source in prepared.sources)
        return self._answer(made)


class MockAsyncAgentSecrets(_Script, AsyncAgentSecrets):
    """``AsyncAgentSecrets`` without a network: records calls, and answers from a script."""

    def __init__(self, *, secrets: Iterable[str] = (), **_choices: object) -> None:
        _Script.__init__(self, secrets)

    async def aclose(self) -> None:
        """Close the client: later calls are refused."""
        self._closed = True

    async def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        """Record a call, and answer from the script."""
        return Response(await self._sent(*self._record(url, method, options)))

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> AsyncStreaming:
        """Record a call, and answer from the script as it comes."""
        recorded = self._record(url, method, options)

        async def send() -> tuple[RawStream, None]:
            return await self._sent(*recorded), None

        return AsyncStreaming(send)

    async def _ask(self, what: str, *arguments: object) -> Any:
        return self._told(what, arguments)

    async def _sent(self, prepared: Prepared, made: RecordedCall) -> CannedAnswer:
        for source in prepared.sources:
            made.sent.append(b"".join([piece async for piece in pieces_of(source)]))
        return self._answer(made)


__all__ = [
    "AsyncStreamResponse",
    "MockAgentSecrets",
    "MockAsyncAgentSecrets",
    "RecordedCall",
    "assert_no_leak",
    "find_leaks",
]
