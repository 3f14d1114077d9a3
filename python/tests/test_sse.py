"""Lines and events from text in any pieces (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

import pytest

from agentsecrets import Event
from agentsecrets._sse import EventParser, LineSplitter

STREAM = (
    "\ufeff: a comment\r\n"
    "data: one\r\ndata:two\r\ndata\r\n\r\n"
    'event: named\nid: 7\ndata: {"a": 1}\n\n'
    "retry: 250\rdata:  spaced\r\r"
    "id\ndata: no id\n\n"
    "id: bad\0id\nretry: 1x\nunknown: field\ndata: x\n\n"
    "event: without data\n\n"
    "data: cut off"
)
EVENTS = [
    Event("message", "one\ntwo\n"),
    Event("named", '{"a": 1}', "7"),
    Event("message", " spaced", "7", 250),
    Event("message", "no id"),
    Event("message", "x"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_in_any_pieces(size: int) -> None:
    parser = EventParser()
    found = [event for at in range(0, len(STREAM), size) for event in parser.feed(STREAM[at : at + size])]
    assert found == EVENTS
    assert found[1].json() == {"a": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_in_any_pieces(size: int) -> None:
    text = "a\nb\r\nc\rd\r\n\n\re\u2028f"
    lines = LineSplitter()
    found = [line for at in range(0, len(text), size) for line in lines.feed(text[at : at + size])]
    assert found + lines.end() == ["a", "b", "c", "d", "", "", "e\u2028f"]


def test_a_line_is_given_at_its_end() -> None:
    lines = LineSplitter()
    assert lines.feed("a\r") == ["a"]
    assert lines.feed("\n") == []
    assert lines.feed("b\n") == ["b"]
    assert lines.end() == []
