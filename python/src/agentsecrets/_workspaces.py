"""What a client says of workspaces, and of who is in them."""

from __future__ import annotations

from .types import ChainEntry, Chosen, MemberInfo, WorkspaceInfo, listed, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    # In a class with a method `list` the name means the method.
    Members = list[MemberInfo]
    Chain = list[ChainEntry]


class Workspaces:
    """The workspaces of this home, and who is in the one in use."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self) -> list[WorkspaceInfo]:
        """Return the workspaces of this home; the first is its own."""
        return listed(WorkspaceInfo, self._ask("workspaces"))

    def use(self, name: str) -> Chosen:
        """Make a workspace the one in use for every program of this home, until another is chosen.

        ``client.workspace(name)`` chooses for one client alone.

        Raises:
            WorkspaceNotFound: This home has none of that name.
        """
        return told(Chosen, self._ask("use_workspace", str(name)))

    def members(self) -> Members:
        """Return who is in the workspace in use.

        Raises:
            NotLoggedIn: This home has no account at a server.
            WorkspaceNotFound: The workspace in use is shared with nobody.
            SyncUnavailable: The server is not reached.
            NeedsBroker: The client is ``in-process``.
        """
        return listed(MemberInfo, self._ask("members"))

    def log(self) -> Chain:
        """Return the membership chain of the workspace in use, as this home has verified it.

        Two members whose digests of one number differ were shown different chains.

        Raises:
            WorkspaceNotFound: The workspace in use is shared with nobody.
            ChainInvalid: What lies here is no chain.
        """
        return listed(ChainEntry, self._ask("workspace_log"))


class AsyncWorkspaces:
    """The workspaces of this home, and who is in the one in use."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        self._ask = ask

    async def list(self) -> list[WorkspaceInfo]:
        """Return the workspaces of this home; the first is its own."""
        return listed(WorkspaceInfo, await self._ask("workspaces"))

    async def use(self, name: str) -> Chosen:
        """Make a workspace the one in use for every program of this home, until another is chosen.

        ``client.workspace(name)`` chooses for one client alone.

        Raises:
            WorkspaceNotFound: This home has none of that name.
        """
        return told(Chosen, await self._ask("use_workspace", str(name)))

    async def members(self) -> Members:
        """Return who is in the workspace in use.

        Raises:
            NotLoggedIn: This home has no account at a server.
            WorkspaceNotFound: The workspace in use is shared with nobody.
            SyncUnavailable: The server is not reached.
            NeedsBroker: The client is ``in-process``.
        """
        return listed(MemberInfo, await self._ask("members"))

    async def log(self) -> Chain:
        """Return the membership chain of the workspace in use, as this home has verified it.

        Two members whose digests of one number differ were shown different chains.

        Raises:
            WorkspaceNotFound: The workspace in use is shared with nobody.
            ChainInvalid: What lies here is no chain.
        """
        return listed(ChainEntry, await self._ask("workspace_log"))
