"""The six styles, alone and together, as the upstream sees them."""

from __future__ import annotations

import base64
import json

import pytest

from agentsecrets import AgentSecrets, InvalidCall, SecretRef
from world import Upstream, World


def test_bearer(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    answer = client.call(upstream.url("/echo"), bearer="TOKEN")
    assert answer.status_code == 200
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    assert world.values["TOKEN"] not in answer.text
    assert "[REDACTED:TOKEN]" in answer.text
    assert answer.redacted == ["TOKEN"]


def test_basic(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(upstream.url("/echo"), basic=SecretRef("BASIC"))
    expected = base64.b64encode(world.values["BASIC"].encode()).decode()
    assert upstream.last().header("authorization") == f"Basic {expected}"


def test_header(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(upstream.url("/echo"), header={"X-Api-Key": "API_KEY"})
    assert upstream.last().header("x-api-key") == world.values["API_KEY"]


def test_header_with_a_format(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(upstream.url("/echo"), header={"Authorization": SecretRef("API_KEY").format("Bot {}")})
    assert upstream.last().header("authorization") == f"Bot {world.values['API_KEY']}"


def test_query_goes_to_the_end_and_leaves_the_rest(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(upstream.url("/echo?b=%7e&a=1+2"), query={"key": "QUERY_KEY"}, params={"c": "x y"})
    assert upstream.last().target == f"/echo?b=%7e&a=1+2&c=x+y&key={world.values['QUERY_KEY']}"


def test_body_field(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(
        upstream.url("/echo"),
        method="POST",
        body={"z": 1.0, "a": [1, {"ü": None}], "auth": {"user": "u"}},
        body_field={"auth.client_secret": "CLIENT_SECRET"},
    )
    received = upstream.last()
    assert received.header("content-type") == "application/json"
    expected = '{"z":1.0,"a":[1,{"ü":null}],"auth":{"user":"u","client_secret":"%s"}}'
    assert received.body.decode() == expected % world.values["CLIENT_SECRET"]


def test_form_field(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(
        upstream.url("/echo"),
        "POST",
        form={"amount": 1000, "tags": ["a", "b&c"]},
        form_field={"api_key": "FORM_SECRET"},
    )
    received = upstream.last()
    assert received.header("content-type") == "application/x-www-form-urlencoded"
    assert received.body.decode() == f"amount=1000&tags=a&tags=b%26c&api_key={world.values['FORM_SECRET']}"


def test_all_at_once(client: AgentSecrets, world: World, upstream: Upstream) -> None:
    client.call(
        upstream.url("/echo"),
        "post",
        bearer="TOKEN",
        header={"X-Api-Key": "API_KEY"},
        query={"key": "QUERY_KEY"},
        body={"n": 1},
        body_field={"auth.client_secret": "CLIENT_SECRET"},
        headers=[("X-Plain", "p"), ("X-Plain", b"q")],
    )
    received = upstream.last()
    assert received.method == "POST"
    assert received.header("authorization") == f"Bearer {world.values['TOKEN']}"
    assert received.header("x-api-key") == world.values["API_KEY"]
    assert [value for name, value in received.said["headers"] if name.lower() == "x-plain"] == ["p", "q"]
    assert received.target.endswith(f"?key={world.values['QUERY_KEY']}")
    assert json.loads(received.body)["auth"]["client_secret"] == world.values["CLIENT_SECRET"]


@pytest.mark.parametrize(
    "options",
    [
        {"bearer": "TOKEN", "basic": "BASIC"},
        {"bearer": "TOKEN", "header": {"authorization": "API_KEY"}},
        {"body_field": {"a": "TOKEN"}, "form_field": {"b": "TOKEN"}},
        {"body_field": {"a": "TOKEN", "a.b": "API_KEY"}},
        {"body_field": {"": "TOKEN"}},
        {"query": {"": "TOKEN"}},
        {"query": [("k", "TOKEN"), ("k", "API_KEY")]},
        {"header": {"Content-Length": "TOKEN"}},
        {"header": {"bad name": "TOKEN"}},
        {"bearer": "not a name"},
        {"bearer": 7},
        {"bearer": "TOKEN", "timeout": -1.0},
        {"bearer": "TOKEN", "timeout": float("nan")},
        {"bearer": "TOKEN", "retries": -1},
        {"bearer": "TOKEN", "body": {"x": float("nan")}},
        {"bearer": "TOKEN", "body": {"x": object()}},
        {"bearer": "TOKEN", "body": 7},
        {"bearer": "TOKEN", "body": b"", "form": {}},
        {"bearer": "TOKEN", "body": b"", "files": {}},
        {"bearer": "TOKEN", "body": SecretRef("TOKEN")},
        {"bearer": "TOKEN", "headers": {"X": SecretRef("TOKEN")}},
        {"bearer": "TOKEN", "headers": {"X": "a\nb"}},
        {"bearer": "TOKEN", "params": {"x": SecretRef("TOKEN")}},
        {"bearer": "TOKEN", "files": {"f": ("name",)}},
        {"bearer": "TOKEN", "method": "TRACE"},
        {"bearer": "TOKEN", "method": "BAD METHOD"},
        {"bearer": "TOKEN", "project": "../x"},
    ],
    ids=str,
)
def test_what_contradicts_itself_is_not_sent(
    broker: AgentSecrets, upstream: Upstream, options: dict[str, object]
) -> None:
    with pytest.raises(InvalidCall) as refused:
        broker.call(upstream.url("/echo"), **options)  # type: ignore[arg-type]
    assert refused.value.code == "invalid_call"
    assert refused.value.stage == "call"
    assert upstream.received() == []


@pytest.mark.parametrize("url", ["", "echo", "ftp://x/", "https://", "https://u:p@localhost/", "https://a b/"])
def test_a_malformed_url(broker: AgentSecrets, url: str) -> None:
    with pytest.raises(InvalidCall):
        broker.call(url, bearer="TOKEN")


def test_an_unknown_keyword(broker: AgentSecrets, upstream: Upstream) -> None:
    with pytest.raises(TypeError):
        broker.call(upstream.url("/echo"), bear="TOKEN")  # type: ignore[call-arg]
