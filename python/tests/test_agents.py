"""An agent says who it is with its token, and the token is shown nowhere."""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentsecrets import (
    AgentRequired,
    AgentSecrets,
    AgentTokenInvalid,
    ApprovalRequired,
    AsyncAgentSecrets,
    BudgetExhausted,
    NotShared,
)
from agentsecrets.testing import find_leaks
from agentsecrets.types import ShareInfo
from world import PROJECT, Upstream, World


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[World]:
    """Give a home where an agent is registered."""
    made = World(tmp_path_factory.mktemp("g"), upstream)
    made.store("TOKEN", None, upstream.origin)
    made.store("HIDDEN")
    made.store("ASKED", None, upstream.origin, "--approve")
    made.owner("agent", "register", "bot")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def token(guarded: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("t") / "token"
    guarded.owner("agent", "token", "issue", "bot", "--out", str(file))
    return file.read_text().strip()


def test_a_token_names_the_agent_and_without_one_nothing_is_called(
    guarded: World, token: str, upstream: Upstream
) -> None:
    with AgentSecrets(home=guarded.home, project=PROJECT) as nobody:
        with pytest.raises(AgentRequired) as refused:
            nobody.call(upstream.url("/echo"), bearer="TOKEN")
        assert (refused.value.stage, refused.value.retryable) == ("policy", False)
        assert nobody.status().agent is None
    with AgentSecrets(home=guarded.home, project=PROJECT, agent_token=token) as client:
        assert client.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
        entry = client.logs(last=1)[0]
        assert (entry.agent, entry.identity) == ("bot", "issued")
        assert [info.name for info in client.secrets.list()] == ["ASKED", "TOKEN"]
        assert not client.secrets.check("HIDDEN")[0].present
        assert client.status().agent == "bot"


def test_the_variable_says_it_too_and_an_argument_comes_first(
    guarded: World, token: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTSECRETS_AGENT_TOKEN", token)
    with AgentSecrets(home=guarded.home, project=PROJECT) as client:
        assert client.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
    for wrong in ("as_agent_nobody", "", "é"):
        client = AgentSecrets(home=guarded.home, project=PROJECT, agent_token=wrong)
        with client, pytest.raises(AgentTokenInvalid):
            client.call(upstream.url("/echo"), bearer="TOKEN")


def test_the_asynchronous_client_takes_it_as_well(guarded: World, token: str, upstream: Upstream) -> None:
    async def both() -> None:
        async with AsyncAgentSecrets(home=guarded.home, project=PROJECT, agent_token=token) as client:
            assert (await client.call(upstream.url("/echo"), bearer="TOKEN")).status_code == 200
        async with AsyncAgentSecrets(home=guarded.home, project=PROJECT, agent_token=token + "x") as client:
            with pytest.raises(AgentTokenInvalid):
                await client.call(upstream.url("/echo"), bearer="TOKEN")

    asyncio.run(both())


def test_the_token_is_shown_nowhere(guarded: World, token: str, upstream: Upstream) -> None:
    held = "".join(list(token))
    client = AgentSecrets(home=guarded.home, project=PROJECT, agent_token=token)
    answer = client.call(upstream.url("/echo"), bearer="TOKEN")
    assert find_leaks([held], token), "the search finds what is there"
    wrong = "as_agent_" + "w" * 43
    with pytest.raises(AgentTokenInvalid) as refused:
        AgentSecrets(home=guarded.home, project=PROJECT, agent_token=wrong).secrets.list()
    for told in (client, answer, client.status(), client.logs()):
        assert token not in repr(told)
        assert not find_leaks(told, token)
    for text in (repr(refused.value), str(refused.value), str(refused.value.hint)):
        assert wrong not in text
    with pytest.raises(TypeError):
        pickle.dumps(client)
    # The upstream never sees it.
    sent = upstream.last()
    assert token not in str(sent.said)
    gc.collect()


def test_a_shared_socket_is_told_of_and_tells_of_no_server(
    guarded: World, token: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    socket = tmp_path_factory.mktemp("s") / "bot.sock"
    guarded.owner("broker", "share", "--socket", str(socket), "--agent", "bot", "--expires", "1d")
    with AgentSecrets(home=guarded.home, project=PROJECT) as client:
        [share] = client.status().shares
        assert isinstance(share, ShareInfo)
        assert (share.socket, share.agent, share.isolation) == (str(socket), "bot", "broker-shared")
        assert share.expires is not None
        assert share.expires > share.created
    with AgentSecrets(broker=f"unix:{socket}", agent_token=token) as outside:
        status = outside.status()
        assert (status.isolation, status.shares, status.sync) == ("broker-shared", (), None)
        for ask in (outside.secrets.diff, outside.secrets.pull, outside.secrets.push, outside.workspaces.list):
            with pytest.raises(NotShared):
                ask()


def test_limits_and_approvals_are_errors_of_their_own(guarded: World, token: str, upstream: Upstream) -> None:
    with AgentSecrets(home=guarded.home, project=PROJECT, agent_token=token) as client:
        with pytest.raises(ApprovalRequired) as waited:
            client.call(upstream.url("/echo"), bearer="ASKED", timeout=0.5)
        assert waited.value.hint == "agentsecrets approve"
        grant = client.grants("ASKED")[0]
        assert (grant.approve, grant.agent, grant.limits) == (True, None, ())
        guarded.owner("limit", "--agent", "bot", "--calls", "1/1d")
        assert client.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200
        with pytest.raises(BudgetExhausted) as spent:
            client.call(upstream.url("/echo"), bearer="TOKEN")
        assert spent.value.retryable
        assert client.status().limits == 1
