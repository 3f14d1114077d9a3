"""What comes back: a whole response, or one that is read as it comes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, Protocol

    from typing_extensions import Self

    from ._headers import Headers
    from ._sse import Event

    class RawHead(Protocol):
        """The head of an answer, native or canned."""

        @property
        def status_code(self) -> int: ...
        @property
        def reason(self) -> str: ...
        @property
        def url(self) -> str: ...
        @property
        def headers(self) -> list[tuple[str, str]]: ...

    class RawResponse(RawHead, Protocol):
        """A whole answer, native or canned."""

        @property
        def trailers(self) -> list[tuple[str, str]]: ...
        @property
        def content(self) -> bytes: ...
        @property
        def redacted(self) -> list[str]: ...
        @property
        def duration_ms(self) -> float: ...
        @property
        def audit_incomplete(self) -> bool: ...

    class RawStream(RawHead, Protocol):
        """An answer that is read as it comes, native or canned."""

        def tail(self) -> tuple[list[str], list[tuple[str, str]], bool]: ...
        def next(self, timeout: float | None = None) -> bytes | None: ...
        def ready(self) -> tuple[bytes | None] | None: ...
        def close(self) -> None: ...


_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Head:
    __slots__ = ("_headers", "_raw", "_raw_head")

    def __init__(self, raw: RawHead) -> None:
        self._raw_head = raw
        self._headers: Headers | None = None

    @property
    def status_code(self) -> int:
        """The upstream's status."""
        return self._raw_head.status_code

    @property
    def reason(self) -> str:
        """The upstream's reason phrase, or the usual one of the status."""
        return self._raw_head.reason

    @property
    def url(self) -> str:
        """The URL that answered, after same-origin redirects; its query values are hidden."""
        return self._raw_head.url

    @property
    def headers(self) -> Headers:
        """The upstream's headers, redacted."""
        if self._headers is None:
            from ._headers import Headers

            self._headers = Headers(self._raw_head.headers)
        return self._headers

    @property
    def charset(self) -> str:
        """The charset of the content type where Python knows it, else ``utf-8``."""
        import codecs

        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                try:
                    return codecs.lookup(value.strip().strip("\"'")).name
                except (LookupError, ValueError):
                    break
        return "utf-8"

    def raise_for_status(self) -> Self:
        """Return the response itself.

        Raises:
            UpstreamError: The status is 4xx or 5xx. ``retryable`` says whether to try again.
        """
        if self.status_code < 400:
            return self
        from .errors import UpstreamError

        raise UpstreamError(
            f"the upstream answered {self.status_code} {self.reason}".rstrip(),
            retryable=self.status_code in _RETRYABLE,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"


class Response(_Head):
    """An answer whose body has been read, with every known value taken out."""

    __slots__ = ("_content",)

    _raw: RawResponse

    def __init__(self, raw: RawResponse) -> None:
        super().__init__(raw)
        self._raw = raw
        self._content: bytes | None = None

    @property
    def content(self) -> bytes:
        """The body, decoded and redacted."""
        if self._content is None:
            self._content = self._raw.content
        return self._content

    @property
    def text(self) -> str:
        """The body as text in ``charset``; what does not decode becomes U+FFFD."""
        return self.content.decode(self.charset, "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            json.JSONDecodeError: It is no JSON.
        """
        import json

        return json.loads(self.content)

    @property
    def redacted(self) -> list[str]:
        """The names of the values that came back and were taken out."""
        return self._raw.redacted

    @property
    def trailers(self) -> Headers:
        """The trailer fields, redacted."""
        from ._headers import Headers

        return Headers(self._raw.trailers)

    @property
    def duration_ms(self) -> float:
        """From the call to the last byte, in milliseconds."""
        return self._raw.duration_ms

    @property
    def audit_incomplete(self) -> bool:
        """Whether the record of this call's end could not be written."""
        return self._raw.audit_incomplete


class _Streamed(_Head):
    __slots__ = ("_tail",)

    _raw: RawStream

    def __init__(self, raw: RawStream) -> None:
        super().__init__(raw)
        self._raw = raw
        self._tail: tuple[list[str], list[tuple[str, str]], bool] | None = None

    def _told(self) -> tuple[list[str], list[tuple[str, str]], bool]:
        return self._raw.tail() if self._tail is None else self._tail

    @property
    def redacted(self) -> list[str]:
        """The names redacted so far; complete when the body has been read."""
        return self._told()[0]

    @property
    def trailers(self) -> Headers:
        """The trailer fields, redacted; there are none before the body has been read."""
        from ._headers import Headers

        return Headers(self._told()[1])

    @property
    def audit_incomplete(self) -> bool:
        """Whether the record of this call's end could not be written."""
        return self._told()[2]

    def _end(self) -> None:
        from .errors import AgentSecretsError

        if self._tail is None:
            try:
                self._tail = self._raw.tail()
            except AgentSecretsError:
                # The call was given up before its end: there is nothing to tell of it.
                self._tail = ([], [], False)
        self._raw.close()

    def _decoder(self) -> IncrementalDecoder:
        import codecs

        return codecs.getincrementaldecoder(self.charset)("replace")


class StreamResponse(_Streamed):
    """An answer that is read as it comes; one way of reading, once."""

    __slots__ = ()

    def iter_bytes(self, timeout: float | None = None) -> Iterator[bytes]:
        """Give the body in the pieces it comes in, decoded and redacted.

        Args:
            timeout: Seconds to wait for each piece; without limit unless said.

        Raises:
            UpstreamUnreachable: The upstream broke off.
            Timeout: Nothing came in time.
            UndecodableResponse: The content coding is unknown or broken.
            Cancelled: The stream is closed.
        """
        while (piece := self._raw.next(timeout)) is not None:
            yield piece

    def iter_text(self) -> Iterator[str]:
        """Give the body as text; a character is never cut, and what does not decode is U+FFFD."""
        decoder = self._decoder()
        for piece in self.iter_bytes():
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Give the lines, without their ends (LF, CR or CRLF), each as soon as it ends."""
        from ._sse import LineSplitter

        lines = LineSplitter()
        for text in self.iter_text():
            yield from lines.feed(text)
        yield from lines.end()

    def iter_events(self) -> Iterator[Event]:
        """Give the server-sent events, each as soon as its empty line is there."""
        from ._sse import EventParser, utf8

        parser, decoder = EventParser(), utf8()
        for piece in self.iter_bytes():
            yield from parser.feed(decoder.decode(piece))

    def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join(self.iter_bytes())

    def close(self) -> None:
        """End the call; what was not read is not read any more."""
        self._end()


class AsyncStreamResponse(_Streamed):
    """An answer that is read as it comes, on an event loop; one way of reading, once."""

    __slots__ = ("_pump",)

    def __init__(self, raw: RawStream, pump: Any = None) -> None:
        super().__init__(raw)
        self._pump = pump

    async def iter_bytes(self, timeout: float | None = None) -> AsyncIterator[bytes]:
        """Give the body in the pieces it comes in, decoded and redacted.

        Args:
            timeout: Seconds to wait for each piece; without limit unless said.

        Raises:
            UpstreamUnreachable: The upstream broke off.
            Timeout: Nothing came in time.
            UndecodableResponse: The content coding is unknown or broken.
            Cancelled: The stream is closed, or a read was cancelled, which ends the call.
        """
        from ._loop import next_piece

        while True:
            ready = self._raw.ready()
            piece = await next_piece(self._raw, timeout) if ready is None else ready[0]
            if piece is None:
                return
            yield piece

    async def iter_text(self) -> AsyncIterator[str]:
        """Give the body as text; a character is never cut, and what does not decode is U+FFFD."""
        decoder = self._decoder()
        async for piece in self.iter_bytes():
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", True):
            yield text

    async def iter_lines(self) -> AsyncIterator[str]:
        """Give the lines, without their ends (LF, CR or CRLF), each as soon as it ends."""
        from ._sse import LineSplitter

        lines = LineSplitter()
        async for text in self.iter_text():
            for line in lines.feed(text):
                yield line
        for line in lines.end():
            yield line

    async def iter_events(self) -> AsyncIterator[Event]:
        """Give the server-sent events, each as soon as its empty line is there."""
        from ._sse import EventParser, utf8

        parser, decoder = EventParser(), utf8()
        async for piece in self.iter_bytes():
            for event in parser.feed(decoder.decode(piece)):
                yield event

    async def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join([piece async for piece in self.iter_bytes()])

    async def aclose(self) -> None:
        """End the call; what was not read is not read any more."""
        if self._pump is not None:
            self._pump.cancel()
        self._end()
