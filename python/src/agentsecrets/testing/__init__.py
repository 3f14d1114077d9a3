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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .. import _native
from .._request import Prepared, pieces, prepare
from .._response import AsyncStreamResponse, Response
from ..aio import AsyncAgentSecrets, AsyncStreaming
from ..client import AgentSecrets, Streaming
from ..errors import AgentSecretsError
from .leaks import assert_no_leak, find_leaks

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._response import RawStream
    from ..types import CallOptions, Pairs


@dataclass
class RecordedCall:
    """A call as the code under test made it."""

    method: str
    url: str
    options: dict[str, Any]
    """Every keyword that was given."""
    sent: list[bytes] = field(default_factory=lambda: [])
    """What the streamed parts of the body gave, one entry a part."""

    def __getattr__(self, name: str) -> Any:
        """Return a keyword of the call, ``None`` where it was not given."""
        if name in _KEYWORDS:
            return self.options.get(name)
        raise AttributeError(name)


_KEYWORDS = frozenset(
    "bearer basic header query body_field form_field headers params body form files timeout "
    "max_response retries project environment".split()
)


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

    def next(self) -> bytes | None:
        return self.chunks.pop(0) if self.chunks else None

    def ready(self) -> tuple[bytes | None] | None:
        return (self.next(),)

    def close(self) -> None:
        self.chunks = []


class _Script:
    """What the mocks share: rules, and the calls that were made."""

    _native: _native.Client | None
    _isolation: str

    def __init__(self) -> None:
        # The native client is what a mock is without.
        self._native = None
        self._isolation = "mock"
        self._closed = False
        self._rules: list[tuple[str, str | None, dict[str, Any] | AgentSecretsError]] = []
        self._told: dict[str, object] = {}
        self.calls: list[RecordedCall] = []
        """The calls made so far, oldest first."""

    def respond(
        self,
        url: str = "*",
        *,
        method: str | None = None,
        status_code: int = 200,
        headers: Pairs | None = None,
        json: object = None,
        text: str | None = None,
        content: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
        redacted: Iterable[str] = (),
    ) -> None:
        """Answer calls of a URL (``*`` stands for anything in it); the last rule that fits counts."""
        found = [(name.lower(), str(value)) for name, value in dict(headers or {}).items()]
        if json is not None:
            chunks = [_json.dumps(json).encode()]
            found = [("content-type", "application/json"), *found]
        elif text is not None:
            chunks = [text.encode()]
        elif content is not None:
            chunks = [content]
        reason = HTTPStatus(status_code).phrase if status_code in set(HTTPStatus) else ""
        said = {
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

    def tell(self, **answers: object) -> None:
        """Say what ``status``, ``logs``, ``grants``, ``secrets``, ``check`` or ``allowlist`` return."""
        self._told.update(answers)

    def _tell(self, what: str, otherwise: object) -> Any:
        return self._told.get(what, otherwise)

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

    def __init__(self, **_choices: object) -> None:
        _Script.__init__(self)

    def close(self) -> None:
        self._closed = True

    def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        return Response(self._sent(*self._record(url, method, options)))

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Streaming:
        recorded = self._record(url, method, options)
        send: Callable[[], RawStream] = lambda: self._sent(*recorded)  # noqa: E731  # Typed, as a def is not.
        return Streaming(send)

    def _sent(self, prepared: Prepared, made: RecordedCall) -> CannedAnswer:
        made.sent.extend(b"".join(pieces(source)) for source in prepared.sources)
        return self._answer(made)


class MockAsyncAgentSecrets(_Script, AsyncAgentSecrets):
    """``AsyncAgentSecrets`` without a network: records calls, and answers from a script."""

    def __init__(self, **_choices: object) -> None:
        _Script.__init__(self)

    async def aclose(self) -> None:
        self._closed = True

    async def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        return Response(await self._sent(*self._record(url, method, options)))

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> AsyncStreaming:
        recorded = self._record(url, method, options)

        async def send() -> tuple[RawStream, None]:
            return await self._sent(*recorded), None

        return AsyncStreaming(send)

    async def _sent(self, prepared: Prepared, made: RecordedCall) -> CannedAnswer:
        from .._loop import _pieces

        for source in prepared.sources:
            made.sent.append(b"".join([piece async for piece in _pieces(source)]))
        return self._answer(made)


__all__ = [
    "AsyncStreamResponse",
    "MockAgentSecrets",
    "MockAsyncAgentSecrets",
    "RecordedCall",
    "assert_no_leak",
    "find_leaks",
]
