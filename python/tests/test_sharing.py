"""Two homes share a workspace by a real server, and programs see names of it, never values."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest

from agentsecrets import (
    AgentSecrets,
    AsyncAgentSecrets,
    InvalidCall,
    NeedsBroker,
    NotAMember,
    NotLoggedIn,
    ProjectNotFound,
    SecretNotFound,
    SyncUnavailable,
    WorkspaceNotFound,
)
from agentsecrets.testing import MockAgentSecrets, MockAsyncAgentSecrets, assert_no_leak, find_leaks
from agentsecrets.types import ChainEntry, DriftInfo, MemberInfo, PullReport, PushReport, SyncStatus, VersionInfo
from team import PERSONAL, SHARED, WORKSPACE, Machine, Team
from world import PROJECT, Upstream, World, make_canary


def of(name: str, drift: Iterable[DriftInfo]) -> DriftInfo:
    """Return the only one of this name."""
    [found] = [one for one in drift if one.name == name]
    return found


def names(drift: Iterable[DriftInfo]) -> set[str]:
    return {one.name for one in drift}


def sharing(client: AgentSecrets) -> list[Callable[[], object]]:
    """Return the questions that the server is asked too."""
    history = partial(client.secrets.history, "TOKEN")
    return [client.secrets.diff, client.secrets.pull, client.secrets.push, history, client.workspaces.members]


def test_what_one_gives_the_other_takes_and_uses(
    team: Team, ann: AgentSecrets, ben: AgentSecrets, upstream: Upstream
) -> None:
    value = team.ann.store("GIVEN", None, upstream.origin)
    added = of("GIVEN", ann.secrets.diff())
    assert (added.state, added.change, added.author, added.version) == ("local", "added", None, None)
    assert (added.project, added.environment) == (SHARED, "development")
    assert "GIVEN" not in names(ben.secrets.diff())

    assert names(ann.secrets.push("GIVEN").pushed) == {"GIVEN"}
    there = of("GIVEN", ben.secrets.diff())
    assert (there.state, there.change, there.author, there.version) == ("remote", "added", team.ann.email, 1)
    assert there.time is not None
    assert not ben.secrets.check("GIVEN")[0].present

    pulled = ben.secrets.pull()
    assert isinstance(pulled, PullReport)
    assert "GIVEN" in names(pulled.pulled)
    assert "GIVEN" not in names(ben.secrets.diff()) | names(ann.secrets.diff())
    assert ben.call(upstream.url("/echo"), bearer="GIVEN").status_code == 200
    assert upstream.last().header("authorization") == f"Bearer {value}"


def test_a_new_name_needs_no_human_and_a_change_needs_the_owner(team: Team, ann: AgentSecrets) -> None:
    team.ann.store("CHANGED")
    assert names(ann.secrets.push("CHANGED").pushed) == {"CHANGED"}
    team.ann.owner("secrets", "set", "CHANGED", value=b"another value than before")
    assert of("CHANGED", ann.secrets.diff()).change == "changed"
    report = ann.secrets.push()
    assert isinstance(report, PushReport)
    assert "CHANGED" in names(report.needs_owner)
    assert "CHANGED" not in names(report.pushed)
    assert [version.version for version in ann.secrets.history("CHANGED")] == [1]
    # The owner's own push is what gives it.
    team.ann.owner("secrets", "push", "CHANGED")
    assert [version.version for version in ann.secrets.history("CHANGED")] == [2, 1]


def test_a_push_of_some_names_leaves_the_others(team: Team, ann: AgentSecrets) -> None:
    team.ann.store("ONE_OF_TWO")
    team.ann.store("TWO_OF_TWO")
    assert names(ann.secrets.push("ONE_OF_TWO").pushed) == {"ONE_OF_TWO"}
    assert of("TWO_OF_TWO", ann.secrets.diff()).state == "local"
    assert "TWO_OF_TWO" in names(ann.secrets.pull().unpushed)
    assert ann.secrets.push("NEVER_SET") == PushReport((), (), ())


def test_a_conflict_comes_back_by_name_with_its_author(team: Team, ann: AgentSecrets, ben: AgentSecrets) -> None:
    team.ann.store("DISPUTED")
    ann.secrets.push("DISPUTED")
    ben.secrets.pull()
    team.ann.owner("secrets", "set", "DISPUTED", value=b"what ann has made of it")
    team.ann.owner("secrets", "push", "DISPUTED")
    team.ben.owner("secrets", "set", "DISPUTED", value=b"what ben has made of it")
    for found in (ben.secrets.diff(), ben.secrets.pull().conflicts, ben.secrets.push("DISPUTED").conflicts):
        conflict = of("DISPUTED", found)
        assert (conflict.state, conflict.change, conflict.author) == ("conflict", "changed", team.ann.email)
    sync = ben.status().sync
    assert sync is not None
    assert sync.conflicts == 1
    # What is disputed is left as it is until a human has decided.
    assert [version.version for version in ann.secrets.history("DISPUTED")] == [2, 1]
    team.ben.owner("secrets", "pull", "--theirs", "DISPUTED")
    assert ben.secrets.pull().conflicts == ()


def test_history(team: Team, ann: AgentSecrets) -> None:
    team.ann.store("OLD")
    ann.secrets.push("OLD")
    [first] = ann.secrets.history("OLD")
    assert isinstance(first, VersionInfo)
    assert (first.version, first.author, first.deleted, first.current) == (1, team.ann.email, False, True)
    with pytest.raises(SecretNotFound):
        ann.secrets.history("NEVER_SET")
    with pytest.raises(InvalidCall):
        ann.secrets.history("no name")


def test_all_projects_and_environments(team: Team, ann: AgentSecrets) -> None:
    team.ann.store("ELSEWHERE")
    with AgentSecrets(home=team.ann.home, workspace=WORKSPACE, environment="production") as production:
        assert "ELSEWHERE" not in names(production.secrets.diff())
        assert of("ELSEWHERE", production.secrets.diff(all=True)).environment == "development"
    assert "ELSEWHERE" in names(ann.secrets.diff())


def test_who_is_in_it(team: Team, ann: AgentSecrets) -> None:
    members = {member.name: member for member in ann.workspaces.members()}
    assert set(members) == {team.ann.email, team.ben.email}
    own, other = members[team.ann.email], members[team.ben.email]
    assert isinstance(own, MemberInfo)
    assert (own.role, own.own, own.devices, own.environments) == ("admin", True, 1, ())
    assert (other.role, other.own) == ("member", False)
    assert len(other.fingerprint.split()) == 6
    log = ann.workspaces.log()
    assert all(isinstance(entry, ChainEntry) for entry in log)
    assert [entry.seq for entry in log] == list(range(log[0].seq, log[0].seq + len(log)))
    with AgentSecrets(home=team.ben.home, workspace=WORKSPACE) as ben:
        assert [entry.hash for entry in ben.workspaces.log()][:3] == [entry.hash for entry in log][:3]


def test_status_tells_of_the_server(team: Team, ann: AgentSecrets, world: World) -> None:
    ann.secrets.diff()
    status = ann.status()
    assert (status.workspace, status.project, status.shares) == (WORKSPACE, SHARED, ())
    sync = status.sync
    assert isinstance(sync, SyncStatus)
    assert (sync.server, sync.email, sync.stale, sync.should_rotate) == (team.server.url, team.ann.email, False, ())
    assert sync.asked is not None
    assert sync.heard is not None
    assert sync.entries == len(ann.workspaces.log())
    with AgentSecrets(home=world.home, project=PROJECT) as alone:
        assert alone.status().sync is None


def test_one_client_in_two_workspaces(team: Team) -> None:
    team.ann.store("INSIDE")
    with AgentSecrets(home=team.ann.home, workspace=PERSONAL, project=PROJECT) as own:
        inside = own.workspace(WORKSPACE)
        assert (own.status().workspace, own.status().project) == (PERSONAL, PROJECT)
        assert (inside.status().workspace, inside.status().project) == (WORKSPACE, SHARED)
        assert own.status().broker_pid == inside.status().broker_pid
        assert inside.secrets.check("INSIDE")[0].present
        assert not own.secrets.check("INSIDE")[0].present
        assert own.workspace(WORKSPACE, project=SHARED).status().project == SHARED
        with pytest.raises(ProjectNotFound):
            own.workspace(WORKSPACE, project=PROJECT).secrets.list()
        with pytest.raises(WorkspaceNotFound):
            own.workspace("nowhere").secrets.list()
        with pytest.raises(InvalidCall):
            own.workspace("no name")
    # Each is closed by itself.
    assert inside.secrets.check("INSIDE")[0].present
    with pytest.raises(InvalidCall):
        own.workspace(WORKSPACE)


def test_a_forked_child_is_in_the_same_workspace(team: Team) -> None:
    with AgentSecrets(home=team.ann.home, workspace=PERSONAL) as own:
        inside = own.workspace(WORKSPACE)
        assert inside.status().workspace == WORKSPACE
        child = os.fork()
        if child == 0:
            os._exit(0 if inside.status().workspace == WORKSPACE else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_the_workspace_in_use(team: Team) -> None:
    with AgentSecrets(home=team.ben.home) as ben:
        listed = {workspace.name: workspace for workspace in ben.workspaces.list()}
        assert set(listed) == {PERSONAL, WORKSPACE}
        assert (listed[PERSONAL].shared, listed[PERSONAL].role) == (False, None)
        assert (listed[WORKSPACE].shared, listed[WORKSPACE].role) == (True, "member")
        chosen = ben.workspaces.use(PERSONAL)
        assert (chosen.project, chosen.directory) == (PROJECT, None)
        assert ben.status().workspace == PERSONAL
        assert [workspace.name for workspace in ben.workspaces.list() if workspace.current] == [PERSONAL]
        assert ben.workspaces.use(WORKSPACE).project == SHARED
        assert ben.status().workspace == WORKSPACE
        with pytest.raises(WorkspaceNotFound):
            ben.workspaces.use("nowhere")


def test_what_is_refused_is_refused_by_class(team: Team, ann: AgentSecrets, world: World) -> None:
    with AgentSecrets(home=world.home, project=PROJECT) as alone:
        for ask in sharing(alone):
            with pytest.raises(NotLoggedIn) as refused:
                ask()
            assert refused.value.hint is not None
    own = ann.workspace(PERSONAL)
    for ask in (*sharing(own), own.workspaces.log):
        with pytest.raises(WorkspaceNotFound):
            ask()
    key = f"file:{team.ann.use_key}"
    with AgentSecrets(home=team.ann.home, workspace=WORKSPACE, isolation="in-process", unlock=key) as inside:
        for ask in sharing(inside):
            with pytest.raises(NeedsBroker):
                ask()
    with pytest.raises(InvalidCall):
        ann.secrets.push("no name")


def test_without_its_server_a_home_goes_on(team: Team, ann: AgentSecrets, upstream: Upstream) -> None:
    team.ann.store("KEPT", None, upstream.origin)
    team.server.stop()
    try:
        for ask in sharing(ann):
            with pytest.raises(SyncUnavailable) as refused:
                ask()
            assert refused.value.retryable
        assert ann.workspaces.log()
        assert ann.status().sync is not None
        assert ann.call(upstream.url("/echo"), bearer="KEPT").status_code == 200
    finally:
        team.server.start()
    assert of("KEPT", ann.secrets.diff()).state == "local"


def test_a_machine_reads_its_environments_and_gives_nothing(
    team: Team, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = ["workspace", "machine", "add", "deploy", "--environment", "staging"]
    machine = Machine(tmp_path_factory.mktemp("m"), upstream, team.ann.owner(*words, told="--enrolment-fd"))
    team.ann.run("secrets", "set", "STAGED", "--environment", "staging", value=make_canary().encode())
    team.ann.run("secrets", "push", "--environment", "staging")
    try:
        with AgentSecrets(home=machine.home, environment="staging") as client:
            assert of("STAGED", client.secrets.diff()).state == "remote"
            assert names(client.secrets.pull().pulled) >= {"STAGED"}
            with pytest.raises(NotAMember):
                client.secrets.push()
            sync = client.status().sync
            assert sync is not None
            assert sync.email is None
            [own] = [member for member in client.workspaces.members() if member.own]
            assert (own.role, own.environments) == ("machine", (f"{SHARED}/staging",))
            assert client.workspaces.list()[-1].role == "machine"
    finally:
        machine.stop()
        team.ann.owner("workspace", "remove", "deploy")


async def test_the_asynchronous_client_has_the_same(team: Team) -> None:
    team.ann.store("AWAITED")
    async with AsyncAgentSecrets(home=team.ann.home, workspace=PERSONAL) as own:
        client = own.workspace(WORKSPACE)
        assert of("AWAITED", await client.secrets.diff(all=True)).state == "local"
        assert names((await client.secrets.push("AWAITED")).pushed) == {"AWAITED"}
        assert (await client.secrets.pull()).conflicts == ()
        assert [version.version for version in await client.secrets.history("AWAITED")] == [1]
        assert {member.role for member in await client.workspaces.members()} == {"admin", "member"}
        assert await client.workspaces.log()
        assert {workspace.name for workspace in await client.workspaces.list()} == {PERSONAL, WORKSPACE}
        assert (await client.workspaces.use(WORKSPACE)).project == SHARED
        assert (await client.status()).workspace == WORKSPACE
        with pytest.raises(WorkspaceNotFound):
            await own.secrets.diff()


def everything(client: AgentSecrets) -> list[Any]:
    """Ask all there is of sharing, and return every answer and error."""
    found: list[Any] = [client, client.secrets, client.workspaces, client.workspace(WORKSPACE)]
    found += [*client.secrets.diff(all=True), client.secrets.pull(), client.secrets.push(), client.status()]
    found += [*client.workspaces.list(), *client.workspaces.members(), *client.workspaces.log()]
    found += [version for secret in client.secrets.list() for version in client.secrets.history(secret.name)]
    with pytest.raises(SecretNotFound) as refused:
        client.secrets.history("NEVER_SET")
    return [*found, refused.value.with_traceback(None)]


def test_no_answer_leads_to_a_value(
    team: Team, ann: AgentSecrets, ben: AgentSecrets, capfd: pytest.CaptureFixture[str]
) -> None:
    value = team.ann.store("HIDDEN")
    shown = of("HIDDEN", ann.secrets.diff())
    ann.secrets.push()
    found = [shown, *everything(ann), *everything(ben)]
    printed = "".join(capfd.readouterr())
    planted = DriftInfo("HIDDEN", SHARED, "development", "local", "added", value, None, None, None)
    assert find_leaks(planted, value), "the search finds what is there"
    assert value in repr(planted)
    for answer in found:
        assert_no_leak(answer, value)
        assert value not in repr(answer)
        if hasattr(answer, "__dataclass_fields__"):
            assert value not in json.dumps(asdict(answer), default=str)
    assert value not in printed


def test_the_acts_of_the_owner_are_not_there(ann: AgentSecrets) -> None:
    for name in ("append", "follow", "leave", "create", "invite", "join", "remove", "promote", "enrol", "sign"):
        assert not hasattr(ann.secrets, name)
        assert not hasattr(ann.workspaces, name)
    wrong: Any = ann.secrets
    for ask in (wrong.pull, wrong.push):
        with pytest.raises(TypeError):
            ask(act="signed")


async def test_a_mock_has_nothing_to_share() -> None:
    mock = MockAgentSecrets(secrets=["TOKEN"])
    assert mock.workspace(WORKSPACE) is mock
    assert (mock.secrets.diff(), mock.secrets.history("TOKEN"), mock.workspaces.members()) == ([], [], [])
    assert mock.secrets.pull() == PullReport((), (), ())
    assert mock.secrets.push("TOKEN") == PushReport((), (), ())
    assert (mock.status().sync, mock.status().shares) == (None, ())
    assert mock.workspaces.use(WORKSPACE).project is None
    waiting = MockAsyncAgentSecrets()
    assert await waiting.workspaces.list() == []
    assert (await waiting.secrets.pull()).pulled == ()
