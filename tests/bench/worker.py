"""The contenders of Python, `blocking` or `waiting` as the argument says. One line in, `CONTENDER IN_FLIGHT CALLS`, one line
out: microseconds a call. A program is one or the other, and so are the processes here."""

import asyncio
import os
import sys
import time

import aiohttp
import httpx
import requests

from agentsecrets import AgentSecrets, AsyncAgentSecrets

URL = os.environ["BENCH_URL"]
INSIDE = {"isolation": "in-process", "unlock": os.environ["BENCH_UNLOCK"]}
BROKER = {"isolation": "broker"}


def checked(body: bytes) -> None:
    if len(body) != 1024:
        raise SystemExit("the answer has another length")


def blocking() -> dict:
    inside, broker = AgentSecrets(**INSIDE), AgentSecrets(**BROKER)
    by_httpx, by_requests = httpx.Client(trust_env=False), requests.Session()
    by_requests.trust_env = False
    return {
        "in-process": lambda: inside.call(URL, bearer="KEY_0").content,
        "broker": lambda: broker.call(URL, bearer="KEY_0").content,
        "httpx": lambda: by_httpx.get(URL).content,
        "requests": lambda: by_requests.get(URL).content,
        "broker/download": lambda: download(broker),
    }


def download(client: AgentSecrets) -> bytes:
    """100 MiB, piece by piece."""
    with client.stream(URL + "bytes", bearer="KEY_0") as answer:
        length = sum(len(piece) for piece in answer.iter_bytes())
    if length != 100 << 20:
        raise SystemExit("the answer has another length")
    return bytes(1024)


async def waiting() -> dict:
    inside, broker = AsyncAgentSecrets(**INSIDE), AsyncAgentSecrets(**BROKER)
    by_httpx = httpx.AsyncClient(trust_env=False)
    by_aiohttp = aiohttp.ClientSession()

    async def agentsecrets(client: AsyncAgentSecrets) -> bytes:
        return (await client.call(URL, bearer="KEY_0")).content

    async def ask_aiohttp() -> bytes:
        async with by_aiohttp.get(URL) as answer:
            return await answer.read()

    async def ask_httpx() -> bytes:
        return (await by_httpx.get(URL)).content

    return {
        "async-in-process": lambda: agentsecrets(inside),
        "async-broker": lambda: agentsecrets(broker),
        "async-httpx": ask_httpx,
        "aiohttp": ask_aiohttp,
    }


async def together(call, in_flight: int, calls: int) -> None:
    left = calls

    async def one_after_the_other() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            checked(await call())

    await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))


def main() -> None:
    loop = asyncio.new_event_loop()
    is_blocking = sys.argv[1] == "blocking"
    contenders = blocking() if is_blocking else loop.run_until_complete(waiting())
    for line in sys.stdin:
        name, in_flight, calls = line.split()[0], int(line.split()[1]), int(line.split()[2])
        began = time.perf_counter()
        call = contenders[name]
        if is_blocking:
            for _ in range(calls):
                checked(call())
        else:
            loop.run_until_complete(together(call, in_flight, calls))
        print((time.perf_counter() - began) * 1e6 / calls, flush=True)


main()
