"""Answers that are read as they come."""

from __future__ import annotations

import resource
import time

import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets, Cancelled, UpstreamUnreachable
from world import Upstream, World, until


def test_bytes(client: AgentSecrets, upstream: Upstream) -> None:
    with client.stream(upstream.url("/bytes?n=5m"), bearer="TOKEN") as answer:
        assert answer.status_code == 200
        length = sum(len(piece) for piece in answer.iter_bytes())
    assert length == 5 << 20


def test_a_large_answer_is_not_held(broker: AgentSecrets, upstream: Upstream) -> None:
    with broker.stream(upstream.url("/bytes?n=100m"), bearer="TOKEN") as answer:
        pieces = answer.iter_bytes()
        length = len(next(pieces))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        length += sum(len(piece) for piece in pieces)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert length == 100 << 20
    assert grown < 10 * 1024, f"{grown} KiB more"


def test_text_is_not_cut_in_a_character(client: AgentSecrets, upstream: Upstream) -> None:
    body = "aü€😀" * 2000
    with client.stream(
        upstream.url("/echo/raw"), "POST", bearer="TOKEN", body=body, headers={"content-type": "text/plain"}
    ) as answer:
        assert "".join(answer.iter_text()) == body


def test_lines_come_as_they_end(client: AgentSecrets, upstream: Upstream) -> None:
    started = time.monotonic()
    with client.stream(upstream.url("/lines?n=4&interval_ms=300"), bearer="TOKEN") as answer:
        lines: list[str] = []
        first = 0.0
        for line in answer.iter_lines():
            first = first or time.monotonic() - started
            lines.append(line)
    assert len(lines) == 4
    assert first < time.monotonic() - started - 0.5


@pytest.mark.parametrize("eol", ["lf", "crlf", "cr"])
def test_events(client: AgentSecrets, upstream: Upstream, world: World, eol: str) -> None:
    with client.stream(upstream.url(f"/sse?events=3&eol={eol}&echo=1&bom=1"), bearer="TOKEN") as answer:
        events = list(answer.iter_events())
        assert answer.redacted == ["TOKEN"]
    assert len(events) >= 3
    assert all(world.values["TOKEN"] not in event.data for event in events)


def test_leaving_closes_the_socket(client: AgentSecrets, upstream: Upstream) -> None:
    with client.stream(upstream.url("/sse?events=2&hold=1"), bearer="TOKEN") as answer:
        next(answer.iter_events())
    until(lambda: upstream.last().outcome == "client_closed")


def test_a_closed_stream_cannot_be_read(broker: AgentSecrets, upstream: Upstream) -> None:
    with broker.stream(upstream.url("/bytes?n=1m"), bearer="TOKEN") as answer:
        pieces = answer.iter_bytes()
        next(pieces)
    with pytest.raises(Cancelled):
        list(pieces)
    assert answer.redacted == []


def test_an_upstream_that_breaks_off(client: AgentSecrets, upstream: Upstream) -> None:
    with (
        client.stream(upstream.url("/drop?after=1000&of=5000"), bearer="TOKEN") as answer,
        pytest.raises(UpstreamUnreachable),
    ):
        answer.read()


def test_upload_and_download_at_once(broker: AgentSecrets, upstream: Upstream) -> None:
    with broker.stream(
        upstream.url("/upload"), "POST", bearer="TOKEN", body=(b"x" * 1000 for _ in range(500))
    ) as answer:
        assert b"500000" in answer.read()


def test_a_stream_knows_its_end(broker: AgentSecrets, upstream: Upstream) -> None:
    with broker.stream(upstream.url("/trailers"), bearer="TOKEN") as answer:
        answer.read()
        assert len(answer.trailers) > 0
    assert answer.redacted == ["TOKEN"]
    assert not answer.audit_incomplete
    answer.raise_for_status()


async def test_the_same_on_an_event_loop(aclient: AsyncAgentSecrets, upstream: Upstream, world: World) -> None:
    async with aclient.stream(upstream.url("/bytes?n=5m"), bearer="TOKEN") as answer:
        assert sum([len(piece) async for piece in answer.iter_bytes()]) == 5 << 20
    async with aclient.stream(upstream.url("/lines?n=4&echo=1"), bearer="TOKEN") as answer:
        lines = [line async for line in answer.iter_lines()]
    assert len(lines) >= 4
    assert world.values["TOKEN"] not in "".join(lines)
    async with aclient.stream(upstream.url("/sse?events=3"), bearer="TOKEN") as answer:
        assert len([event async for event in answer.iter_events()]) >= 3
    async with aclient.stream(upstream.url("/echo/raw"), "POST", bearer="TOKEN", body="ü€" * 5000) as answer:
        assert "".join([text async for text in answer.iter_text()]) == "ü€" * 5000
    async with aclient.stream(upstream.url("/sse?events=2&hold=1"), bearer="TOKEN") as answer:
        await anext(answer.iter_events())
    until(lambda: upstream.last().outcome == "client_closed")
