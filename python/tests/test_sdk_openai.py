"""OpenAI's own library, unmodified, over a real broker: it never holds the key, and neither does anything here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets, DestinationNotAllowed, SecretRef
from agentsecrets.transports import AsyncHttpxTransport, HttpxTransport
from vendors import arrived, nothing_held, upload
from world import Upstream, World, until

KEY = SecretRef("OPENAI_KEY").placeholder_like("sk-")
ASKED: Any = {"model": "test", "messages": [{"role": "user", "content": f"what is {KEY}?"}]}


@pytest.fixture
def value(vendor_keys: World) -> str:
    return vendor_keys.values["OPENAI_KEY"]


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def make(request: pytest.FixtureRequest, broker: AgentSecrets, upstream: Upstream) -> Iterator[Any]:
    opened: Any = request.param.Client(transport=HttpxTransport(broker))

    def make(case: str = "ok", origin: str = upstream.origin) -> openai.OpenAI:
        return openai.OpenAI(api_key=KEY, base_url=f"{origin}/vendor/{case}/v1", http_client=opened)

    yield make
    opened.close()


def test_a_completion(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held:
        client = make()
        answer = client.chat.completions.create(**ASKED)
        held += [client, answer]
    assert answer.choices[0].message.content == "Hello there"
    (got,) = arrived(upstream, value, "authorization")
    assert f"what is {KEY}?".encode() in got.body


def test_a_streamed_completion(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held:
        stream = make().chat.completions.create(**ASKED, stream=True)
        first = next(stream)
        assert upstream.last().outcome == "running"
        chunks = [first, *stream]
        held += [stream, *chunks]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
    arrived(upstream, value, "authorization")
    with make().chat.completions.create(**ASKED, stream=True) as left:
        next(left)
    until(lambda: upstream.last().outcome == "client_closed")


def test_an_upload(make: Any, upstream: Upstream, value: str, tmp_path: Path) -> None:
    path = upload(tmp_path)
    with nothing_held(value) as held:
        held.append(make().files.create(file=path, purpose="batch"))
    (got,) = arrived(upstream, value, "authorization")
    assert path.read_bytes() in got.body


@pytest.mark.parametrize("status", [429, 500])
def test_its_own_retries(make: Any, upstream: Upstream, value: str, status: int, request: Any) -> None:
    client = make(f"{status}x2-{request.node.name}")
    assert client.chat.completions.create(**ASKED).choices
    arrived(upstream, value, "authorization", times=3)


def test_an_error_shows_no_key(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held, pytest.raises(openai.AuthenticationError) as refused:
        held.append(make("401").chat.completions.create(**ASKED))
    assert value not in str(refused.value)
    assert "[REDACTED:OPENAI_KEY]" in str(refused.value)
    with nothing_held(value, refused.value, refused.value.response, refused.value.body):
        arrived(upstream, value, "authorization")


def test_another_base_url_is_refused_once(make: Any, broker: AgentSecrets, vendor_keys: World) -> None:
    before = len(broker.logs(outcome="denied"))
    with pytest.raises(DestinationNotAllowed) as refused:
        make(origin="https://attacker.example").chat.completions.create(**ASKED)
    assert refused.value.code == "destination_not_allowed"
    assert str(refused.value.hint).startswith("agentsecrets allow OPENAI_KEY attacker.example")
    assert len(broker.logs(outcome="denied")) == before + 1
    # On another port of the granted host, too.
    with pytest.raises(DestinationNotAllowed):
        make(origin="https://localhost:1").chat.completions.create(**ASKED)


async def test_asynchronous(aclient: AsyncAgentSecrets, upstream: Upstream, value: str) -> None:
    http = httpx2.AsyncClient(transport=AsyncHttpxTransport(aclient))
    base = f"{upstream.origin}/vendor/ok/v1"
    client: Any = openai.AsyncOpenAI(api_key=KEY, base_url=base, http_client=http)
    async with client:
        answer: Any = await client.chat.completions.create(**ASKED)
        assert answer.choices[0].message.content == "Hello there"
        stream = await client.chat.completions.create(**ASKED, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == "Hello there"
        elsewhere = client.with_options(base_url="https://attacker.example/v1")
        with pytest.raises(DestinationNotAllowed):
            await elsewhere.chat.completions.create(**ASKED)
    arrived(upstream, value, "authorization", times=2)
