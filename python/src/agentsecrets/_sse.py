"""Lines and server-sent events, from text in any pieces."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codecs import IncrementalDecoder


class Event:
    """A server-sent event (WHATWG HTML, "Server-sent events")."""

    __slots__ = ("data", "event", "id", "retry")

    event: str
    """The event's type; ``message`` where the stream names none."""
    data: str
    """The data lines, joined by line feeds."""
    id: str
    """The last event id seen so far; empty where there was none."""
    retry: int | None
    """How long to wait before a new connection, in milliseconds, where this event said so."""

    def __init__(self, event: str, data: str, id: str = "", retry: int | None = None) -> None:  # noqa: A002  # The stream's own word.
        self.event = event
        self.data = data
        self.id = id
        self.retry = retry

    def json(self) -> object:
        """Parse the data as JSON.

        Raises:
            json.JSONDecodeError: It is no JSON.
        """
        import json

        return json.loads(self.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        mine = (self.event, self.data, self.id, self.retry)
        return mine == (other.event, other.data, other.id, other.retry)

    def __hash__(self) -> int:
        return hash((self.event, self.data, self.id, self.retry))

    def __repr__(self) -> str:
        return f"Event(event={self.event!r}, data={self.data!r}, id={self.id!r}, retry={self.retry!r})"


class LineSplitter:
    """Cuts text at LF, CR and CRLF. A line is given at its end, not when the next one begins."""

    __slots__ = ("_after_cr", "_rest")

    def __init__(self) -> None:
        self._rest: list[str] = []
        self._after_cr = False

    def feed(self, text: str) -> list[str]:
        """Return the lines that end in this piece."""
        if self._after_cr and text:
            # A CR ended the line before; an LF now belongs to it.
            self._after_cr = False
            if text[0] == "\n":
                text = text[1:]
        if not text:
            return []
        if text[-1] == "\r":
            self._after_cr = True
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest.append(lines[0])
        if len(lines) == 1:
            return []
        lines[0] = "".join(self._rest)
        last = lines.pop()
        self._rest = [last] if last else []
        return lines

    def end(self) -> list[str]:
        """Return the last line, where the text does not end with a line's end."""
        rest, self._rest = "".join(self._rest), []
        return [rest] if rest else []


class EventParser:
    """Reads events from text in any pieces."""

    __slots__ = ("_data", "_event", "_id", "_lines", "_retry", "_start")

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None
        self._start = True

    def feed(self, text: str) -> list[Event]:
        """Return the events that end in this piece. One cut off at the stream's end is none."""
        if self._start and text:
            self._start = False
            text = text.removeprefix("\ufeff")
        found: list[Event] = []
        for line in self._lines.feed(text):
            if line:
                self._field(line)
            elif (event := self._dispatch()) is not None:
                found.append(event)
        return found

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value)

    def _dispatch(self) -> Event | None:
        data, event, retry = self._data, self._event, self._retry
        self._data, self._event = [], ""
        if not data:
            return None
        self._retry = None
        return Event(event or "message", "\n".join(data), self._id, retry)


def utf8() -> IncrementalDecoder:
    """Return the decoder of an event stream, which is UTF-8 whatever its content type says."""
    import codecs

    return codecs.getincrementaldecoder("utf-8")("replace")
