"""The synchronous client."""

from __future__ import annotations

import os

from . import _executable, _native
from ._request import invalid, prepare
from ._response import Response, StreamResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Any, Literal

    from typing_extensions import Self, Unpack

    from ._process import Process, Stream
    from ._response import RawStream
    from ._secrets import Allowlist, Secrets
    from ._workspaces import Workspaces
    from .types import CallOptions, GrantInfo, LogEntry, Secret, Status

    Outcome = Literal["ok", "denied", "failed", "cancelled"]


class Base:
    """What both clients share: the choices, and the native client behind them."""

    def __init__(
        self,
        *,
        workspace: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        agent_token: str | None = None,
        broker: str | None = None,
        isolation: Literal["broker", "in-process"] | None = None,
        unlock: str | None = None,
        home: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._native: _native.Client | None = _native.Client(
            None if home is None else os.fspath(home),
            workspace,
            project,
            environment,
            agent_token,
            broker,
            isolation,
            unlock,
            timeout,
            _executable.own(),
        )
        self._isolation = self._native.isolation

    @property
    def isolation(self) -> str:
        """How far the values are: ``broker``, ``broker-shared``, ``broker-system`` or ``in-process``."""
        return self._isolation

    def workspace(self, name: str, *, project: str | None = None) -> Self:
        """Return the same client in another workspace of this home, over the same connections.

        A project is one workspace's alone, so this client's is left behind. Whether the workspace is
        there is said by what the new client is asked.

        Args:
            name: The workspace.
            project: A project of it; the one that it has for this directory unless said.

        Raises:
            InvalidCall: One of them is no name.
        """
        inside = object.__new__(type(self))
        inside.__dict__.update(self.__dict__)
        inside._native = self._client().in_workspace(str(name), project)
        return inside

    def _client(self) -> _native.Client:
        native = self._native
        return invalid("the client is closed") if native is None else native

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._isolation}{' closed' if self._native is None else ''}>"


