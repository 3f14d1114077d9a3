"""An adapter for requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import urllib3
from requests import Response
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import ConnectionError as Unreachable
from requests.exceptions import ContentDecodingError, InvalidSchema, ReadTimeout, RequestException
from urllib3.util import parse_url

from ..client import AgentSecrets
from ..errors import AgentSecretsError, Timeout, UndecodableResponse
from ._exchange import TRANSIENT, ClientOptions, call_options, lend, refusal
from ._urllib3 import Raw, body_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest
    from typing_extensions import Unpack


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
        said = call_options(request.headers.items(), body_of(request.body, request.headers), until_head)
        try:
            streaming = self._client.stream(url, str(request.method), **said)
            answer = streaming.__enter__()
        except AgentSecretsError as error:
            _raise(error, request)
        return self._maker.build_response(request, Raw(streaming, answer, read, str(request.method)))

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
