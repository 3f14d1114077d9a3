"""The asynchronous client: batches, cancellation, loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentsecrets import AsyncAgentSecrets, DestinationNotAllowed, InvalidCall
from world import PROJECT, Upstream, World, until


async def test_a_call(aclient: AsyncAgentSecrets, upstream: Upstream, world: World) -> None:
    answer = await aclient.call(upstream.url("/echo"), "POST", bearer="TOKEN", body={"a": 1})
    assert answer.status_code == 200
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    with pytest.raises(DestinationNotAllowed):
        await aclient.call(upstream.url("/echo"), bearer="UNGRANTED")
    with pytest.raises(InvalidCall):
        await aclient.call("nonsense", bearer="TOKEN")


async def test_many_at_once(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    urls = [upstream.url(f"/echo?n={number}") for number in range(200)]
    answers = await asyncio.gather(*(aclient.call(url, bearer="TOKEN") for url in urls))
    assert [answer.json()["target"] for answer in answers] == [f"/echo?n={number}" for number in range(200)]


async def test_cancelling_reaches_the_socket(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    task = asyncio.create_task(aclient.call(upstream.url("/hang"), bearer="TOKEN"))
    await asyncio.to_thread(until, upstream.received)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


async def test_a_timeout_of_the_loop_cancels_too(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(aclient.call(upstream.url("/hang"), bearer="TOKEN"), 0.5)
    await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


async def test_a_cancelled_read_ends_the_call(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    async with aclient.stream(upstream.url("/sse?events=1&hold=1"), bearer="TOKEN") as answer:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(answer.read(), 0.5)
        await asyncio.to_thread(until, lambda: upstream.last().outcome == "client_closed")


async def test_bodies(aclient: AsyncAgentSecrets, upstream: Upstream, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(100):
            await asyncio.sleep(0)
            yield b"%d," % number

    expected = b"".join(b"%d," % number for number in range(100))
    await aclient.call(upstream.url("/echo"), "POST", bearer="TOKEN", body=pieces())
    assert upstream.last().body == expected
    await aclient.call(upstream.url("/echo"), "POST", bearer="TOKEN", body=iter([b"a", b"b"]))
    assert upstream.last().body == b"ab"
    path = tmp_path / "file"
    path.write_bytes(b"y" * 500_000)
    with path.open("rb") as file:
        await aclient.call(upstream.url("/multipart"), "POST", bearer="TOKEN", files={"f": file, "g": ("g", pieces())})
    assert b"y" * 500_000 in upstream.last().body
    assert expected in upstream.last().body
    async with aclient.stream(upstream.url("/upload"), "POST", bearer="TOKEN", body=pieces()) as answer:
        assert str(len(expected)).encode() in await answer.read()


async def test_what_the_body_raises_ends_the_call(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await aclient.call(upstream.url("/upload"), "POST", bearer="TOKEN", body=broken())
    assert (await aclient.call(upstream.url("/echo"), bearer="TOKEN")).status_code == 200
    assert all(received.outcome != "answered" for received in upstream.received() if received.method == "POST")


async def test_an_answer_before_the_body_ends(aclient: AsyncAgentSecrets, upstream: Upstream) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"x" * 1000

    answer = await asyncio.wait_for(
        aclient.call(upstream.url("/early?status=413"), "POST", bearer="TOKEN", body=endless()), 20
    )
    assert answer.status_code == 413


async def test_what_is_told(aclient: AsyncAgentSecrets) -> None:
    assert "TOKEN" in [secret.name for secret in await aclient.secrets.list()]
    assert [bool(found) for found in await aclient.secrets.check("TOKEN", "UNGRANTED", "NONE")] == [True, False, False]
    assert (await aclient.status()).project == PROJECT
    assert await aclient.allowlist.list() == []
    assert {grant.secret for grant in await aclient.grants("TOKEN")} == {"TOKEN"}
    assert len(await aclient.logs(last=2)) <= 2


def test_one_client_on_many_loops(world: World, upstream: Upstream) -> None:
    client = AsyncAgentSecrets(home=world.home, project=PROJECT)
    found: list[int] = []

    async def some() -> None:
        answers = await asyncio.gather(*(client.call(upstream.url("/echo"), bearer="TOKEN") for _ in range(10)))
        found.extend(answer.status_code for answer in answers)

    asyncio.run(some())
    threads = [threading.Thread(target=lambda: asyncio.run(some())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 50


def test_a_loop_closed_before_its_call_is_done(world: World, upstream: Upstream) -> None:
    client = AsyncAgentSecrets(home=world.home, project=PROJECT)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.call(upstream.url("/slow?ms=300"), bearer="TOKEN"))
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()
    # Nobody waits for the task any more: dropping it gives the call up.
    del task
    gc.collect()
    until(lambda: upstream.last().outcome in ("client_closed", "answered"))
    assert asyncio.run(client.call(upstream.url("/echo"), bearer="TOKEN")).status_code == 200
