"""requests over a real broker: bodies, streams, limits, redirects, errors."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout

from agentsecrets import AgentSecrets, DestinationNotAllowed, InvalidCall, NothingToInject, SecretRef, SlotNotAllowed
from agentsecrets.transports import RequestsAdapter
from world import PROJECT, Upstream, World, until

BEARER = {"Authorization": f"Bearer {SecretRef('TOKEN').placeholder}"}


@pytest.fixture
def session(broker: AgentSecrets) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.mount("https://", RequestsAdapter(broker))
        opened.headers.update(BEARER)
        yield opened


def test_the_value_arrives_once_in_its_slot(session: requests.Session, upstream: Upstream, world: World) -> None:
    answer = session.post(upstream.url("/echo?a=1#part"), json={"prompt": SecretRef("TOKEN").placeholder})
    got, value = upstream.last(), world.values["TOKEN"]
    assert got.header("authorization") == f"Bearer {value}"
    assert got.target == "/echo?a=1"
    assert str(got.said).count(value) == 1
    assert b'"AS_SECRET_TOKEN"' in got.body
    assert (answer.status_code, answer.reason) == (200, "OK")
    assert value not in answer.text
    assert answer.json()["method"] == "POST"
    session.get(upstream.url("/echo"), auth=("x", SecretRef("TOKEN").placeholder))
    assert str(upstream.last().header("authorization")).startswith("Basic ")
    session.post(upstream.url("/echo"), data={"api_key": SecretRef("FORM_SECRET").placeholder})
    assert upstream.last().body == f"api_key={world.values['FORM_SECRET']}".encode()


def test_bodies(session: requests.Session, upstream: Upstream) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"%d," % number for number in range(100))

    url = upstream.url("/echo")
    for data in (b"bytes", "text ü", io.BytesIO(b"file"), pieces()):
        session.post(url, data=data)
    assert [got.body for got in upstream.received()] == [b"bytes", "text ü".encode(), b"file", b"".join(pieces())]
    assert [got.header("content-length") for got in upstream.received()] == ["5", "7", "4", None]
    answer = session.post(
        upstream.url("/multipart"), files={"f": ("a.txt", io.BytesIO(b"y" * 300_000))}, data={"a": "b"}
    )
    assert [part["name"] for part in answer.json()["parts"]] == ["a", "f"]


def test_streams(session: requests.Session, upstream: Upstream) -> None:
    started = time.monotonic()
    with session.get(upstream.url("/lines?n=4&interval_ms=200"), stream=True) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert time.monotonic() - started < 0.6
        assert len(list(lines)) == 3
    with session.get(upstream.url("/bytes?n=1m"), stream=True) as answer:
        assert sum(len(piece) for piece in answer.iter_content(10_000)) == 1 << 20
    with session.get(upstream.url("/bytes?n=100k"), stream=True) as answer:
        head = answer.raw.read(10)
        assert head == bytes(range(10))
        assert len(answer.raw.read(50_000)) == 50_000
        assert len(answer.raw.read()) == 102_400 - 50_010
        assert answer.raw.read(1) == b""
    with session.get(upstream.url("/sse?events=1&hold=1"), stream=True) as answer:
        next(answer.iter_content(None))
    until(lambda: upstream.last().outcome == "client_closed")


def test_answers_are_as_from_the_librarys_own_adapter(session: requests.Session, upstream: Upstream) -> None:
    with requests.Session() as plain:
        plain.mount("https://", HTTPAdapter())
        plain.verify, plain.trust_env = str(upstream.ca), False
        for path in ("/bytes?n=1000", "/set-cookie?name=a&value=b", "/status/204", "/status/404", "/compress/gzip"):
            ours, theirs = (one.get(upstream.url(path), headers=BEARER) for one in (session, plain))
            assert (ours.status_code, ours.reason, ours.url) == (theirs.status_code, theirs.reason, theirs.url)
            assert ours.headers.get("content-type") == theirs.headers.get("content-type")
            assert ours.cookies.keys() == theirs.cookies.keys()
            assert "content-encoding" not in ours.headers
            assert ours.raw.closed or ours.raw.isclosed()
    assert session.cookies.keys() == plain.cookies.keys() != []
    assert session.head(upstream.url("/bytes?n=10")).headers["content-length"] == "10"


def test_limits(session: requests.Session, upstream: Upstream) -> None:
    for limit in (0.3, (0.1, 0.2), Timeout(connect=0.1, read=0.2)):
        with pytest.raises(requests.ReadTimeout) as late:
            session.get(upstream.url("/hang"), timeout=limit)  # type: ignore[arg-type]
    assert late.value.request is not None
    with pytest.raises(requests.ConnectionError, match="timed out"):
        session.get(upstream.url("/stall?after=10"), timeout=0.3)
    assert session.get(upstream.url("/slow?ms=100")).status_code == 200


def test_what_fails_on_the_way(session: requests.Session, upstream: Upstream, world: World) -> None:
    nobody = "https://localhost:1"
    world.owner("allow", "TOKEN", nobody)
    for url, kind in (
        (nobody, requests.ConnectionError),
        (upstream.url("/drop?after=100&of=500"), requests.exceptions.ChunkedEncodingError),
        (upstream.url("/compress/unknown"), requests.exceptions.ContentDecodingError),
    ):
        with pytest.raises(kind):
            session.get(url)
    with pytest.raises(requests.RequestException, match="client certificate"):
        session.get(upstream.url("/echo"), cert="mine.pem")


def test_refusals_are_of_both_kinds(session: requests.Session, broker: AgentSecrets, upstream: Upstream) -> None:
    with pytest.raises(DestinationNotAllowed, match="agentsecrets allow TOKEN elsewhere"):
        session.get("https://elsewhere.example/")
    with pytest.raises(requests.RequestException) as refused:
        session.get(upstream.url("/echo"), headers={"X-Other": SecretRef("TOKEN").placeholder})
    assert isinstance(refused.value, SlotNotAllowed)
    assert not isinstance(refused.value, (requests.ConnectionError, requests.Timeout))
    assert str(refused.value.hint) in str(refused.value)
    session.headers.pop("Authorization")
    with pytest.raises(NothingToInject):
        session.get(upstream.url("/echo"))
    assert upstream.received() == []


def test_redirects_are_the_librarys(session: requests.Session, upstream: Upstream, world: World) -> None:
    answer = session.get(upstream.url("/redirect?to=/echo"), allow_redirects=False)
    assert (answer.status_code, len(upstream.received())) == (302, 1)
    answer = session.get(upstream.url("/redirect/chain?n=2"))
    assert (answer.status_code, [one.status_code for one in answer.history]) == (200, [302, 302])
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    away = upstream.url("/redirect?to=https%3A%2F%2Felsewhere.example%2F")
    with pytest.raises(NothingToInject):
        session.get(away)
    with pytest.raises(DestinationNotAllowed):
        session.get(away, headers={"X-Api-Key": SecretRef("API_KEY").placeholder})


def test_a_client_of_its_own(world: World, upstream: Upstream, broker: AgentSecrets) -> None:
    adapter: Any = RequestsAdapter(home=world.home, project=PROJECT)
    with requests.Session() as session:
        session.mount("https://", adapter)
        assert session.get(upstream.url("/echo"), headers=BEARER).status_code == 200
    with requests.Session() as session, pytest.raises(InvalidCall, match="closed"):
        session.mount("https://", adapter)
        session.get(upstream.url("/echo"), headers=BEARER)
    RequestsAdapter(broker).close()
    assert broker.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
