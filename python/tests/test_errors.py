"""Every refusal: code, stage, and the command that mends it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from agentsecrets import (
    AgentSecrets,
    AgentSecretsError,
    Cancelled,
    DestinationNotAllowed,
    HeaderNotAllowed,
    InvalidCall,
    InvalidValue,
    NothingToInject,
    NotInitialized,
    ProjectNotFound,
    ResponseTooLarge,
    SecretNotFound,
    SlotNotAllowed,
    Timeout,
    UndecodableResponse,
    UpstreamUnreachable,
)
from world import PROJECT, Upstream, World, make_canary


def refusal(client: AgentSecrets, kind: type[AgentSecretsError], url: str, **options: object) -> AgentSecretsError:
    with pytest.raises(kind) as refused:
        client.call(url, **options)  # type: ignore[arg-type]
    error = refused.value
    assert type(error) is kind
    assert error.code
    assert error.stage
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (kind, str(error), error.hint)
    return error


def test_policy(client: AgentSecrets, upstream: Upstream) -> None:
    echo = upstream.url("/echo")
    error = refusal(client, DestinationNotAllowed, echo, bearer="UNGRANTED")
    assert (error.code, error.stage, error.retryable) == ("destination_not_allowed", "policy", False)
    assert error.hint is not None
    assert "agentsecrets allow UNGRANTED" in error.hint
    refusal(client, DestinationNotAllowed, "https://example.com/", bearer="TOKEN")
    error = refusal(client, SlotNotAllowed, echo, header={"X-Other": "TOKEN"})
    assert error.hint is not None
    assert "--slot header:" in error.hint.lower()
    refusal(client, SlotNotAllowed, echo, query={"key": "TOKEN"})
    refusal(client, NothingToInject, echo)
    refusal(client, HeaderNotAllowed, echo, bearer="TOKEN", headers={"Range": "bytes=0-1"})
    assert upstream.received() == []


def test_names(client: AgentSecrets, upstream: Upstream) -> None:
    refusal(client, SecretNotFound, upstream.url("/echo"), bearer="NO_SUCH_NAME")
    refusal(client, ProjectNotFound, upstream.url("/echo"), bearer="TOKEN", project="elsewhere")


def test_values_that_do_not_fit(broker: AgentSecrets, upstream: Upstream, world: World) -> None:
    world.store("TWO_LINES", f"{make_canary()}\n{make_canary()}", upstream.origin)
    error = refusal(broker, InvalidValue, upstream.url("/echo"), bearer="TWO_LINES")
    assert error.stage == "inject"
    assert world.values["TWO_LINES"][:20] not in f"{error!r}"


def test_bodies_that_do_not_fit(client: AgentSecrets, upstream: Upstream) -> None:
    echo = upstream.url("/echo")
    fields = {"auth.client_secret": "CLIENT_SECRET"}
    for body in ("no json", b"\xff", {"auth": 7}, [1]):
        error = refusal(client, InvalidCall, echo, method="POST", body=body, body_field=fields)
        assert error.stage == "inject"
    refusal(client, InvalidCall, echo, method="POST", body=iter([b"{}"]), body_field=fields)


def test_the_wire(client: AgentSecrets, upstream: Upstream) -> None:
    error = refusal(client, Timeout, upstream.url("/hang"), bearer="TOKEN", timeout=0.3)
    assert (error.stage, error.retryable) == ("send", True)
    refusal(client, UpstreamUnreachable, upstream.url("/flaky?name=wire&fails=1&status=0"), bearer="TOKEN")
    error = refusal(client, ResponseTooLarge, upstream.url("/bytes?n=10k"), bearer="TOKEN", max_response=1000)
    assert error.stage == "redact"
    refusal(client, UndecodableResponse, upstream.url("/compress/unknown"), bearer="TOKEN")


def test_retries(client: AgentSecrets, upstream: Upstream) -> None:
    url = upstream.url(f"/flaky?name={client.isolation}&fails=2&status=503")
    assert client.call(url, bearer="TOKEN", retries=2).status_code == 200
    assert len(upstream.received()) == 3


def test_a_redirect_is_the_answer_where_the_caller_wants_it(client: AgentSecrets, upstream: Upstream) -> None:
    url = upstream.url("/redirect/chain?n=1")
    assert client.call(url, bearer="TOKEN").status_code == 200
    assert client.call(url, bearer="TOKEN", follow_redirects=False).status_code == 302


def test_the_clients_timeout(world: World, upstream: Upstream) -> None:
    with AgentSecrets(home=world.home, project=PROJECT, timeout=0.3) as client, pytest.raises(Timeout):
        client.call(upstream.url("/hang"), bearer="TOKEN")


def test_there_is_no_home(tmp_path: Path) -> None:
    for isolation in ("broker", "in-process"):
        with pytest.raises(NotInitialized) as refused:
            AgentSecrets(home=tmp_path / "none", isolation=isolation)
        assert refused.value.hint == "agentsecrets init"


def test_choices(world: World) -> None:
    wrong: list[dict[str, Any]] = [{"isolation": "none"}, {"project": "a/b"}, {"timeout": 0}, {"timeout": -1}]
    for choice in wrong:
        with pytest.raises(InvalidCall):
            AgentSecrets(home=world.home, **choice)
    with pytest.raises(TypeError):
        AgentSecrets(home=world.home, token="x")  # type: ignore[call-arg]


def test_a_closed_client(broker: AgentSecrets, upstream: Upstream) -> None:
    broker.close()
    broker.close()
    with pytest.raises(InvalidCall, match="closed"):
        broker.call(upstream.url("/echo"), bearer="TOKEN")
    assert "closed" in repr(broker)
    assert Cancelled("x").code == "cancelled"