class AgentSecrets(Base):
    """Makes authenticated calls by a secret's name. One is enough for a program and its threads.

    Works as a context manager and without. What is not said comes from the environment variables
    and the project file.

    Args:
        workspace: A workspace of this home; the one that was chosen last unless said.
        project: A project linked in this home.
        environment: An environment of the project.
        agent_token: What an agent shows to say who it is; ``AGENTSECRETS_AGENT_TOKEN`` unless said. Shown nowhere.
        broker: A broker that is shared with this process, as ``unix:/path``, in place of a home;
            ``AGENTSECRETS_BROKER`` unless said.
        isolation: ``"broker"`` (a process of its own holds the values) or ``"in-process"``.
        unlock: Where the use key lies, for ``in-process``: ``file:PATH``, ``fd:N``, ``keychain``.
        home: Another home than ``AGENTSECRETS_HOME`` or ``~/.agentsecrets``.
        timeout: Seconds a call may take unless it says otherwise; 60.

    Raises:
        NotInitialized: There is no home.
        InvalidCall: A choice, a variable or the project file is not usable.
        StoreLocked: ``in-process`` and the use key is under a passphrase.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client and its idle connections; calls under way are finished."""
        self._native = None

    def call(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Response:
        """Make a call and read the whole answer.

        ``options`` are those of ``agentsecrets.types.CallOptions``. An upstream 4xx or 5xx is a
        response; ``raise_for_status`` makes it an error.

        Raises:
            InvalidCall: The call contradicts itself or cannot be parsed.
            DestinationNotAllowed: No grant lets the secret go there; the hint says which would.
            SlotNotAllowed: The secret may go there, but not in this place of the request.
            AgentSecretsError: Everything else in ``agentsecrets.errors``.
        """
        prepared = prepare(url, method, options)
        return Response(self._client().call(prepared.request, prepared.iterators()))

    def stream(self, url: str, method: str = "GET", **options: Unpack[CallOptions]) -> Streaming:
        """Make a call whose answer is read as it comes.

        To be used in ``with``: entering sends the call and waits for the answer's head, leaving
        ends it. The keywords and errors are those of ``call``.
        """
        prepared = prepare(url, method, options)
        client = self._client()
        return Streaming(lambda: client.stream(prepared.request, prepared.iterators()))

    def spawn(
        self,
        argv: Sequence[str | os.PathLike[str]],
        secrets: Iterable[Secret] = (),
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        capture_output: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """Have the broker run a command that the owner has granted secrets to, and do not wait for it.

        The values are in the command's environment under the secrets' names, and nowhere here; its
        output comes without them. Prefer ``call`` and placeholders: what a command has, every
        process of this user can read.

        Args:
            argv: The command, exactly as it was granted.
            secrets: Only these; every secret granted to the command unless said.
            stdin: A descriptor, a file, or a constant of ``subprocess``; inherited unless said.
            stdout: The same; ``subprocess.PIPE`` captures it for ``Process.stdout``.
            stderr: The same; ``subprocess.STDOUT`` sends it where stdout goes.
            capture_output: Capture both.
            cwd: The working directory.
            env: The environment in place of this process's.

        Raises:
            CommandNotAllowed: No grant gives the secret to exactly this command; the hint says which would.
            CommandChanged: Its program, or a file it names, was changed since the grant.
            NeedsBroker: The client is ``in-process``.
        """
        from ._process import spawn

        if capture_output:
            if stdout is not None or stderr is not None:
                invalid("capture_output excludes stdout and stderr")
            stdout = stderr = -1
        if stdin == -1:
            invalid("stdin is a descriptor or a file; write into the other end of an os.pipe()")
        return spawn(self._client(), argv, secrets, (stdin, stdout, stderr), cwd, env)

    @property
    def secrets(self) -> Secrets:
        """The names of the environment in use."""
        from ._secrets import Secrets

        return Secrets(self._ask)

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces of this home, and who is in the one in use."""
        from ._workspaces import Workspaces

        return Workspaces(self._ask)

    @property
    def allowlist(self) -> Allowlist:
        """The origins of the workspace."""
        from ._secrets import Allowlist

        return Allowlist(self._ask)

    def grants(self, name: str | None = None) -> list[GrantInfo]:
        """Return the grants of the project in use, or those of one name."""
        from .types import GrantInfo, listed

        return listed(GrantInfo, self._ask("grants", name))

    def status(self) -> Status:
        """Return where things stand: home, store, project, server, and whether anything is wrong."""
        from .types import Status, told

        return told(Status, self._ask("status"))

    def logs(
        self,
        *,
        last: int | None = None,
        outcome: Outcome | None = None,
        secret: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        since: datetime | None = None,
        call: str | None = None,
    ) -> list[LogEntry]:
        """Return the calls on record, newest first.

        Args:
            last: At most this many.
            outcome: Calls that ended so.
            secret: Calls that named this secret.
            project: Calls in this project.
            environment: Calls in this environment.
            since: Records of this time or later.
            call: The call of this id.

        Raises:
            AuditUnavailable: The log cannot be read.
        """
        from .types import LogEntry, listed

        asked = since_ms(last, since)
        return listed(LogEntry, self._ask("logs", last, outcome, secret, project, environment, asked, call))

    def _ask(self, what: str, *arguments: object) -> Any:
        return self._client().ask(question(what, arguments))


def question(what: str, arguments: tuple[object, ...]) -> _native.Ask:
    """Make a question of its name."""
    made: _native.Ask = getattr(_native.Ask, what)(*arguments)
    return made


def since_ms(last: int | None, since: datetime | None) -> int | None:
    """Check what is asked of the log, and return its time in milliseconds since 1970."""
    if last is not None and last < 0:
        invalid("last is not negative")
    return None if since is None else int(since.timestamp() * 1000)


class Streaming:
    """A call to be streamed; ``with`` sends it."""

    def __init__(self, send: Callable[[], RawStream]) -> None:
        self._send = send
        self._response: StreamResponse | None = None

    def __enter__(self) -> StreamResponse:
        self._response = StreamResponse(self._send())
        return self._response

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._response is not None:
            self._response.close()
