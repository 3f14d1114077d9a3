"""What every test stands on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentsecrets import AgentSecrets, AsyncAgentSecrets
from team import WORKSPACE, Team
from vendors import store_keys
from world import PROJECT, Upstream, World


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    running = Upstream(tmp_path_factory.mktemp("upstream") / "run")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[World]:
    # A socket's path is short (`sun_path`), and pytest's folders are long.
    made = World(tmp_path_factory.mktemp("w"), upstream)
    origin = upstream.origin
    made.store("TOKEN", None, origin)
    made.store("BASIC", f"user:{os.urandom(12).hex()}", origin)
    made.store("API_KEY", None, origin, "--slot", "header:X-Api-Key", "--slot", "header:Authorization")
    made.store("QUERY_KEY", None, origin, "--slot", "query:key")
    made.store("CLIENT_SECRET", None, f"{origin}/echo/**", "--slot", "body:auth.client_secret")
    made.store("FORM_SECRET", None, f"{origin}/echo/**", "--slot", "form:api_key")
    made.store("UNGRANTED")
    made.owner("allow", "CLIENT_SECRET", f"{origin}/echo", "--slot", "body:auth.client_secret")
    made.owner("allow", "FORM_SECRET", f"{origin}/echo", "--slot", "form:api_key")
    made.owner("allow", "FORM_SECRET", f"{origin}/multipart", "--slot", "form:api_key")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def vendor_keys(world: World) -> World:
    """Return the world with a key of each vendor in it."""
    store_keys(world)
    return world


@pytest.fixture(autouse=True)
def _forgetful(request: pytest.FixtureRequest) -> None:
    if "world" in request.fixturenames:
        request.getfixturevalue("upstream").forget()


@pytest.fixture(params=["broker", "in-process"])
def client(request: pytest.FixtureRequest, world: World) -> Iterator[AgentSecrets]:
    unlock = f"file:{world.use_key}" if request.param == "in-process" else None
    with AgentSecrets(home=world.home, project=PROJECT, isolation=request.param, unlock=unlock) as opened:
        yield opened


@pytest.fixture
def broker(world: World) -> Iterator[AgentSecrets]:
    with AgentSecrets(home=world.home, project=PROJECT) as opened:
        yield opened


@pytest.fixture
async def aclient(world: World) -> AsyncIterator[AsyncAgentSecrets]:
    async with AsyncAgentSecrets(home=world.home, project=PROJECT) as opened:
        yield opened


@pytest.fixture
def home(world: World) -> Path:
    return world.home


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Team]:
    made = Team(tmp_path_factory.mktemp, upstream)
    yield made
    made.stop()


@pytest.fixture
def ann(team: Team) -> Iterator[AgentSecrets]:
    with AgentSecrets(home=team.ann.home, workspace=WORKSPACE) as opened:
        yield opened


@pytest.fixture
def ben(team: Team) -> Iterator[AgentSecrets]:
    with AgentSecrets(home=team.ben.home, workspace=WORKSPACE) as opened:
        yield opened
