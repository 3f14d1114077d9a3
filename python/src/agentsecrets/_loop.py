"""Awaiting what the runtime's threads do: one queue for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from . import _native
from ._request import CHUNK, piece_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from ._response import RawStream
    from .types import Source

_queues: dict[asyncio.AbstractEventLoop, _native.Completions] = {}


def _queue(loop: asyncio.AbstractEventLoop) -> _native.Completions:
    found = _queues.get(loop)
    if found is None:
        for ended in [known for known in list(_queues) if known.is_closed()]:
            abandoned = _queues.pop(ended, None)
            if abandoned is not None:
                abandoned.close()
        found = _queues[loop] = _native.Completions()
        loop.add_reader(found.fileno(), found.drain)
    return found


async def done(start: Callable[[_native.Completions, asyncio.Future[Any]], int]) -> Any:
    """Start a piece of work and await it. Cancelled, the work is given up and its socket closed."""
    loop = asyncio.get_running_loop()
    queue, future = _queue(loop), loop.create_future()
    number = start(queue, future)
    try:
        return await future
    except BaseException:
        queue.abort(number)
        raise


async def next_piece(stream: RawStream, timeout: float | None = None) -> bytes | None:
    """Await the next piece of a body, this many seconds at most; ``None`` is its end."""
    if not isinstance(stream, _native.Stream):
        return stream.next()
    reading = done(lambda queue, future: queue.piece(future, stream))
    try:
        piece: bytes | None = await asyncio.wait_for(reading, timeout)
    except asyncio.TimeoutError:
        from .errors import Timeout

        raise Timeout(f"nothing came for {timeout} s") from None
    return piece


async def pump(feeds: list[_native.Feed], sources: list[Source]) -> None:
    """Give the pieces of streamed bodies as they are wanted."""
    for feed, source in zip(feeds, sources, strict=True):
        async for piece in pieces(source):
            if not await _wanted(feed):
                return
            feed.put(piece)
        if await _wanted(feed):
            feed.put(None)


async def _wanted(feed: _native.Feed) -> bool:
    wanted: bool = await done(lambda queue, future: queue.wanted(future, feed))
    return wanted


async def pieces(source: Source) -> AsyncIterator[bytes]:
    """Give the pieces of a file or iterable, asynchronous or not."""
    read: Callable[[int], object] | None = getattr(source, "read", None)
    if read is not None:
        # A file may wait for a disk or a pipe, so it is read beside the loop.
        while piece := piece_of(await asyncio.to_thread(read, CHUNK)):
            yield piece
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece_of(piece)
    else:
        for piece in source:
            yield piece_of(piece)
