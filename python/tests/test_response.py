"""What comes back."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from agentsecrets import AgentSecrets, Headers, Response, UpstreamError
from world import Upstream, World


def test_everything_of_a_response(client: AgentSecrets, upstream: Upstream) -> None:
    answer = client.call(upstream.url("/echo?a=1"), bearer="TOKEN")
    assert isinstance(answer, Response)
    assert answer.status_code == 200
    assert answer.reason == "OK"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["method"] == "GET"
    assert answer.content.decode() == answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert 0 < answer.duration_ms < 60_000
    assert answer.url.startswith(upstream.origin + "/echo")
    assert answer.audit_incomplete is False
    assert answer.raise_for_status() is answer
    assert repr(answer) == "<Response [200]>"


def test_an_error_status_is_a_response(client: AgentSecrets, upstream: Upstream) -> None:
    answer = client.call(upstream.url("/status/503"), bearer="TOKEN")
    assert answer.status_code == 503
    with pytest.raises(UpstreamError, match="503") as raised:
        answer.raise_for_status()
    assert raised.value.retryable
    with pytest.raises(UpstreamError) as raised:
        client.call(upstream.url("/status/404"), bearer="TOKEN").raise_for_status()
    assert not raised.value.retryable


def test_headers_that_come_twice(broker: AgentSecrets, upstream: Upstream, world: World) -> None:
    answer = broker.call(upstream.url("/set-cookie?name=session&value=1"), bearer="TOKEN")
    assert len(answer.headers.get_list("Set-Cookie")) == 2
    assert world.values["TOKEN"] not in str(answer.headers.multi_items())


def test_trailers_are_redacted(broker: AgentSecrets, upstream: Upstream, world: World) -> None:
    answer = broker.call(upstream.url("/trailers"), bearer="TOKEN")
    assert len(answer.trailers) > 0
    assert world.values["TOKEN"] not in str(answer.trailers)
    assert answer.redacted == ["TOKEN"]


def test_headers() -> None:
    headers = Headers([("X-A", "1"), ("x-b", "2"), ("x-a", "3")])
    assert headers["X-a"] == "1, 3"
    assert headers.get_list("X-A") == ["1", "3"]
    assert headers.get_list("none") == []
    assert "X-B" in headers
    assert "x-c" not in headers
    assert list(headers) == ["x-a", "x-b"]
    assert headers.get("none") is None
    assert len(headers) == 2
    with pytest.raises(KeyError):
        headers["none"]


def test_what_is_no_json(broker: AgentSecrets, upstream: Upstream) -> None:
    answer = broker.call(upstream.url("/bytes?n=10"), bearer="TOKEN")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_response_does_not_leave_its_process(broker: AgentSecrets, upstream: Upstream) -> None:
    answer = broker.call(upstream.url("/echo"), bearer="TOKEN")
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(answer)
        with pytest.raises(TypeError):
            leave(broker)


def test_charset(broker: AgentSecrets, upstream: Upstream) -> None:
    answer = broker.call(
        upstream.url("/echo/raw"),
        "POST",
        bearer="TOKEN",
        body="ü".encode("latin-1"),
        headers={"content-type": 'text/plain; charset="iso-8859-1"'},
    )
    assert answer.charset == "iso8859-1"
    assert answer.text == "ü"
    answer = broker.call(
        upstream.url("/echo/raw"),
        "POST",
        bearer="TOKEN",
        body="ü",
        headers={"content-type": "text/plain; charset=no-such"},
    )
    assert answer.text == "ü"
