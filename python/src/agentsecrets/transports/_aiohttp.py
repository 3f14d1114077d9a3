"""A connector for aiohttp: its connections end in this process, where what is written to them becomes a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from .._request import AsyncMeasured
from ..aio import AsyncAgentSecrets
from ..errors import AgentSecretsError, InvalidCall, Timeout
from ._exchange import TRANSIENT, ClientOptions, call_options, encoded, lend, refusal
from ._wire import Head, Incoming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import ClientRequest
    from typing_extensions import Unpack

    from .._response import AsyncStreamResponse

_BODILESS = frozenset({204, 304})


class AiohttpConnector(aiohttp.BaseConnector):
    """A connector for ``aiohttp.ClientSession(connector=AiohttpConnector())``.

    aiohttp believes that it has a connection of its own; nothing of it leaves the process, and neither TLS nor names
    are its affair (``ssl=`` says nothing here). Redirects and all time limits are the library's. A refusal is raised as
    the ``AgentSecretsError`` it is, which is then an ``aiohttp.ClientError`` too; what fails on the way is aiohttp's
    own error. WebSockets and proxies are refused.

    Args:
        client: Makes the calls, and is not closed here; without it the connector makes one and closes it.
        limit: How many calls at a time; 100 unless said.
        limit_per_host: The same for each origin; no limit unless said.
        options: Of ``AsyncAgentSecrets``, for the client that it makes.

    Raises:
        TypeError: A client and options are said.
    """

    allowed_protocol_schema_set = frozenset({"http", "https"})

    def __init__(
        self,
        client: AsyncAgentSecrets | None = None,
        *,
        limit: int = 100,
        limit_per_host: int = 0,
        **options: Unpack[ClientOptions],
    ) -> None:
        # A connection serves one call: to the broker they are reused beneath.
        super().__init__(limit=limit, limit_per_host=limit_per_host, force_close=True)
        self._client, self._is_own = lend(AsyncAgentSecrets, client, options)

    async def _create_connection(self, req: ClientRequest, traces: Any, timeout: Any) -> ResponseHandler:  # noqa: ARG002
        if req.proxy:
            raise refusal(InvalidCall("a call through AgentSecrets takes no proxy"), aiohttp.ClientError)
        protocol = ResponseHandler(loop=self._loop)
        protocol.connection_made(_Connection(self._loop, protocol, self._client, str(req.url.origin())))
        return protocol

    def _close(self, **said: Any) -> Any:
        if self._is_own:
            # All that `aclose` does, which nobody here could await.
            self._client._native = None  # pyright: ignore[reportPrivateUsage]
        return cast("Any", super())._close(**said)


class _Connection(asyncio.Transport):
    """A connection's two directions: the request that is written to it, and the answer that it is read from."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: ResponseHandler, client: AsyncAgentSecrets, origin: str
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._client = client
        self._origin = origin
        self._incoming = Incoming(self._begin, self._pause_writer)
        self._task: asyncio.Task[None] | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self._incoming.feed(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for data in list_of_data:
            self.write(data)

    def get_write_buffer_size(self) -> int:
        return self._incoming.waiting

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._task is not None:
            self._task.cancel()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def _pause_writer(self, paused: bool) -> None:
        if paused:
            self._protocol.pause_writing()
        else:
            self._protocol.resume_writing()

    def _begin(self, head: Head) -> None:
        if head.header("expect") == "100-continue":
            # Whether the upstream takes the body is seen when it is sent: the client that asks would wait for ever.
            self._loop.call_soon(self._protocol.data_received, b"HTTP/1.1 100 Continue\r\n\r\n")
        self._task = self._loop.create_task(self._call(head))

    async def _call(self, head: Head) -> None:
        try:
            if head.header("upgrade"):
                raise InvalidCall("a request that changes the protocol is not for this connector")
            body: Any = None
            if head.is_chunked:
                body = self._incoming.pieces()
            elif head.length:
                body = AsyncMeasured(self._incoming.pieces(), head.length)
            url = self._origin + head.target
            async with self._client.stream(url, head.method, **call_options(head.headers, body, None)) as answer:
                await self._answer(head, answer)
        except AgentSecretsError as error:
            failed = _failure(error)
            self._fail(failed, error)
        except Exception as error:
            # Nobody awaits this task, and the library must not wait for an answer that never comes.
            self._fail(error, error)

    def _fail(self, failed: Exception, cause: Exception) -> None:
        self._protocol.set_exception(failed, cause)
        # With an error, a body that was begun is told of it as well.
        self._end(failed)

    async def _answer(self, head: Head, answer: AsyncStreamResponse) -> None:
        """Write the answer as HTTP/1.1, in chunks where nobody has said its length."""
        has_length = "content-length" in answer.headers
        bodiless = head.method == "HEAD" or answer.status_code in _BODILESS
        lines = [f"HTTP/1.1 {answer.status_code} {answer.reason}".encode("ascii", "replace")]
        lines += [name + b": " + value for name, value in encoded(answer)]
        lines.append(b"connection: close")
        is_chunked = not (has_length or bodiless)
        if is_chunked:
            lines.append(b"transfer-encoding: chunked")
        self._protocol.data_received(b"\r\n".join(lines) + b"\r\n\r\n")
        async for piece in answer.iter_bytes():
            await self._may_read.wait()
            if piece:
                self._protocol.data_received(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            self._protocol.data_received(b"0\r\n\r\n")


def _failure(error: AgentSecretsError) -> Exception:
    """Return what went wrong as aiohttp would have it."""
    if not isinstance(error, TRANSIENT):
        return refusal(error, aiohttp.ClientError)
    kind = aiohttp.ServerTimeoutError if isinstance(error, Timeout) else aiohttp.ClientConnectionError
    failed = kind(str(error))
    failed.__cause__ = error
    return failed
