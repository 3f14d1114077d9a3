"""The request that aiohttp writes to its connection, read back: HTTP/1.1 within one process (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

HIGH, LOW = 256 << 10, 64 << 10
"""Bytes that wait: above the first the writer is paused, below the second it may go on."""


class Head:
    """The head of a request."""

    def __init__(self, raw: bytes) -> None:
        first, *rest = raw.split(b"\r\n")
        self.method, self.target, _ = first.decode("ascii").split(" ", 2)
        self.headers: list[tuple[str, bytes]] = []
        for line in rest:
            name, _, value = line.partition(b":")
            self.headers.append((name.decode("ascii"), value.strip()))

    def header(self, name: str) -> str:
        """Return the first value of a name in lower case, in lower case; empty where there is none."""
        return next((value.decode("latin-1").lower() for key, value in self.headers if key.lower() == name), "")

    @property
    def is_chunked(self) -> bool:
        return self.header("transfer-encoding") == "chunked"

    @property
    def length(self) -> int:
        """Bytes of a body that is not chunked."""
        return int(self.header("content-length") or 0)


class Incoming:
    """What is written, bit by bit: first the head, then the pieces of the body."""

    def __init__(self, head_came: Callable[[Head], None], paused: Callable[[bool], None]) -> None:
        self._head_came = head_came
        self._paused = paused
        self._is_paused = False
        self._raw = bytearray()
        self._head: Head | None = None
        self._left = 0
        self._is_done = False
        self._pieces: deque[bytes] = deque()
        self._came = asyncio.Event()
        self.waiting = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what is written."""
        self._raw += data
        if self._head is None:
            end = self._raw.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = Head(bytes(self._raw[:end]))
            del self._raw[: end + 4]
            self._left = self._head.length
            self._is_done = not self._head.is_chunked and self._left == 0
            self._head_came(self._head)
        while not self._is_done and self._raw and self._take(self._head):
            pass
        self._came.set()
        if self.waiting > HIGH and not self._is_paused:
            self._is_paused = True
            self._paused(True)

    def _take(self, head: Head) -> bool:
        """Take the next part of the body; false where more of it must come first."""
        if head.is_chunked and self._left == 0:
            end = self._raw.find(b"\r\n")
            if end < 0:
                return False
            # The size, and the line end after the chunk, which is taken with it (RFC 9112, section 7.1).
            size = int(self._raw[:end].partition(b";")[0], 16)
            del self._raw[: end + 2]
            self._is_done = size == 0
            self._left = size + 2
            return not self._is_done
        piece = bytes(self._raw[: self._left])
        del self._raw[: len(piece)]
        content = piece[: max(self._left - 2, 0)] if head.is_chunked else piece
        self._left -= len(piece)
        self._is_done = not head.is_chunked and self._left == 0
        if content:
            self._pieces.append(content)
            self.waiting += len(content)
        return True

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the pieces of the body as they are written."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self.waiting -= len(piece)
                if self._is_paused and self.waiting < LOW:
                    self._is_paused = False
                    self._paused(False)
                yield piece
            if self._is_done:
                return
            self._came.clear()
            await self._came.wait()
