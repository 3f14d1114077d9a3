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
        AccountExists,
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
        ChainForked,
        ChainInvalid,
        ChainRolledBack,
        ClockSkew,
        CommandChanged,
        CommandNotAllowed,
        DestinationNotAllowed,
        EpochOutdated,
        HeaderNotAllowed,
        Internal,
        InvalidCall,
        InvalidValue,
        InviteInvalid,
        NeedsBroker,
        NotAMember,
        NotAnAdmin,
        NothingToInject,
        NotInitialized,
        NotLoggedIn,
        NotShared,
        OwnerAbsent,
        OwnerRequired,
        PolicyInvalid,
        ProjectNotFound,
        ProjectNotLinked,
        RateLimited,
        RecordInvalid,
        ResponseTooLarge,
        SecretNotFound,
        SlotNotAllowed,
        StoreCorrupted,
        StoreLocked,
        StoreUnavailable,
        SyncConflict,
        SyncRefused,
        SyncStale,
        SyncUnavailable,
        Timeout,
        UndecodableResponse,
        UpstreamError,
        UpstreamUnreachable,
        WorkspaceNotFound,
        WrongCredentials,
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
    "AccountExists",
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
    "ChainForked",
    "ChainInvalid",
    "ChainRolledBack",
    "ClockSkew",
    "CommandChanged",
    "CommandNotAllowed",
    "DestinationNotAllowed",
    "EpochOutdated",
    "Event",
    "HeaderNotAllowed",
    "Headers",
    "Internal",
    "InvalidCall",
    "InvalidValue",
    "InviteInvalid",
    "NeedsBroker",
    "NotAMember",
    "NotAnAdmin",
    "NotInitialized",
    "NotLoggedIn",
    "NotShared",
    "NothingToInject",
    "OwnerAbsent",
    "OwnerRequired",
    "PolicyInvalid",
    "Process",
    "ProjectNotFound",
    "ProjectNotLinked",
    "RateLimited",
    "RecordInvalid",
    "Response",
    "ResponseTooLarge",
    "SecretNotFound",
    "SecretRef",
    "SlotNotAllowed",
    "StoreCorrupted",
    "StoreLocked",
    "StoreUnavailable",
    "StreamResponse",
    "SyncConflict",
    "SyncRefused",
    "SyncStale",
    "SyncUnavailable",
    "Timeout",
    "UndecodableResponse",
    "UpstreamError",
    "UpstreamUnreachable",
    "WorkspaceNotFound",
    "WrongCredentials",
    "WrongPassphrase",
]
