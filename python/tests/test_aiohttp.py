"""aiohttp over a real broker: bodies, streams, limits, redirects, errors, cancellation."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from agentsecrets import (
    AsyncAgentSecrets,
    DestinationNotAllowed,
    InvalidCall,
    NothingToInject,
    SecretRef,
    SlotNotAllowed,
)
from agentsecrets.transports import AiohttpConnector
from world import PROJECT, Upstream, World, until

BEARER = {"Authorization": f"Bearer {SecretRef('TOKEN').placeholder}"}


@pytest.fixture
async def session(aclient: AsyncAgentSecrets) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=AiohttpConnector(aclient), headers=BEARER) as opened:
        yield opened


async def test_the_value_arrives_once_in_its_slot(
    session: aiohttp.ClientSession, upstream: Upstream, world: World
) -> None:
    prompt = {"prompt": SecretRef("TOKEN").placeholder}
    async with session.post(upstream.url("/echo?a=1#part"), json=prompt) as answer:
        text = await answer.text()
        assert (answer.status, answer.reason) == (200, "OK")
    got, value = upstream.last(), world.values["TOKEN"]
    assert got.header("authorization") == f"Bearer {value}"
    assert got.target == "/echo?a=1"
    assert str(got.said).count(value) == 1
    assert b"AS_SECRET_TOKEN" in got.body
    assert value not in text
    assert "[REDACTED:TOKEN]" in text
    async with session.get(upstream.url("/echo"), headers={"X-Api-Key": SecretRef("API_KEY").placeholder}):
        assert upstream.last().header("x-api-key") == world.values["API_KEY"]


async def test_bodies(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(100):
            await asyncio.sleep(0)
            yield b"%d," % number

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"y" * (64 << 10)

    expected = b"".join([piece async for piece in pieces()])
    for data in (b"bytes", "text", io.BytesIO(b"file"), pieces()):
        async with session.post(upstream.url("/echo"), data=data) as answer:
            assert answer.status == 200
    assert [got.body for got in upstream.received()] == [b"bytes", b"text", b"file", expected]
    assert [got.header("content-length") for got in upstream.received()] == ["5", "4", "4", None]
    form = aiohttp.FormData()
    form.add_field("a", "b")
    form.add_field("f", b"y" * 300_000, filename="a.txt")
    async with session.post(upstream.url("/multipart"), data=form) as answer:
        assert [part["name"] for part in (await answer.json())["parts"]] == ["a", "f"]
    async with session.post(upstream.url("/upload"), data=large()) as answer:
        assert (await answer.json())["length"] == 4 << 20
    async with session.post(upstream.url("/echo"), data=b"asked", expect100=True) as answer:
        assert answer.status == 200
    assert upstream.last().body == b"asked"


async def test_answers(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    async with session.get(upstream.url("/compress/gzip")) as answer:
        assert "[REDACTED:TOKEN]" in await answer.text()
        assert "content-encoding" not in answer.headers
    async with session.get(upstream.url("/set-cookie?name=a&value=b")) as answer:
        assert len(answer.headers.getall("set-cookie")) == 2
        assert answer.cookies
    async with session.head(upstream.url("/bytes?n=10")) as answer:
        assert (answer.headers["content-length"], await answer.read()) == ("10", b"")
    for status in (204, 404, 503):
        async with session.get(upstream.url(f"/status/{status}")) as answer:
            await answer.read()
            assert answer.status == status
    for path in ("/bytes?n=5m", "/bytes?n=5m&chunked=1"):
        async with session.get(upstream.url(path)) as answer:
            assert sum([len(piece) async for piece in answer.content.iter_any()]) == 5 << 20


async def test_streams(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    started = time.monotonic()
    async with session.get(upstream.url("/lines?n=4&interval_ms=200")) as answer:
        await answer.content.readline()
        assert time.monotonic() - started < 0.6
        assert len([line async for line in answer.content]) == 3
    async with session.get(upstream.url("/sse?events=1&hold=1")) as answer:
        await answer.content.readany()
    await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


async def test_nothing_is_read_that_nobody_reads(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    async with session.get(upstream.url("/bytes?n=1g")) as answer:
        await asyncio.sleep(0.3)
        assert upstream.last().outcome == "running"
        assert len(await answer.content.readexactly(1 << 20)) == 1 << 20
    await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


async def test_limits_and_cancellation(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await session.get(upstream.url("/hang"), timeout=aiohttp.ClientTimeout(total=0.3))
    with pytest.raises(aiohttp.SocketTimeoutError):
        await session.get(upstream.url("/hang"), timeout=aiohttp.ClientTimeout(sock_read=0.3))
    async with session.get(
        upstream.url("/sse?events=1&hold=1"), timeout=aiohttp.ClientTimeout(sock_read=0.5)
    ) as answer:
        with pytest.raises(aiohttp.SocketTimeoutError):
            await answer.read()
    task = asyncio.ensure_future(session.get(upstream.url("/hang")))
    await asyncio.to_thread(until, lambda: upstream.last().target == "/hang")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: all(got.outcome != "running" for got in upstream.received()))


async def test_what_fails_on_the_way(session: aiohttp.ClientSession, upstream: Upstream, world: World) -> None:
    nobody = "https://localhost:1"
    world.owner("allow", "TOKEN", nobody)
    with pytest.raises(aiohttp.ClientConnectionError, match="upstream_unreachable"):
        await session.get(nobody)
    async with session.get(upstream.url("/drop?after=100&of=500")) as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()

    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise KeyError("mine")

    with pytest.raises((KeyError, aiohttp.ClientError)):
        await session.post(upstream.url("/upload"), data=broken())


async def test_refusals_are_of_both_kinds(session: aiohttp.ClientSession, upstream: Upstream) -> None:
    with pytest.raises(DestinationNotAllowed, match="agentsecrets allow TOKEN elsewhere"):
        await session.get("https://elsewhere.example/")
    with pytest.raises(aiohttp.ClientError) as refused:
        await session.get(upstream.url("/echo"), headers={"X-Other": SecretRef("TOKEN").placeholder})
    assert isinstance(refused.value, SlotNotAllowed)
    with pytest.raises(InvalidCall, match="protocol"):
        await session.ws_connect(upstream.url("/echo"))
    with pytest.raises(InvalidCall, match="proxy"):
        await session.get(upstream.url("/echo"), proxy="http://127.0.0.1:1")
    assert [got for got in upstream.received() if got.target == "/echo"] == []


async def test_redirects_are_the_librarys(session: aiohttp.ClientSession, upstream: Upstream, world: World) -> None:
    async with session.get(upstream.url("/redirect/chain?n=2")) as answer:
        assert (answer.status, [one.status for one in answer.history]) == (200, [302, 302])
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    away = upstream.url("/redirect?to=https%3A%2F%2Felsewhere.example%2F")
    async with session.get(away, allow_redirects=False) as answer:
        assert answer.status == 302
    with pytest.raises(NothingToInject):
        await session.get(away)
    with pytest.raises(DestinationNotAllowed):
        await session.get(away, headers={"X-Api-Key": SecretRef("API_KEY").placeholder})


async def test_many_at_once_and_a_client_of_its_own(
    world: World, upstream: Upstream, aclient: AsyncAgentSecrets
) -> None:
    connector = AiohttpConnector(home=world.home, project=PROJECT, limit=5)
    async with aiohttp.ClientSession(connector=connector, headers=BEARER) as session:

        async def one(number: int) -> str:
            async with session.get(upstream.url(f"/echo?n={number}")) as answer:
                return str((await answer.json())["target"])

        found = await asyncio.gather(*(one(number) for number in range(40)))
    assert found == [f"/echo?n={number}" for number in range(40)]
    assert connector.closed
    async with aiohttp.ClientSession(connector=AiohttpConnector(aclient)):
        pass
    assert (await aclient.call(upstream.url("/echo"), bearer="TOKEN")).status_code == 200
