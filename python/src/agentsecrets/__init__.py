"""Agents call APIs by a secret's name and never hold its value.

``AgentSecrets`` is the synchronous client, ``AsyncAgentSecrets`` the asynchronous one, and
``SecretRef`` the name of a secret. Every error is an ``AgentSecretsError``.
"""

from __future__ import annotations

import atexit

from . import _native
from ._ref import SecretRef
from .client import AgentSecrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._headers import Headers
    from ._process import Process
    from ._response import AsyncStreamResponse, Response, StreamResponse
    from ._sse import Event
    from .aio import AsyncAgentSecrets
    from .errors import (
        AddressRefused,
        AgentRequired,
        AgentSecretsError,
        AgentTokenInvalid,
        AlreadyInitialized,
        ApprovalRequired,
        AuditUnavailable,
        BrokerOutdated,
        BrokerUnavailable,
        BudgetExhausted,
        Cancelled,
        CommandChanged,
        CommandNotAllowed,
        DestinationNotAllowed,
        HeaderNotAllowed,
        Internal,
        InvalidCall,
        InvalidValue,
        NeedsBroker,
        NothingToInject,
        NotInitialized,
        OwnerAbsent,
        OwnerRequired,
        PolicyInvalid,
        ProjectNotFound,
        ProjectNotLinked,
        RateLimited,
        ResponseTooLarge,
        SecretNotFound,
        SlotNotAllowed,
        StoreCorrupted,
        StoreLocked,
        StoreUnavailable,
        Timeout,
        UndecodableResponse,
        UpstreamError,
        UpstreamUnreachable,
        WrongPassphrase,
    )

# What a first call does not need is imported when it is named: the import stays within 10 ms.
_LAZY = {
    "AsyncAgentSecrets": "aio",
    "AsyncStreamResponse": "_response",
    "Event": "_sse",
    "Headers": "_headers",
    "Process": "_process",
    "Response": "_response",
    "StreamResponse": "_response",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if not name.startswith("_") and name in __all__:
        value: object = getattr(import_module(f".{_LAZY.get(name, 'errors')}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# Runtime threads that outlive the interpreter would crash it.
atexit.register(_native.shutdown)

__all__ = [
    "AddressRefused",
    "AgentRequired",
    "AgentSecrets",
    "AgentSecretsError",
    "AgentTokenInvalid",
    "AlreadyInitialized",
    "ApprovalRequired",
    "AsyncAgentSecrets",
    "AsyncStreamResponse",
    "AuditUnavailable",
    "BrokerOutdated",
    "BrokerUnavailable",
    "BudgetExhausted",
    "Cancelled",
    "CommandChanged",
    "CommandNotAllowed",
    "DestinationNotAllowed",
    "Event",
    "HeaderNotAllowed",
    "Headers",
    "Internal",
    "InvalidCall",
    "InvalidValue",
    "NeedsBroker",
    "NotInitialized",
    "NothingToInject",
    "OwnerAbsent",
    "OwnerRequired",
    "PolicyInvalid",
    "Process",
    "ProjectNotFound",
    "ProjectNotLinked",
    "RateLimited",
    "Response",
    "ResponseTooLarge",
    "SecretNotFound",
    "SecretRef",
    "SlotNotAllowed",
    "StoreCorrupted",
    "StoreLocked",
    "StoreUnavailable",
    "StreamResponse",
    "Timeout",
    "UndecodableResponse",
    "UpstreamError",
    "UpstreamUnreachable",
    "WrongPassphrase",
]
