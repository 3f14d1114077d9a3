"""A pool manager for urllib3, and the responses that requests gets from here too."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPMessage
from typing import TYPE_CHECKING, Any, NoReturn, cast

import urllib3
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from .._request import Measured, pieces
from ..client import AgentSecrets, Streaming
from ..errors import AgentSecretsError, Timeout, UndecodableResponse
from ._exchange import TRANSIENT, ClientOptions, call_options, lend, refusal

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from .._response import StreamResponse


class Urllib3PoolManager(urllib3.PoolManager):
    """``urllib3.PoolManager`` whose requests go through AgentSecrets; for urllib3 2 and newer.

    Retries, redirects and time limits are the library's. A refusal is raised as the ``AgentSecretsError`` it is, which
    is then an error of urllib3 too; what fails on the way as the library's own error. Certificates are always verified,
    against the platform's roots and those of ``agentsecrets trust``, whatever the pool is told of them.

    Args:
        client: Makes the calls, and is not closed here; without it the manager makes one and closes it.
        options: Of ``AgentSecrets``, for the client that it makes, ``timeout`` aside; all others are
            ``urllib3.PoolManager``'s own.

    Raises:
        TypeError: Both are said, or a client certificate is.
    """

    def __init__(self, client: AgentSecrets | None = None, **options: Any) -> None:
        # The time limit is urllib3's own, of each request.
        names = ClientOptions.__optional_keys__ - {"timeout"}
        own = cast("ClientOptions", {name: options.pop(name) for name in names if name in options})
        if options.get("cert_file") is not None:
            raise TypeError("a call through AgentSecrets has no client certificate")
        lent, self._is_own = lend(AgentSecrets, client, own)
        self._client = lent
        super().__init__(**options)
        connection: Any = type("Connection", (_Connection,), {"client": lent})
        secure: Any = type("Connection", (_Connection,), {"client": lent, "scheme": "https", "default_port": 443})
        self.pool_classes_by_scheme = {
            "http": type("Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": connection}),
            "https": type("Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    def clear(self) -> None:
        """Forget the pools, and close the client where the manager made it; ``with`` does so at its end."""
        super().clear()
        if self._is_own:
            self._client.close()


class _Connection:
    """What urllib3 takes for a connection to a host: each request is a call, and there is no socket here."""

    client: AgentSecrets
    scheme = "http"
    default_port = 80
    proxy = proxy_config = None
    is_verified = True
    proxy_is_verified: bool | None = None
    has_connected_to_proxy = False

    def __init__(self, host: str, port: int | None = None, *, timeout: Any = None, **_: Any) -> None:
        # What is said of certificates, addresses and sockets is said of a connection that is the broker's.
        self.host, self.port, self.timeout = host, port, timeout
        self.is_closed = True
        self._said: tuple[str, str, Any, Any] | None = None
        self._response: Raw | None = None

    @property
    def is_connected(self) -> bool:
        return not self.is_closed

    def connect(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
        response, self._response = self._response, None
        if response is not None:
            response.file.close()

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        self.connect()
        said = [(name, value) for name, value in (headers or {}).items() if value != SKIP_HEADER]
        self._said = method, url, call_options(said, body_of(body, dict(said)), None), options
        self._connecting = self.timeout

    def getresponse(self) -> Raw:
        assert self._said is not None, "urllib3 asks before it reads"  # noqa: S101
        method, target, said, options = self._said
        connect, read = (
            limit if isinstance(limit, (int, float)) else None for limit in (self._connecting, self.timeout)
        )
        if connect is not None and read is not None:
            said["timeout"] = connect + read
        try:
            streaming = self.client.stream(self._url(target), method, **said)
            answer = streaming.__enter__()
        except AgentSecretsError as error:
            _raise(error)
        self._response = Raw(streaming, answer, read, method, target)
        if options.get("preload_content", True):
            self._response.preload()
        return self._response

    def _url(self, target: str) -> str:
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self.scheme}://{host}:{self.port or self.default_port}{target}"


def body_of(body: Any, headers: Any) -> Any:
    """Return the body: what is at hand, or pieces, with their length where the library has said it."""
    if body is None or isinstance(body, (bytes, str)):
        return body or None
    length = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
    return body if length is None else Measured(pieces(body), int(length))


def _raise(error: AgentSecretsError) -> NoReturn:
    """Raise what went wrong before the head as urllib3 would have."""
    if not isinstance(error, TRANSIENT):
        # None of those that it tries again.
        raise refusal(error, HTTPError)
    if isinstance(error, Timeout):
        raise TimeoutError(str(error)) from error
    if isinstance(error, UndecodableResponse):
        raise DecodeError(str(error)) from error
    # Whether anything arrived is not known, so that only what may be repeated is tried again.
    raise ProtocolError("Connection aborted.", error) from error


class File:
    """A response's body as urllib3 reads one: like a file, with the headers where cookies are looked for."""

    def __init__(self, streaming: Streaming, answer: StreamResponse, limit: float | None) -> None:
        self.msg = HTTPMessage()
        for name, value in answer.headers.multi_items():
            self.msg[name] = value
        self._streaming = streaming
        self._pieces = answer.iter_bytes(limit)
        self._held = b""
        self.closed = False

    def isclosed(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._streaming.__exit__(None, None, None)

    def piece(self) -> bytes:
        """Return what has come, or wait for it; empty at the end."""
        held, self._held = self._held, b""
        if held or self.closed:
            return held
        try:
            piece = next(self._pieces, b"")
        except Timeout as error:
            raise ReadTimeoutError(None, "", "Read timed out.") from error  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        except UndecodableResponse as error:
            raise DecodeError(str(error)) from error
        except AgentSecretsError as error:
            raise ProtocolError(str(error), error) from error
        if not piece:
            # As a response of the standard library at its end.
            self.close()
        return piece

    def read(self, amount: int | None = None) -> bytes:
        """Return this many bytes, fewer at the end only; all of them where no number is said."""
        got: list[bytes] = []
        length = 0
        while amount is None or length < amount:
            piece = self.piece()
            if not piece:
                break
            got.append(piece)
            length += len(piece)
        whole = b"".join(got)
        if amount is not None:
            whole, self._held = whole[:amount], whole[amount:]
        return whole

    def read1(self, amount: int | None = None) -> bytes:
        """Return what has come, this many bytes at most."""
        piece = self.piece()
        if amount is None or amount < 0:
            return piece
        self._held = piece[amount:]
        return piece[:amount]


class Raw(urllib3.HTTPResponse):
    """A response as urllib3 has one, and the ``raw`` of one of requests."""

    def __init__(
        self, streaming: Streaming, answer: StreamResponse, limit: float | None, method: str, target: str | None = None
    ) -> None:
        self.file = File(streaming, answer, limit)
        headers = urllib3.HTTPHeaderDict()
        for name, value in answer.headers.multi_items():
            headers.add(name, value)
        super().__init__(
            body=self.file,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            headers=headers,  # pyright: ignore[reportArgumentType]
            status=answer.status_code,
            version=11,
            version_string="HTTP/1.1",
            reason=answer.reason,
            preload_content=False,
            original_response=self.file,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            request_method=method,
            request_url=target,
        )

    def preload(self) -> None:
        """Read the whole body now."""
        self._body = self.read(decode_content=False)

    def stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Generator[bytes, None, None]:  # noqa: ARG002
        """Give the body as it comes, in pieces of at most this many bytes.

        urllib3 does so for chunked bodies only, and waits for as many bytes as are asked for in others. Here nothing
        says how the upstream framed its body, and an event stream must not wait.
        """
        while piece := self.file.read1(amt):
            yield piece
        self.file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file.read1, b"")
