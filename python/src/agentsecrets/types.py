"""The types of what goes in and what is told: names, states and records, never values."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import IO, Any, TypedDict, TypeVar, cast

from ._ref import SecretRef
from ._sharing import ChainEntry as ChainEntry
from ._sharing import Chosen as Chosen
from ._sharing import DriftInfo as DriftInfo
from ._sharing import MemberInfo as MemberInfo
from ._sharing import PullReport as PullReport
from ._sharing import PushReport as PushReport
from ._sharing import ShareInfo as ShareInfo
from ._sharing import SyncStatus as SyncStatus
from ._sharing import VersionInfo as VersionInfo
from ._sharing import WorkspaceInfo as WorkspaceInfo

Secret = str | SecretRef
"""A secret's name."""

Pairs = Mapping[str, object] | Iterable[tuple[str, object]]
"""Plain names and values: str, numbers and bool, checked when the call is made.

A list of them gives its name as often, and ``None`` leaves it out.
"""

Source = IO[bytes] | Iterable[bytes] | AsyncIterable[bytes]
"""What is streamed: a file opened in binary mode, or an iterator of bytes."""

Content = bytes | bytearray | memoryview | str | Source
Body = Content | dict[str, Any] | list[Any]
"""bytes and str are sent as they are, a dict or list as JSON; the rest is streamed."""

File = Content | tuple[str | None, Content] | tuple[str | None, Content, str | None]
"""Content, or ``(filename, content)``, or ``(filename, content, content_type)``."""

Files = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""Names and each a ``File``, checked when the call is made."""


class CallOptions(TypedDict, total=False):
    """What may be said of a call besides URL and method.

    ``bearer``, ``basic``, ``header``, ``query``, ``body_field`` and ``form_field`` take names of
    secrets and combine freely; two of them for one place are ``InvalidCall``.
    """

    bearer: Secret | None
    """``Authorization: Bearer`` with this secret."""
    basic: Secret | None
    """``Authorization: Basic`` with this secret, whose value is ``user:password``."""
    header: Mapping[str, Secret] | None
    """Headers with secrets."""
    query: Mapping[str, Secret] | None
    """Query parameters with secrets; they go to the end of the query."""
    body_field: Mapping[str, Secret] | None
    """Fields of the JSON body with secrets: dotted paths (``auth.key``) or RFC 6901 pointers."""
    form_field: Mapping[str, Secret] | None
    """Fields of the form with secrets."""
    headers: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] | None
    """Plain headers."""
    params: Pairs | None
    """Plain query parameters, added at the end of the query."""
    body: Body | None
    """The body."""
    form: Pairs | None
    """The fields of a form. Excludes ``body``."""
    files: Files | None
    """Files, sent with ``form`` as ``multipart/form-data``. Excludes ``body``."""
    timeout: float | None
    """Seconds, for the whole call; for a stream until its headers. The client's unless said."""
    max_response: int | None
    """The longest buffered response, in bytes; 64 MiB unless said."""
    retries: int
    """How often an idempotent call may be tried again; 0 unless said."""
    follow_redirects: bool
    """Whether same-origin redirects are followed; a redirect elsewhere is always the answer."""
    placeholders: bool
    """Whether placeholders (``SecretRef.placeholder``) in headers, query and body stand for their secrets.

    Each counts once, and only in a place its grant names. ``False`` unless said.
    """
    project: str | None
    """Another project linked in this home."""
    environment: str | None
    """Another environment."""


_T = TypeVar("_T")


def parse_time(text: str | None) -> datetime | None:
    """Parse an RFC 3339 time in UTC; parts of a microsecond are dropped."""
    if text is None:
        return None
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{(fraction + '000000')[:6]}+00:00")


def told(kind: type[_T], said: object) -> _T:
    """Make one of the types below from what the core tells; fields of later versions are dropped."""
    if not isinstance(said, dict):
        raise TypeError(f"{kind.__name__} was not told")
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
        if field.name in said or field.default is MISSING:
            values[field.name] = _value(field.name, said.get(field.name))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    return kind(**values)


def listed(kind: type[_T], said: list[object]) -> list[_T]:
    """Make a list of one of the types."""
    return [told(kind, item) for item in said]


