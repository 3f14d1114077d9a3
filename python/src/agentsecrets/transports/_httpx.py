"""Transports for httpx and for httpx2, its successor, which has the same interface under another name."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from .._request import AsyncMeasured, Measured
from ..aio import AsyncAgentSecrets, AsyncStreaming
from ..client import AgentSecrets, Streaming
from ..errors import AgentSecretsError, Timeout, UndecodableResponse
from ._exchange import TRANSIENT, ClientOptions, call_options, encoded, lend, refusal

if TYPE_CHECKING:
    import httpx
    import httpx2
    from typing_extensions import Self, Unpack

    # Theirs are of one shape, and each names its own classes in it.
    class _Sync(httpx.BaseTransport, httpx2.BaseTransport): ...  # type: ignore[misc]  # pyright: ignore[reportIncompatibleMethodOverride]

    class _Async(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport): ...  # type: ignore[misc]  # pyright: ignore[reportIncompatibleMethodOverride]

else:
    # Neither library looks at a transport's class, so neither is imported for it: the request says whose it is.
    _Sync = _Async = object

LIBRARIES = ("httpx", "httpx2")

if not any(find_spec(name) for name in LIBRARIES):
    raise ModuleNotFoundError("httpx is not installed", name="httpx")


class HttpxTransport(_Sync):
    """A transport for ``httpx.Client`` and ``httpx2.Client``.

    Redirects are the library's: each comes here as a request of its own, and policy decides on it as on any other.
    A refusal is raised as the ``AgentSecretsError`` it is; what fails on the way as the library's own error, with the
    ``AgentSecretsError`` as its cause. The library's read timeout (seconds) is the time to the answer's head, with the
    time to connect added, and then the time to each piece.

    Args:
        client: Makes the calls, and is not closed here; without it the transport makes one and closes it.
        options: Of ``AgentSecrets``, for the client that it makes.

    Raises:
        TypeError: Both are said.
    """

    def __init__(self, client: AgentSecrets | None = None, **options: Unpack[ClientOptions]) -> None:
        self._client, self._is_own = lend(AgentSecrets, client, options)

    def handle_request(self, request: Any) -> Any:
        """Send the library's request and return its response, once the head is there."""
        library, headers = _library(request), [(name.decode("ascii"), value) for name, value in request.headers.raw]
        limits = request.extensions.get("timeout", {})
        said = call_options(headers, _body(request, Measured), _until_head(limits))
        streaming = self._client.stream(_url(request), request.method, **said)
        try:
            answer = streaming.__enter__()
        except AgentSecretsError as error:
            _raise(library, error, request, "ConnectError")
        body = _streams(library)[0](streaming, answer.iter_bytes(_limit(limits)), library, request)
        return _response(library, answer, body)

    def close(self) -> None:
        """Close the client, where the transport made it."""
        if self._is_own:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncHttpxTransport(_Async):
    """A transport for ``httpx.AsyncClient`` and ``httpx2.AsyncClient``, on asyncio; else as ``HttpxTransport``."""

    def __init__(self, client: AsyncAgentSecrets | None = None, **options: Unpack[ClientOptions]) -> None:
        self._client, self._is_own = lend(AsyncAgentSecrets, client, options)

    async def handle_async_request(self, request: Any) -> Any:
        """Send the library's request and return its response, once the head is there."""
        library, headers = _library(request), [(name.decode("ascii"), value) for name, value in request.headers.raw]
        limits = request.extensions.get("timeout", {})
        said = call_options(headers, _body(request, AsyncMeasured), _until_head(limits))
        streaming = self._client.stream(_url(request), request.method, **said)
        try:
            answer = await streaming.__aenter__()
        except AgentSecretsError as error:
            _raise(library, error, request, "ConnectError")
        body = _streams(library)[1](streaming, answer.iter_bytes(_limit(limits)), library, request)
        return _response(library, answer, body)

    async def aclose(self) -> None:
        """Close the client, where the transport made it."""
        if self._is_own:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _library(request: object) -> ModuleType:
    """Return the library that the request is of, also where the request's class is somebody's subclass."""
    roots = (kind.__module__.partition(".")[0] for kind in type(request).__mro__)
    return sys.modules[next(root for root in roots if root in LIBRARIES)]


def _url(request: Any) -> str:
    # Without what stands before an `@`, which the library has made a header of, and without the fragment.
    url = request.url
    return str((url.raw_scheme + b"://" + url.netloc + url.raw_path).decode("ascii"))


def _body(request: Any, measured: type[Measured]) -> Any:
    """Return the body: bytes at hand, or pieces, with their length where the library has said it."""
    try:
        return request.content or None
    except _library(request).RequestNotRead:
        length = request.headers.get("content-length")
        return request.stream if length is None else measured(request.stream, int(length))


def _limit(limits: dict[str, float | None]) -> float | None:
    return limits.get("read") or None


def _until_head(limits: dict[str, float | None]) -> float | None:
    connect, read = limits.get("connect"), limits.get("read")
    return None if connect is None or read is None else max(connect + read, 0.001)


def _response(library: ModuleType, answer: Any, body: Any) -> Any:
    # The broker answers in HTTP/1.1, whatever it speaks to the upstream. No body is longer than was said: it has been
    # decoded, and its coding and length were taken from the headers.
    said = {"http_version": b"HTTP/1.1", "reason_phrase": answer.reason.encode("ascii", "ignore")}
    return library.Response(answer.status_code, headers=encoded(answer), stream=body, extensions=said)


def _raise(library: ModuleType, error: AgentSecretsError, request: Any, otherwise: str) -> NoReturn:
    """Raise what went wrong as the library would have."""
    if not isinstance(error, TRANSIENT):
        raise refusal(error)
    name = otherwise
    if isinstance(error, Timeout):
        name = "ReadTimeout"
    elif isinstance(error, UndecodableResponse):
        name = "DecodingError"
    raise getattr(library, name)(str(error), request=request) from error


class _Body:
    """A response's body."""

    def __init__(self, streaming: Any, pieces: Any, library: ModuleType, request: Any) -> None:
        self._streaming = streaming
        self._pieces = pieces
        self._library = library
        self._request = request


class _SyncBody(_Body):
    _streaming: Streaming

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except AgentSecretsError as error:
            _raise(self._library, error, self._request, "ReadError")

    def close(self) -> None:
        self._streaming.__exit__(None, None, None)


class _AsyncBody(_Body):
    _streaming: AsyncStreaming

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except AgentSecretsError as error:
            _raise(self._library, error, self._request, "ReadError")

    async def aclose(self) -> None:
        await self._streaming.__aexit__(None, None, None)


@cache
def _streams(library: ModuleType) -> tuple[Any, Any]:
    """Return the two kinds of body as the library wants them: it does look at their class."""
    return (
        type("Body", (_SyncBody, library.SyncByteStream), {}),
        type("AsyncBody", (_AsyncBody, library.AsyncByteStream), {}),
    )
