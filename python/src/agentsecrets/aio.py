"""The asynchronous client, for asyncio."""

from __future__ import annotations

from . import _native
from ._request import prepare
from ._response import AsyncStreamResponse, Response
from .client import Base, question, since_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Any, TypeVar

    from typing_extensions import Self, Unpack

    from ._request import Prepared
    from ._response import RawStream
    from ._secrets import AsyncAllowlist, AsyncSecrets
    from ._workspaces import AsyncWorkspaces
    from .client import Outcome
    from .types import CallOptions, GrantInfo, LogEntry, Status

    _T = TypeVar("_T")
    Start = Callable[[_native.Completions, asyncio.Future[Any]], int]


class AsyncAgentSecrets(Base):
    """Makes authenticated calls by a secret's name, on any number of event loops.

    The arguments and errors are those of ``AgentSecrets``. Cancelling a task that awaits a call
    cancels the request, down to its socket.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client and its idle connections; calls under way are finished."""
        self._native = None

    async def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        """Make a call and read the whole answer.

        ``options`` are those of ``agentsecrets.types.CallOptions``; a body or file may be an
        asynchronous iterator too. The errors are those of ``AgentSecrets.call``.
        """
        from ._loop import done

        prepared = prepare(url, method, options)
        client = self._client()
        answer, pump = await _fed(prepared, done(lambda queue, future: queue.call(future, client, prepared.request)))
        if pump is not None:
            pump.cancel()
        return Response(answer)

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> AsyncStreaming:
        """Make a call whose answer is read as it comes.

        To be used in ``async with``: entering sends the call and waits for the answer's head,
        leaving ends it. The keywords and errors are those of ``call``.
        """
        prepared = prepare(url, method, options)
        client = self._client()

        async def send() -> tuple[RawStream, asyncio.Task[None] | None]:
            from ._loop import done

            return await _fed(prepared, done(lambda queue, future: queue.stream(future, client, prepared.request)))

        return AsyncStreaming(send)

    @property
    def secrets(self) -> AsyncSecrets:
        """The names of the environment in use."""
        from ._secrets import AsyncSecrets

        return AsyncSecrets(self._ask)

    @property
    def workspaces(self) -> AsyncWorkspaces:
        """The workspaces of this home, and who is in the one in use."""
        from ._workspaces import AsyncWorkspaces

        return AsyncWorkspaces(self._ask)

    @property
    def allowlist(self) -> AsyncAllowlist:
        """The origins of the workspace."""
        from ._secrets import AsyncAllowlist

        return AsyncAllowlist(self._ask)

    async def grants(self, name: str | None = None) -> list[GrantInfo]:
        """Return the grants of the project in use, or those of one name."""
        from .types import GrantInfo, listed

        return listed(GrantInfo, await self._ask("grants", name))

    async def status(self) -> Status:
        """Return where things stand: home, store, project, server, and whether anything is wrong."""
        from .types import Status, told

        return told(Status, await self._ask("status"))

    async def logs(
        self,
        *,
        last: int | None = None,
        outcome: Outcome | None = None,
        secret: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        since: datetime | None = None,
        call: str | None = None,
    ) -> list[LogEntry]:
        """Return the calls on record, newest first. The arguments are those of the other client."""
        from .types import LogEntry, listed

        asked = since_ms(last, since)
        return listed(LogEntry, await self._ask("logs", last, outcome, secret, project, environment, asked, call))

    async def _ask(self, what: str, *arguments: object) -> Any:
        from ._loop import done

        client, ask = self._client(), question(what, arguments)
        return await done(lambda queue, future: queue.ask(future, client, ask))


async def _fed(prepared: Prepared, work: Awaitable[_T]) -> tuple[_T, asyncio.Task[None] | None]:
    """Await a call while the pieces of its body are given. What their source raises ends the call."""
    if not prepared.sources:
        return await work, None
    import asyncio

    from ._loop import pump

    feeding = asyncio.ensure_future(pump(prepared.request.feeds, prepared.sources))
    calling = asyncio.ensure_future(work)
    try:
        await asyncio.wait({feeding, calling}, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done() and not calling.done():
            feeding.result()
        return await calling, feeding
    except BaseException:
        feeding.cancel()
        calling.cancel()
        await asyncio.gather(feeding, calling, return_exceptions=True)
        raise


class AsyncStreaming:
    """A call to be streamed; ``async with`` sends it."""

    def __init__(self, send: Callable[[], Awaitable[tuple[RawStream, asyncio.Task[None] | None]]]) -> None:
        self._send = send
        self._response: AsyncStreamResponse | None = None

    async def __aenter__(self) -> AsyncStreamResponse:
        self._response = AsyncStreamResponse(*await self._send())
        return self._response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._response is not None:
            await self._response.aclose()
