"""httpx and httpx2 over a real broker: bodies, streams, limits, redirects, errors."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from agentsecrets import (
    AgentSecrets,
    AsyncAgentSecrets,
    DestinationNotAllowed,
    InvalidCall,
    NothingToInject,
    SecretRef,
    SlotNotAllowed,
    Timeout,
    UpstreamUnreachable,
)
from agentsecrets.transports import AsyncHttpxTransport, HttpxTransport
from world import PROJECT, Upstream, World, until

BEARER = {"Authorization": f"Bearer {SecretRef('TOKEN').placeholder}"}


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def sync(library: Any, broker: AgentSecrets) -> Iterator[Any]:
    with library.Client(transport=HttpxTransport(broker), headers=BEARER) as opened:
        yield opened


@pytest.fixture
async def asynchronous(library: Any, aclient: AsyncAgentSecrets) -> AsyncIterator[Any]:
    async with library.AsyncClient(transport=AsyncHttpxTransport(aclient), headers=BEARER) as opened:
        yield opened


def test_the_value_arrives_once_in_its_slot(sync: Any, upstream: Upstream, world: World) -> None:
    answer = sync.post(upstream.url("/echo?a=1#part"), json={"prompt": SecretRef("TOKEN").placeholder})
    got, value = upstream.last(), world.values["TOKEN"]
    assert got.header("authorization") == f"Bearer {value}"
    assert got.target == "/echo?a=1"
    assert str(got.said).count(value) == 1
    assert got.body == b'{"prompt":"AS_SECRET_TOKEN"}'
    assert (answer.status_code, answer.reason_phrase, answer.http_version) == (200, "OK", "HTTP/1.1")
    assert value not in answer.text
    assert "[REDACTED:TOKEN]" in answer.text


def test_slots_beside_the_bearer(library: Any, broker: AgentSecrets, upstream: Upstream, world: World) -> None:
    with library.Client(transport=HttpxTransport(broker)) as client:
        client.get(upstream.url("/echo"), auth=library.BasicAuth("x", SecretRef("TOKEN").placeholder))
        assert str(upstream.last().header("authorization")).startswith("Basic ")
        client.get(upstream.url("/echo"), headers={"X-Api-Key": SecretRef("API_KEY").placeholder_like("sk-ant-")})
        assert upstream.last().header("x-api-key") == world.values["API_KEY"]
        client.get(upstream.url("/echo"), params={"key": SecretRef("QUERY_KEY").placeholder})
        assert upstream.last().target == f"/echo?key={world.values['QUERY_KEY']}"
        client.post(
            upstream.url("/echo"), data={"api_key": SecretRef("FORM_SECRET").placeholder, "a": "AS_SECRET_TOKEN"}
        )
        assert upstream.last().body == f"a=AS_SECRET_TOKEN&api_key={world.values['FORM_SECRET']}".encode()


def test_bodies(sync: Any, upstream: Upstream) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"%d," % number for number in range(100))

    for content in (b"bytes", "text", pieces()):
        sync.post(upstream.url("/echo"), content=content)
    assert [got.body for got in upstream.received()][:2] == [b"bytes", b"text"]
    assert upstream.last().body == b"".join(pieces())
    assert upstream.last().header("transfer-encoding") is not None or upstream.last().header("content-length") is None
    parts = sync.post(
        upstream.url("/multipart"), files={"f": ("name.txt", b"y" * 300_000, "text/plain")}, data={"a": "b"}
    )
    assert parts.status_code == 200
    assert int(upstream.last().header("content-length") or 0) == len(upstream.last().body) > 300_000


def test_streams_come_as_they_are_sent(sync: Any, upstream: Upstream) -> None:
    started = time.monotonic()
    with sync.stream("GET", upstream.url("/lines?n=4&interval_ms=200")) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert time.monotonic() - started < 0.6
        assert len(list(lines)) == 3
    with sync.stream("GET", upstream.url("/sse?events=1&hold=1")) as answer:
        next(answer.iter_lines())
    until(lambda: upstream.last().outcome == "client_closed")


def test_decoded_answers_say_no_coding(sync: Any, upstream: Upstream) -> None:
    for coding in ("gzip", "br", "zstd", "deflate"):
        answer = sync.get(upstream.url(f"/compress/{coding}"))
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert "[REDACTED:TOKEN]" in answer.text
        assert int(answer.headers.get("content-length", len(answer.content))) == len(answer.content)
    cookies = sync.get(upstream.url("/set-cookie?name=a&value=b")).headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert sync.head(upstream.url("/bytes?n=10")).content == b""


def test_limits(sync: Any, library: Any, upstream: Upstream) -> None:
    limit = library.Timeout(5, read=0.3, connect=0.1)
    started = time.monotonic()
    with pytest.raises(library.ReadTimeout) as late:
        sync.get(upstream.url("/hang"), timeout=limit)
    assert isinstance(late.value.__cause__, Timeout)
    assert late.value.request.url == upstream.url("/hang")
    with pytest.raises(library.ReadTimeout):
        sync.get(upstream.url("/stall?after=10"), timeout=limit)
    assert time.monotonic() - started < 5
    assert sync.get(upstream.url("/slow?ms=100"), timeout=None).status_code == 200
    until(lambda: all(got.outcome != "running" for got in upstream.received()))


def test_what_fails_on_the_way(sync: Any, library: Any, upstream: Upstream, world: World) -> None:
    nobody = "https://localhost:1"
    world.owner("allow", "TOKEN", nobody)
    for url, kind in (
        (nobody, library.ConnectError),
        (upstream.url("/drop?after=100&of=500"), library.ReadError),
        (upstream.url("/compress/unknown"), library.DecodingError),
    ):
        with pytest.raises(kind) as failed:
            sync.get(url)
        assert failed.value.__cause__ is not None
        assert failed.value.request.method == "GET"


def test_refusals_are_ours(sync: Any, library: Any, broker: AgentSecrets, upstream: Upstream) -> None:
    with pytest.raises(DestinationNotAllowed, match="agentsecrets allow TOKEN elsewhere"):
        sync.get("https://elsewhere.example/")
    with pytest.raises(SlotNotAllowed) as refused:
        sync.get(upstream.url("/echo"), headers={"X-Other": SecretRef("TOKEN").placeholder})
    assert not isinstance(refused.value, library.RequestError)
    assert pickle.loads(pickle.dumps(refused.value)).hint == refused.value.hint
    with library.Client(transport=HttpxTransport(broker)) as client, pytest.raises(NothingToInject):
        client.get(upstream.url("/echo"))
    assert upstream.received() == []


def test_redirects_are_the_librarys(sync: Any, library: Any, upstream: Upstream, world: World) -> None:
    answer = sync.get(upstream.url("/redirect?to=/echo"))
    assert (answer.status_code, len(upstream.received())) == (302, 1)
    answer = sync.get(upstream.url("/redirect/chain?n=2"), follow_redirects=True)
    assert (answer.status_code, [one.status_code for one in answer.history]) == (200, [302, 302])
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    away = upstream.url("/redirect?to=https%3A%2F%2Felsewhere.example%2F")
    # The library takes Authorization away, and a call with nothing to inject goes nowhere.
    with pytest.raises(NothingToInject):
        sync.get(away, follow_redirects=True)
    # Another header it takes along, and policy refuses that.
    key = {"X-Api-Key": SecretRef("API_KEY").placeholder}
    with pytest.raises(DestinationNotAllowed):
        sync.get(away, headers=key, follow_redirects=True)
    assert len([got for got in upstream.received() if got.target.startswith("/redirect?to=https")]) == 2


def test_a_client_of_its_own(library: Any, world: World, upstream: Upstream, broker: AgentSecrets) -> None:
    transport = HttpxTransport(home=world.home, project=PROJECT)
    with library.Client(transport=transport, headers=BEARER) as client:
        assert client.get(upstream.url("/echo")).status_code == 200
    with pytest.raises(InvalidCall, match="closed"), library.Client(transport=transport, headers=BEARER) as client:
        client.get(upstream.url("/echo"))
    lent = HttpxTransport(broker)
    lent.close()
    assert broker.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
    with pytest.raises(TypeError, match="or a client"):
        HttpxTransport(broker, project=PROJECT)


async def test_asynchronous(asynchronous: Any, library: Any, upstream: Upstream, world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(100):
            await asyncio.sleep(0)
            yield b"%d," % number

    answer = await asynchronous.post(upstream.url("/echo"), content=pieces())
    assert answer.status_code == 200
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    assert upstream.last().body.endswith(b"98,99,")
    await asynchronous.post(upstream.url("/multipart"), files={"f": ("name.txt", b"y" * 300_000)})
    assert int(upstream.last().header("content-length") or 0) == len(upstream.last().body) > 300_000
    async with asynchronous.stream("GET", upstream.url("/lines?n=3&interval_ms=50")) as answer:
        assert len([line async for line in answer.aiter_lines()]) == 3
    with pytest.raises(library.ReadTimeout):
        await asynchronous.get(upstream.url("/stall?after=10"), timeout=0.3)
    with pytest.raises(library.ReadTimeout):
        await asynchronous.get(upstream.url("/hang"), timeout=0.2)
    with pytest.raises(library.ReadError) as failed:
        await asynchronous.get(upstream.url("/drop?after=100&of=500"))
    assert isinstance(failed.value.__cause__, UpstreamUnreachable)
    with pytest.raises(DestinationNotAllowed):
        await asynchronous.get("https://elsewhere.example/")


async def test_a_cancelled_task_ends_the_call(asynchronous: Any, upstream: Upstream) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asynchronous.get(upstream.url("/hang")), 0.3)
    await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


def test_the_request_says_whose_it_is(broker: AgentSecrets, upstream: Upstream, library: ModuleType) -> None:
    kind: Any = type("Own", (library.Request,), {"__module__": "somebody.elses"})
    answer = HttpxTransport(broker).handle_request(kind("GET", upstream.url("/echo"), headers=BEARER))
    assert isinstance(answer, library.Response)
    assert answer.read()
