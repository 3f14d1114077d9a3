"""urllib3 by itself over a real broker: bodies, streams, limits, retries, redirects, errors."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError

from agentsecrets import (
    AgentSecrets,
    AgentTokenInvalid,
    DestinationNotAllowed,
    InvalidCall,
    NothingToInject,
    SecretRef,
)
from agentsecrets.transports import Urllib3PoolManager
from world import PROJECT, Upstream, World, until

BEARER = {"Authorization": f"Bearer {SecretRef('TOKEN').placeholder}"}


@pytest.fixture
def pool(broker: AgentSecrets) -> Iterator[Urllib3PoolManager]:
    with Urllib3PoolManager(broker, headers=BEARER) as opened:
        yield opened


def test_the_value_arrives_once_in_its_slot(pool: Urllib3PoolManager, upstream: Upstream, world: World) -> None:
    answer = pool.request("POST", upstream.url("/echo?a=1#part"), json={"prompt": SecretRef("TOKEN").placeholder})
    got, value = upstream.last(), world.values["TOKEN"]
    assert got.header("authorization") == f"Bearer {value}"
    assert got.target == "/echo?a=1"
    assert str(got.said).count(value) == 1
    assert b'"AS_SECRET_TOKEN"' in got.body
    assert (answer.status, answer.reason) == (200, "OK")
    assert value.encode() not in answer.data
    assert answer.json()["method"] == "POST"
    basic = urllib3.make_headers(basic_auth=f"x:{SecretRef('TOKEN').placeholder}")
    pool.request("GET", upstream.url("/echo"), headers=basic)
    assert str(upstream.last().header("authorization")).startswith("Basic ")


def test_every_option_of_a_client_is_the_clients(world: World, upstream: Upstream) -> None:
    options: dict[str, Any] = {"home": world.home, "project": PROJECT, "agent_token": "as_agent_nobody"}
    with Urllib3PoolManager(**options) as told, pytest.raises(AgentTokenInvalid):
        told.request("GET", upstream.url("/echo"), headers=BEARER)
    gone = f"unix:{world.directory}/no-broker.sock"
    with Urllib3PoolManager(broker=gone) as told, pytest.raises(ProtocolError, match="broker_unavailable"):
        told.request("GET", upstream.url("/echo"), headers=BEARER, retries=False)


def test_bodies(pool: Urllib3PoolManager, upstream: Upstream) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"%d," % number for number in range(100))

    url = upstream.url("/echo")
    for body in (b"bytes", "text ü", io.BytesIO(b"file"), pieces()):
        assert pool.request("POST", url, body=body).status == 200
    assert [got.body for got in upstream.received()] == [b"bytes", "text ü".encode(), b"file", b"".join(pieces())]
    answer = pool.request("POST", upstream.url("/multipart"), fields={"a": "b", "f": ("a.txt", b"y" * 300_000)})
    assert [part["name"] for part in answer.json()["parts"]] == ["a", "f"]


def test_streams_and_connections_are_used_again(pool: Urllib3PoolManager, upstream: Upstream) -> None:
    started = time.monotonic()
    answer = pool.request("GET", upstream.url("/lines?n=4&interval_ms=200"), preload_content=False)
    pieces = answer.stream(1 << 16)
    next(pieces)
    assert time.monotonic() - started < 0.6
    assert b"".join(pieces).count(b"\n") == 3
    answer.release_conn()
    answer = pool.request("GET", upstream.url("/bytes?n=100k"), preload_content=False)
    assert answer.read(10) == bytes(range(10))
    assert len(answer.read(50_000)) == 50_000
    assert len(answer.read()) == 102_400 - 50_010
    answer = pool.request("GET", upstream.url("/sse?events=1&hold=1"), preload_content=False)
    next(answer.stream())
    answer.close()
    until(lambda: upstream.last().outcome == "client_closed")
    for _ in range(5):
        assert len(pool.request("GET", upstream.url("/bytes?n=1m")).data) == 1 << 20


def test_answers_are_as_from_the_librarys_own_pool(pool: Urllib3PoolManager, upstream: Upstream) -> None:
    with urllib3.PoolManager(ca_certs=str(upstream.ca), headers=BEARER) as plain:
        for path in ("/bytes?n=1000", "/set-cookie?name=a&value=b", "/status/204", "/status/404", "/compress/gzip"):
            ours, theirs = (one.request("GET", upstream.url(path)) for one in (pool, plain))
            assert (ours.status, ours.reason, ours.geturl()) == (theirs.status, theirs.reason, theirs.geturl())
            cookies = [[one.partition("=")[0] for one in it.headers.getlist("set-cookie")] for it in (ours, theirs)]
            assert cookies[0] == cookies[1]
            assert ours.headers.get("content-type") == theirs.headers.get("content-type")
            assert "content-encoding" not in ours.headers
            assert ours.closed
        head = pool.request("HEAD", upstream.url("/bytes?n=10"))
        assert (head.headers["content-length"], head.data) == ("10", b"")


def test_limits_and_retries_are_the_librarys(pool: Urllib3PoolManager, upstream: Upstream, world: World) -> None:
    for limit in (0.3, urllib3.Timeout(connect=0.1, read=0.2)):
        with pytest.raises(ReadTimeoutError):
            pool.request("GET", upstream.url("/hang"), timeout=limit, retries=False)
    with pytest.raises(ReadTimeoutError):
        pool.request("GET", upstream.url("/stall?after=10"), timeout=0.3, retries=False)
    upstream.forget()
    again = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0)
    answer = pool.request("GET", upstream.url("/flaky?name=urllib3&fails=2&retry_after=0"), retries=again)
    assert (answer.status, len(upstream.received())) == (200, 3)
    nobody = "https://localhost:1"
    world.owner("allow", "TOKEN", nobody)
    with pytest.raises(MaxRetryError) as gone:
        pool.request("GET", nobody, retries=urllib3.Retry(2, backoff_factor=0))
    assert isinstance(gone.value.reason, ProtocolError)
    with pytest.raises(ProtocolError):
        pool.request("POST", nobody, retries=urllib3.Retry(2, backoff_factor=0))
    with pytest.raises(HTTPError):
        pool.request("GET", upstream.url("/drop?after=100&of=500"), retries=False)


def test_refusals_are_of_both_kinds_and_not_tried_again(
    pool: Urllib3PoolManager, broker: AgentSecrets, upstream: Upstream
) -> None:
    def denied() -> int:
        return len(broker.logs(last=1000, outcome="denied"))

    before = denied()
    with pytest.raises(DestinationNotAllowed, match="agentsecrets allow TOKEN elsewhere") as refused:
        pool.request("GET", "https://elsewhere.example/", retries=urllib3.Retry(5))
    assert isinstance(refused.value, HTTPError)
    assert denied() - before == 1
    with pytest.raises(NothingToInject):
        pool.request("GET", upstream.url("/echo"), headers={})
    assert upstream.received() == []


def test_redirects_are_the_librarys(pool: Urllib3PoolManager, upstream: Upstream, world: World) -> None:
    answer = pool.request("GET", upstream.url("/redirect?to=/echo"), redirect=False)
    assert (answer.status, len(upstream.received())) == (302, 1)
    assert pool.request("GET", upstream.url("/redirect/chain?n=2")).status == 200
    assert upstream.last().header("authorization") == f"Bearer {world.values['TOKEN']}"
    with pytest.raises(NothingToInject):
        pool.request("GET", upstream.url("/redirect?to=https%3A%2F%2Felsewhere.example%2F"))


def test_a_client_of_its_own(world: World, upstream: Upstream, broker: AgentSecrets) -> None:
    with Urllib3PoolManager(home=world.home, project=PROJECT, headers=BEARER, timeout=20) as pool:
        assert pool.request("GET", upstream.url("/echo")).status == 200
    with pytest.raises(InvalidCall, match="closed"):
        pool.request("GET", upstream.url("/echo"))
    Urllib3PoolManager(broker).clear()
    assert broker.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
    with pytest.raises(TypeError, match="client certificate"):
        Urllib3PoolManager(broker, cert_file="mine.pem")
    with pytest.raises(TypeError):
        Urllib3PoolManager(broker, home=world.home)
