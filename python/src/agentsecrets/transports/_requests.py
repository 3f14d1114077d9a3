"""An adapter for requests."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPMessage
from typing import TYPE_CHECKING, Any, NoReturn

import urllib3
from requests import Response
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ConnectionError as Unreachable
from requests.exceptions import ContentDecodingError, InvalidSchema, ReadTimeout, RequestException
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError
from urllib3.util import parse_url

from .._request import Measured, pieces
from ..client import AgentSecrets, Streaming
from ..errors import AgentSecretsError, Timeout, UndecodableResponse
from ._exchange import TRANSIENT, ClientOptions, call_options, lend, refusal

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from requests import PreparedRequest
    from typing_extensions import Unpack

    from .._response import StreamResponse


class RequestsAdapter(BaseAdapter):
    """An adapter for ``requests.Session``: ``session.mount("https://", RequestsAdapter())``.

    Redirects are the library's. A refusal is raised as the ``AgentSecretsError`` it is, which is then an error of
    requests too; what fails on the way as the library's own error. Certificates are always verified, against the
    platform's roots and those of ``agentsecrets trust``, whatever ``verify`` says; ``proxies`` say nothing here.

    Args:
        client: Makes the calls, and is not closed here; without it the adapter makes one and closes it.
        options: Of ``AgentSecrets``, for the client that it makes.

    Raises:
        TypeError: Both are said.
    """

    def __init__(self, client: AgentSecrets | None = None, **options: Unpack[ClientOptions]) -> None:
        super().__init__()
        self._client, self._is_own = lend(AgentSecrets, client, options)
        # Only asked to make responses: it has no connection, and never gets one.
        self._maker = HTTPAdapter()

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002  # The session reads the body, unless it was asked to stream.
        timeout: Any = None,
        verify: bool | str = True,  # noqa: ARG002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Response:
        """Send a request and return its response, once the head is there.

        ``timeout`` is in seconds, or a pair of those to connect and to read: both together until the head, and the
        second for each piece.
        """
        if cert is not None:
            raise InvalidSchema("a call through AgentSecrets has no client certificate", request=request)
        connect, read = _limits(timeout)
        until_head = None if connect is None or read is None else connect + read
        # Without what stands before an `@`, which the library has made a header of, and without the fragment.
        url = parse_url(str(request.url))._replace(auth=None, fragment=None).url
        said = call_options(request.headers.items(), _body(request), until_head)
        try:
            streaming = self._client.stream(url, str(request.method), **said)
            answer = streaming.__enter__()
        except AgentSecretsError as error:
            _raise(error, request)
        return self._maker.build_response(request, _Raw(streaming, answer, read, str(request.method)))

    def close(self) -> None:
        """Close the client, where the adapter made it."""
        if self._is_own:
            self._client.close()


def _limits(timeout: Any) -> tuple[float | None, float | None]:
    """Return what is said as a number, a pair, or a ``urllib3.Timeout``: the seconds to connect and to read."""
    if isinstance(timeout, urllib3.Timeout):
        connect, read = timeout.connect_timeout, timeout.read_timeout
        return tuple(limit if isinstance(limit, (int, float)) else None for limit in (connect, read))  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
    if isinstance(timeout, tuple):
        connect, read = timeout  # pyright: ignore[reportUnknownVariableType]
        return connect, read  # pyright: ignore[reportUnknownVariableType]
    return timeout, timeout


def _body(request: PreparedRequest) -> Any:
    """Return the body: what is at hand, or pieces, with their length where the library has said it."""
    body: Any = request.body
    if body is None or isinstance(body, (bytes, str)):
        return body or None
    length = request.headers.get("Content-Length")
    return body if length is None else Measured(pieces(body), int(length))


def _raise(error: AgentSecretsError, request: PreparedRequest) -> NoReturn:
    """Raise what went wrong before the head as the library would have."""
    if not isinstance(error, TRANSIENT):
        # Neither a timeout nor a failed connection, which is what is tried again by what is built on requests.
        refused: Any = refusal(error, RequestException)
        refused.request, refused.response = request, None
        raise refused
    kind: type[RequestException] = Unreachable
    if isinstance(error, Timeout):
        kind = ReadTimeout
    elif isinstance(error, UndecodableResponse):
        kind = ContentDecodingError
    raise kind(str(error), request=request) from error


class _File:
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
            return next(self._pieces, b"")
        except Timeout as error:
            raise ReadTimeoutError(None, "", "Read timed out.") from error  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        except UndecodableResponse as error:
            raise DecodeError(str(error)) from error
        except AgentSecretsError as error:
            raise ProtocolError(str(error), error) from error

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


class _Raw(urllib3.HTTPResponse):
    """The ``raw`` of a response."""

    def __init__(self, streaming: Streaming, answer: StreamResponse, limit: float | None, method: str) -> None:
        self._file = _File(streaming, answer, limit)
        headers = urllib3.HTTPHeaderDict()
        for name, value in answer.headers.multi_items():
            headers.add(name, value)
        super().__init__(
            body=self._file,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            headers=headers,  # pyright: ignore[reportArgumentType]
            status=answer.status_code,
            version=11,
            version_string="HTTP/1.1",
            reason=answer.reason,
            preload_content=False,
            original_response=self._file,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            request_method=method,
        )

    def stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Generator[bytes, None, None]:  # noqa: ARG002
        """Give the body as it comes, in pieces of at most this many bytes.

        urllib3 does so for chunked bodies only, and waits for as many bytes as are asked for in others. Here nothing
        says how the upstream framed its body, and an event stream must not wait.
        """
        while piece := self._file.read1(amt):
            yield piece
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file.read1, b"")
