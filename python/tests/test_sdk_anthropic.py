"""Anthropic's own library, unmodified, over a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets, DestinationNotAllowed, SecretRef
from agentsecrets.transports import AsyncHttpxTransport, HttpxTransport
from vendors import arrived, nothing_held, upload
from world import Upstream, World

KEY = SecretRef("ANTHROPIC_KEY").placeholder_like("sk-ant-")
ASKED: Any = {"model": "test", "max_tokens": 10, "messages": [{"role": "user", "content": f"what is {KEY}?"}]}


@pytest.fixture
def value(vendor_keys: World) -> str:
    return vendor_keys.values["ANTHROPIC_KEY"]


@pytest.fixture
def make(broker: AgentSecrets, upstream: Upstream) -> Iterator[Any]:
    opened: Any = httpx2.Client(transport=HttpxTransport(broker))
    with opened:

        def make(case: str = "ok", origin: str = upstream.origin) -> anthropic.Anthropic:
            return anthropic.Anthropic(api_key=KEY, base_url=f"{origin}/vendor/{case}", http_client=opened)

        yield make


def test_a_message(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held:
        client = make()
        answer = client.messages.create(**ASKED)
        held += [client, answer]
    assert answer.content[0].text == "Hello there"
    (got,) = arrived(upstream, value, "authorization")
    assert f"what is {KEY}?".encode() in got.body


def test_a_streamed_message(make: Any, upstream: Upstream, value: str) -> None:
    with nothing_held(value) as held, make().messages.stream(**ASKED) as stream:
        texts = stream.text_stream
        held += [stream, next(texts)]
        assert upstream.last().outcome == "running"
        held += texts
        assert stream.get_final_text() == "Hello there"
    arrived(upstream, value, "authorization")


def test_an_upload(make: Any, upstream: Upstream, value: str, tmp_path: Path) -> None:
    path = upload(tmp_path)
    with nothing_held(value) as held:
        held.append(make().beta.files.upload(file=path))
    (got,) = arrived(upstream, value, "authorization")
    assert path.read_bytes() in got.body


@pytest.mark.parametrize("status", [429, 500])
def test_its_own_retries(make: Any, upstream: Upstream, value: str, status: int) -> None:
    assert make(f"{status}x2-anthropic").messages.create(**ASKED).content
    arrived(upstream, value, "authorization", times=3)


def test_an_error_shows_no_key(make: Any, value: str) -> None:
    with pytest.raises(anthropic.AuthenticationError) as refused:
        make("401").messages.create(**ASKED)
    assert "[REDACTED:ANTHROPIC_KEY]" in str(refused.value)
    with nothing_held(value, refused.value, refused.value.response, refused.value.body):
        assert value not in str(refused.value)


def test_another_base_url_is_refused_once(make: Any, broker: AgentSecrets, vendor_keys: World) -> None:
    before = len(broker.logs(outcome="denied"))
    with pytest.raises(DestinationNotAllowed) as refused:
        make(origin="https://attacker.example").messages.create(**ASKED)
    assert isinstance(refused.value, anthropic.AnthropicError)
    assert "agentsecrets allow ANTHROPIC_KEY attacker.example" in str(refused.value)
    assert len(broker.logs(outcome="denied")) == before + 1


async def test_asynchronous(aclient: AsyncAgentSecrets, upstream: Upstream, value: str) -> None:
    http = httpx2.AsyncClient(transport=AsyncHttpxTransport(aclient))
    base = f"{upstream.origin}/vendor/ok"
    client: Any = anthropic.AsyncAnthropic(api_key=KEY, base_url=base, http_client=http)
    async with client:
        answer: Any = await client.messages.create(**ASKED)
        assert answer.content[0].text == "Hello there"
        async with client.messages.stream(**ASKED) as stream:
            assert "".join([text async for text in stream.text_stream]) == "Hello there"
        with pytest.raises(DestinationNotAllowed):
            await client.with_options(base_url="https://attacker.example").messages.create(**ASKED)
    arrived(upstream, value, "authorization", times=2)
