"""What a client says of secrets and of the allowlist: names, never values."""

from __future__ import annotations

from .types import Checked, DriftInfo, PullReport, PushReport, SecretInfo, VersionInfo, listed, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    # In a class with a method `list` the name means the method.
    AllChecked = list[Checked]
    Drift = list[DriftInfo]
    Versions = list[VersionInfo]


class Secrets:
    """The names of the environment in use. There is no way to a value."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self) -> list[SecretInfo]:
        """Return every secret's name, history and destinations.

        Raises:
            StoreLocked: The use key is not open.
        """
        return listed(SecretInfo, self._ask("secrets"))

    def check(self, *names: str) -> AllChecked:
        """Return, for each name, whether it is there and whether any destination is granted.

        Raises:
            InvalidCall: One of them is no name.
        """
        return listed(Checked, self._ask("check", [str(name) for name in names]))

    def diff(self, *, all: bool = False) -> Drift:  # noqa: A002  # As at the command line.
        """Return the names that are not the same here as with the members of the workspace.

        Args:
            all: Those of every project and environment, and not of the one in use alone.

        Raises:
            NotLoggedIn: This home has no account at a server.
            WorkspaceNotFound: The workspace in use is shared with nobody.
            SyncUnavailable: The server is not reached.
            NeedsBroker: The client is ``in-process``.
        """
        return listed(DriftInfo, self._ask("diff", all))

    def pull(self) -> PullReport:
        """Take in what the members have. What was changed here too is left, and told as a conflict.

        Raises:
            AgentSecretsError: As ``diff`` does; what a server must not say is ``ChainForked``,
                ``ChainRolledBack``, ``ChainInvalid`` or ``RecordInvalid``.
        """
        return told(PullReport, self._ask("pull"))

    def push(self, *names: str) -> PushReport:
        """Give the members what is new here: these names, or all of them.

        A change of what they have is the owner's to give, and comes back in ``needs_owner``.

        Raises:
            InvalidCall: One of them is no name.
            NotAMember: This home is a machine's, which only reads.
            AgentSecretsError: As ``diff`` does.
        """
        return told(PushReport, self._ask("push", [str(name) for name in names]))

    def history(self, name: str) -> Versions:
        """Return the versions of a name that the members have had, the newest first.

        Raises:
            SecretNotFound: The members have no such name.
            AgentSecretsError: As ``diff`` does.
        """
        return listed(VersionInfo, self._ask("history", str(name)))


class AsyncSecrets:
    """The names of the environment in use. There is no way to a value."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        self._ask = ask

    async def list(self) -> list[SecretInfo]:
        """Return every secret's name, history and destinations.

        Raises:
            StoreLocked: The use key is not open.
        """
        return listed(SecretInfo, await self._ask("secrets"))

    async def check(self, *names: str) -> AllChecked:
        """Return, for each name, whether it is there and whether any destination is granted.

        Raises:
            InvalidCall: One of them is no name.
        """
        return listed(Checked, await self._ask("check", [str(name) for name in names]))

    async def diff(self, *, all: bool = False) -> Drift:  # noqa: A002  # As at the command line.
        """Return the names that are not the same here as with the members of the workspace.

        Args:
            all: Those of every project and environment, and not of the one in use alone.

        Raises:
            NotLoggedIn: This home has no account at a server.
            WorkspaceNotFound: The workspace in use is shared with nobody.
            SyncUnavailable: The server is not reached.
            NeedsBroker: The client is ``in-process``.
        """
        return listed(DriftInfo, await self._ask("diff", all))

    async def pull(self) -> PullReport:
        """Take in what the members have. What was changed here too is left, and told as a conflict.

        Raises:
            AgentSecretsError: As ``diff`` does; what a server must not say is ``ChainForked``,
                ``ChainRolledBack``, ``ChainInvalid`` or ``RecordInvalid``.
        """
        return told(PullReport, await self._ask("pull"))

    async def push(self, *names: str) -> PushReport:
        """Give the members what is new here: these names, or all of them.

        A change of what they have is the owner's to give, and comes back in ``needs_owner``.

        Raises:
            InvalidCall: One of them is no name.
            NotAMember: This home is a machine's, which only reads.
            AgentSecretsError: As ``diff`` does.
        """
        return told(PushReport, await self._ask("push", [str(name) for name in names]))

    async def history(self, name: str) -> Versions:
        """Return the versions of a name that the members have had, the newest first.

        Raises:
            SecretNotFound: The members have no such name.
            AgentSecretsError: As ``diff`` does.
        """
        return listed(VersionInfo, await self._ask("history", str(name)))


class Allowlist:
    """The origins that the workspace lets its projects call."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self) -> list[str]:
        """Return the origins; none where the workspace has no allowlist, which then binds nobody."""
        origins: list[str] | None = self._ask("allowlist")
        return origins or []


class AsyncAllowlist:
    """The origins that the workspace lets its projects call."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        self._ask = ask

    async def list(self) -> list[str]:
        """Return the origins; none where the workspace has no allowlist, which then binds nobody."""
        origins: list[str] | None = await self._ask("allowlist")
        return origins or []
