"""The types of what is told of shared workspaces and of shared sockets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DriftInfo:
    """A name that is not the same here as with the members."""

    name: str
    project: str
    environment: str
    state: str
    """``local`` (a push gives it), ``remote`` (a pull takes it) or ``conflict`` (both were changed)."""
    change: str
    """``added``, ``changed`` or ``deleted``, on the side that the state names; in a conflict on the members' side."""
    author: str | None
    """Who changed it, where a member did."""
    time: datetime | None
    """When a member did."""
    version: int | None
    """The version that the members have, where that is not here."""
    updated: datetime | None
    """When the value here was set, where there is one."""


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull did."""

    pulled: tuple[DriftInfo, ...]
    """What was taken in."""
    conflicts: tuple[DriftInfo, ...]
    """What was not, because it was changed here too."""
    unpushed: tuple[DriftInfo, ...]
    """What the members do not have yet."""


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did."""

    pushed: tuple[DriftInfo, ...]
    """What the members have now."""
    conflicts: tuple[DriftInfo, ...]
    """What they do not, because somebody was faster."""
    needs_owner: tuple[DriftInfo, ...]
    """What is pushed by the owner alone, ``agentsecrets secrets push``: a change of what the members have."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version of a name, as the members have it."""

    version: int
    """Counts up from 1."""
    author: str
    time: datetime
    """When it was written, by the author's clock."""
    deleted: bool
    """Whether the name was deleted with it."""
    current: bool
    """Whether it is the one that is here."""


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """A workspace as it is listed."""

    name: str
    id: str
    shared: bool
    """Whether it is shared by a server, or this home's alone."""
    current: bool
    """Whether it is the one in use here."""
    role: str | None
    """``admin``, ``member`` or ``machine``, where it is shared."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the choice of a workspace leads to."""

    project: str | None
    """Its project that is in use now; ``None`` in a workspace that has none."""
    directory: str | None
    """The linked directory it was chosen for too, where the client is in one."""


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """A member of a shared workspace."""

    name: str
    """What the others call it; its id where that cannot be read here."""
    account: str
    role: str
    """``admin``, ``member``, ``machine``, or ``invited``."""
    fingerprint: str
    """Six words made of the member's keys, to be compared by another way."""
    devices: int
    """How many it has."""
    expires: datetime | None
    """Until when an invitation counts."""
    own: bool
    """Whether it is this home."""
    environments: tuple[str, ...] = ()
    """Those of a machine, as ``project/environment``."""


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """An entry of the membership chain."""

    seq: int
    """Its number."""
    hash: str
    """Its digest."""
    time: datetime
    """When, by the author's clock."""
    author: str
    says: str


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How a home stands to its server."""

    server: str
    email: str | None
    """The address of the account; ``None`` for a machine."""
    asked: datetime | None
    """When the server was asked last, for the workspace in use."""
    heard: datetime | None
    """The newest sign of life of an admin."""
    stale: bool
    """Whether no admin was heard for seven days: the server may be showing an old state."""
    entries: int | None
    """How many entries the membership chain has."""
    conflicts: int
    """How many names wait for a decision: changed here and by a member."""
    should_rotate: tuple[str, ...] = ()
    """Names, as ``project/environment/NAME``, that somebody could read who has left since, and nobody has changed."""


@dataclass(frozen=True, slots=True)
class ShareInfo:
    """A socket that the owner shares with others than this user."""

    id: str
    socket: str
    """Its path."""
    agent: str | None
    """The only agent it serves; ``None`` means every registered one."""
    isolation: str
    """``broker-shared`` or ``broker-system``, for those who call there."""
    mode: str
    """In octal."""
    group: str | None
    created: datetime
    expires: datetime | None
    state: str
    """``listening``, ``waiting`` for a broker that opens it, ``failed``, ``stopped`` or ``expired``."""
    problem: str | None
    """Why it failed."""
