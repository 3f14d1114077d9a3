"""The mocks: the same surface, the same rules, no network."""

from __future__ import annotations

import inspect
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets, DestinationNotAllowed, InvalidCall, SecretRef
from agentsecrets.testing import MockAgentSecrets, MockAsyncAgentSecrets


def test_the_same_surface() -> None:
    for mock, real in ((MockAgentSecrets, AgentSecrets), (MockAsyncAgentSecrets, AsyncAgentSecrets)):
        assert issubclass(mock, real)
        for name in (name for name in dir(real) if not name.startswith("_")):
            mine, theirs = getattr(mock, name), getattr(real, name)
            if callable(theirs):
                assert inspect.signature(mine) == inspect.signature(theirs), name


def test_calls_are_recorded_and_answered() -> None:
    with MockAgentSecrets(secrets=["STRIPE_KEY"]) as mock:
        mock.respond("https://api.stripe.com/*", json={"id": 1}, headers={"X-A": "b"}, redacted=["STRIPE_KEY"])
        mock.respond("https://api.stripe.com/*", method="DELETE", status_code=404, text="gone")
        answer = mock.call("https://api.stripe.com/v1", "post", bearer="STRIPE_KEY", form={"a": 1})
        assert (answer.status_code, answer.json(), answer.redacted) == (200, {"id": 1}, ["STRIPE_KEY"])
        assert answer.headers["x-a"] == "b"
        assert mock.call("https://api.stripe.com/v1", "DELETE", bearer="STRIPE_KEY").reason == "Not Found"
        made = mock.calls[0]
        assert (made.method, made.url, made.bearer, made.form, made.basic) == (
            "POST",
            "https://api.stripe.com/v1",
            "STRIPE_KEY",
            {"a": 1},
            None,
        )
        assert [secret.name for secret in mock.secrets.list()] == ["STRIPE_KEY"]
        assert [bool(found) for found in mock.secrets.check("STRIPE_KEY", "OTHER")] == [True, False]
        assert (mock.grants(), mock.logs(), mock.allowlist.list()) == ([], [], [])
        assert mock.status().secrets == 1
        assert mock.isolation == "mock"
    with pytest.raises(InvalidCall, match="closed"):
        mock.call("https://api.stripe.com/v1", bearer="STRIPE_KEY")


def test_the_rules_about_arguments_are_the_real_ones() -> None:
    mock = MockAgentSecrets()
    mock.respond()
    wrong: list[dict[str, Any]] = [{"bearer": "A", "basic": "B"}, {"bearer": "no name"}, {"body": 1}, {"timeout": -1.0}]
    for options in wrong:
        with pytest.raises(InvalidCall):
            mock.call("https://a/", **options)
    with pytest.raises(InvalidCall):
        mock.call("nonsense", bearer="A")
    with pytest.raises(TypeError):
        mock.call("https://a/", bear="A")  # type: ignore[call-arg]
    assert mock.calls == []


def test_errors_are_scripted() -> None:
    mock = MockAgentSecrets()
    mock.fail(DestinationNotAllowed("not there"), "https://evil/*")
    with pytest.raises(DestinationNotAllowed, match="not there"):
        mock.call("https://evil/x", bearer="A")
    with pytest.raises(LookupError, match="respond"):
        mock.call("https://other/", bearer=SecretRef("A"))
    assert len(mock.calls) == 2


def test_streams() -> None:
    mock = MockAgentSecrets()
    mock.respond(chunks=[b"data: a\n", b"\ndata: b\n\n"])
    with mock.stream("https://a/", "POST", bearer="A", body=io.BytesIO(b"sent")) as answer:
        assert [event.data for event in answer.iter_events()] == ["a", "b"]
    assert mock.calls[0].sent == [b"sent"]


async def test_the_asynchronous_one() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with MockAsyncAgentSecrets(secrets=["A"]) as mock:
        mock.respond(text="x\ny")
        assert (await mock.call("https://a/", "POST", bearer="A", body=pieces())).text == "x\ny"
        assert mock.calls[0].sent == [b"ab"]
        async with mock.stream("https://a/", bearer="A") as answer:
            assert [line async for line in answer.iter_lines()] == ["x", "y"]
        assert [found.present for found in await mock.secrets.check("A", "B")] == [True, False]
    with pytest.raises(InvalidCall):
        await mock.call("https://a/", bearer="A")