def _value(name: str, said: Any) -> Any:
    kind = _KINDS.get(name)
    if name in _TIMES:
        return parse_time(said)
    if isinstance(said, list):
        items = cast("list[object]", said)
        return tuple(items if kind is None else listed(kind, items))
    if kind is not None and isinstance(said, dict):
        return told(kind, cast("object", said))
    return said


_TIMES = frozenset({"created", "updated", "expires", "time", "began", "ended", "asked", "heard"})
_KINDS: dict[str, type[object]] = {
    "sync": SyncStatus,
    "shares": ShareInfo,
    "pulled": DriftInfo,
    "pushed": DriftInfo,
    "unpushed": DriftInfo,
    "conflicts": DriftInfo,
    "needs_owner": DriftInfo,
}


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A secret as it is listed: its name and history, never its value."""

    name: str
    version: int
    """How often it has been set."""
    created: datetime
    updated: datetime
    destinations: tuple[str, ...]
    """Where it may go, as rules."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a name is there, and whether anything may be done with it."""

    name: str
    present: bool
    granted: bool

    def __bool__(self) -> bool:
        """Return whether the secret can be used: it is there, and some destination is granted."""
        return self.present and self.granted


@dataclass(frozen=True, slots=True)
class GrantInfo:
    """A grant as it is listed."""

    secret: str
    project: str
    rule: str
    """Where the secret may go."""
    slots: tuple[str, ...]
    """In which places of a request."""
    methods: tuple[str, ...]
    """With which methods; none named means any."""
    environment: str | None
    """In which environment; none named means any."""
    expires: datetime | None
    private: bool
    """Whether a private address is permitted."""
    permit_headers: tuple[str, ...]
    agent: str | None
    """The only agent it is for; ``None`` means every caller."""
    approve: bool
    """Whether a human approves each call."""
    limits: tuple[str, ...]
    """The limits that its calls count under."""
    state: str
    """``active``, ``expired`` or ``denied``."""
    discloses: bool = False
    """Whether the value itself leaves, to every process of this user."""
    command: tuple[str, ...] | None = None
    """The command that is given the value."""
    program: str | None = None
    """The command's program."""
    provider: str | None = None
    """The exec provider that is given the value."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where things stand."""

    version: str
    home: str
    isolation: str
    broker_pid: int | None
    store: str
    use_key: str
    """Where the use key lies: ``keychain``, ``passphrase``, ``file`` or ``fd``."""
    locked: bool
    owner: bool
    workspace: str | None
    project: str | None
    environment: str | None
    agent: str | None
    """The agent that the client's token names."""
    secrets: int | None
    """How many secrets the environment holds; ``None`` while locked."""
    grants: int | None
    limits: int | None
    disclosed: tuple[str, ...]
    """The secrets whose values leave by a door, to every process of this user."""
    egress: Mapping[str, object] | None
    """``proxy``, ``bypass`` and ``auth``, where public calls leave by a proxy that resolves their names."""
    policy_serial: int | None
    problem: Mapping[str, str | None] | None
    """``code``, ``message`` and ``hint``, where selection or policy is not usable."""
    audit_records: int | None
    shares: tuple[ShareInfo, ...] = ()
    """The sockets that the owner shares with others than this user."""
    sync: SyncStatus | None = None
    """How the home stands to its server; ``None`` where it never logged in, and at a shared socket."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A call on record: its last record, and when it was made and ended."""

    began: datetime | None
    """When it was made."""
    ended: datetime | None
    """When it ended; ``None`` where it is under way."""
    id: str
    call: str
    phase: str
    prev: str
    time: datetime
    act: str
    agent: str | None
    identity: str
    isolation: str
    workspace: str | None
    project: str | None
    environment: str | None
    secrets: tuple[str, ...]
    styles: tuple[str, ...]
    method: str | None
    origin: str | None
    path: str | None
    status: int | None
    outcome: str | None
    """``ok``, ``denied``, ``failed`` or ``cancelled``."""
    reason: str | None
    """An error code, or ``credential_echo``."""
    redacted: tuple[str, ...]
    duration_ms: int | None
    mac: str
