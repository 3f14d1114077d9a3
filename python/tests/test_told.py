"""What a client tells besides answers: names, states, records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from agentsecrets import AgentSecrets, DestinationNotAllowed, InvalidCall
from agentsecrets.types import GrantInfo, LogEntry, SecretInfo, Status, parse_time
from world import PROJECT, Upstream, World


def test_names(client: AgentSecrets) -> None:
    listed = {secret.name: secret for secret in client.secrets.list()}
    token = listed["TOKEN"]
    assert isinstance(token, SecretInfo)
    assert token.version == 1
    assert token.created <= token.updated <= datetime.now(timezone.utc)
    assert token.destinations
    assert listed["UNGRANTED"].destinations == ()
    checked = client.secrets.check("TOKEN", "UNGRANTED", "NO_SUCH")
    assert [(found.present, found.granted) for found in checked] == [(True, True), (True, False), (False, False)]
    with pytest.raises(InvalidCall):
        client.secrets.check("no name")


def test_status(client: AgentSecrets, world: World) -> None:
    status = client.status()
    assert isinstance(status, Status)
    assert status.isolation == client.isolation
    assert (status.home, status.project, status.environment) == (str(world.home), PROJECT, "development")
    assert (status.store, status.use_key, status.locked, status.owner) == ("file", "file", False, True)
    assert status.problem is None


def test_grants(client: AgentSecrets, upstream: Upstream) -> None:
    grants = client.grants("QUERY_KEY")
    assert all(isinstance(grant, GrantInfo) for grant in grants)
    assert [grant.slots for grant in grants] == [("query:key",)]
    assert grants[0].state == "active"
    assert str(upstream.port) in grants[0].rule
    assert len(client.grants()) > len(grants)


def test_allowlist(client: AgentSecrets) -> None:
    assert client.allowlist.list() == []


def test_logs(client: AgentSecrets, upstream: Upstream) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    client.call(upstream.url("/echo/raw"), "POST", bearer="TOKEN", body=b"x")
    with pytest.raises(DestinationNotAllowed):
        client.call(upstream.url("/echo"), bearer="UNGRANTED")
    denied, answered = client.logs(last=2)
    assert isinstance(answered, LogEntry)
    assert (denied.outcome, denied.reason, denied.phase) == ("denied", "destination_not_allowed", "ended")
    assert (answered.outcome, answered.status, answered.method) == ("ok", 200, "POST")
    assert answered.secrets == ("TOKEN",)
    assert answered.styles == ("bearer",)
    assert answered.isolation == client.isolation
    assert answered.began is not None
    assert answered.ended is not None
    assert before < answered.began <= answered.ended
    assert client.logs(call=answered.call) == [answered]
    assert {entry.outcome for entry in client.logs(outcome="denied")} == {"denied"}
    assert client.logs(since=datetime.now(timezone.utc) + timedelta(hours=1)) == []
    assert all("UNGRANTED" in entry.secrets for entry in client.logs(secret="UNGRANTED", last=5))
    refused: list[dict[str, Any]] = [{"outcome": "great"}, {"last": -1}, {"secret": "no name"}]
    for wrong in refused:
        with pytest.raises(InvalidCall):
            client.logs(**wrong)


def test_times() -> None:
    expected = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)
    assert parse_time("2026-01-02T03:04:05.678901234Z") == expected
    assert parse_time("2026-01-02T03:04:05Z") == expected.replace(microsecond=0)
    assert parse_time(None) is None
