"""What the transports share: a client that is lent or owned, calls with placeholders, and which errors are refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from .._response import AsyncStreamResponse, StreamResponse
from ..errors import AgentSecretsError, BrokerUnavailable, Cancelled, Timeout, UndecodableResponse, UpstreamUnreachable

if TYPE_CHECKING:
    import os
    from typing import Literal

    from ..client import Base

_Client = TypeVar("_Client", bound="Base")

FOREVER = 365 * 86_400.0
"""Seconds: what a library that says "no limit" is given."""

TRANSIENT = (UpstreamUnreachable, BrokerUnavailable, Timeout, Cancelled, UndecodableResponse)
"""What happens on the way, for which every library has an error of its own. All else is a refusal."""


class ClientOptions(TypedDict, total=False):
    """What may be said instead of a client; ``AgentSecrets`` tells what each is."""

    workspace: str | None
    project: str | None
    environment: str | None
    isolation: Literal["broker", "in-process"] | None
    unlock: str | None
    home: str | os.PathLike[str] | None
    agent_token: str | None
    broker: str | None
    timeout: float | None


def lend(make: Callable[..., _Client], client: _Client | None, options: ClientOptions) -> tuple[_Client, bool]:
    """Return the client, and whether it is the transport's own to close.

    Raises:
        TypeError: Both a client and options are given.
    """
    if client is None:
        return make(**options), True
    if options:
        raise TypeError("options are for the client that the transport makes: say them or a client")
    return client, False


def call_options(
    headers: Iterable[tuple[str, str | bytes]], body: Any, timeout: float | None, unsaid: float | None = FOREVER
) -> Any:
    """Return the options of a call that leaves redirects to the library and counts its placeholders."""
    return {
        "headers": list(headers),
        "body": body,
        "timeout": unsaid if timeout is None else timeout,
        "follow_redirects": False,
        "placeholders": True,
    }


def encoded(answer: StreamResponse | AsyncStreamResponse) -> list[tuple[bytes, bytes]]:
    """Return the answer's headers as they came, in bytes."""
    return [(name.encode(), value.encode()) for name, value in answer.headers.multi_items()]


# Libraries that try again whatever is raised beneath them, except where it is already an error of their own.
_PASSED_ON = (("openai", "OpenAIError"), ("anthropic", "AnthropicError"))


def refusal(error: AgentSecretsError, *kinds: type[Exception]) -> AgentSecretsError:
    """Return the refusal so that no library tries it again: policy does not change by asking twice.

    It stays what it is: its class, code and hint. An error of httpx would be retried by every SDK. Anthropic's, and
    OpenAI's in some versions, wrap and retry any other exception too, and let only their own kind pass; so where they
    are loaded the refusal is of their kind as well.
    """
    bases: list[type] = [type(error), *kinds]
    for module, name in _PASSED_ON:
        base = getattr(sys.modules.get(module), name, None)
        if isinstance(base, type) and issubclass(base, Exception):
            bases.append(base)
    if len(bases) == 1:
        return error
    kind: Any = type(type(error).__name__, tuple(bases), {"__module__": type(error).__module__, "__reduce__": _reduce})
    told: AgentSecretsError = kind.__new__(kind)
    AgentSecretsError.__init__(
        told, error.message, code=error.code, stage=error.stage, retryable=error.retryable, hint=error.hint
    )
    return told


def _reduce(told: AgentSecretsError) -> tuple[Any, ...]:
    """Pickle as the plain error: its class is in a module, this one is not."""
    plain = type(told).__bases__[0]
    restore, (_, *parts), state = AgentSecretsError.__reduce__(told)
    return restore, (plain, *parts), state
