"""Every error of AgentSecrets: its code, stage, whether to try again, what mends it.

Written by ``cargo xtask generate`` from ``core/src/error.rs``. Messages hold names, never values.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

ErrorCode = Literal[
    "invalid_call",
    "invalid_value",
    "project_not_linked",
    "project_not_found",
    "destination_not_allowed",
    "slot_not_allowed",
    "header_not_allowed",
    "nothing_to_inject",
    "agent_required",
    "agent_token_invalid",
    "approval_required",
    "budget_exhausted",
    "rate_limited",
    "address_refused",
    "command_not_allowed",
    "command_changed",
    "policy_invalid",
    "secret_not_found",
    "source_unavailable",
    "store_locked",
    "store_unavailable",
    "store_corrupted",
    "not_initialized",
    "already_initialized",
    "owner_required",
    "owner_absent",
    "wrong_passphrase",
    "broker_unavailable",
    "broker_outdated",
    "not_shared",
    "needs_broker",
    "upstream_unreachable",
    "upstream_error",
    "timeout",
    "cancelled",
    "response_too_large",
    "undecodable_response",
    "not_logged_in",
    "wrong_credentials",
    "account_exists",
    "workspace_not_found",
    "not_a_member",
    "not_an_admin",
    "invite_invalid",
    "sync_conflict",
    "sync_unavailable",
    "sync_refused",
    "sync_stale",
    "clock_skew",
    "chain_invalid",
    "chain_forked",
    "chain_rolled_back",
    "record_invalid",
    "epoch_outdated",
    "audit_unavailable",
    "internal",
]

Stage = Literal[
    "call",
    "context",
    "policy",
    "resolve",
    "inject",
    "send",
    "redact",
    "audit",
    "store",
    "owner",
    "broker",
    "sync",
]


class AgentSecretsError(Exception):
    """The base of every error here; raised itself only for a code that this version does not know."""

    _CODE: ClassVar[str] = "internal"
    _STAGE: ClassVar[str] = "call"
    _RETRYABLE: ClassVar[bool] = False
    _HINT: ClassVar[str | None] = None

    code: str
    """The stable code, one of ``ErrorCode`` (or a newer one)."""
    stage: str
    """The stage that refused or failed, one of ``Stage`` (or a newer one)."""
    retryable: bool
    """Whether the same call may succeed later."""
    message: str
    """What went wrong, in one sentence."""
    hint: str | None
    """What mends it, where possible the exact command."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        stage: str | None = None,
        retryable: bool | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = self._CODE if code is None else code
        self.stage = self._STAGE if stage is None else stage
        self.retryable = self._RETRYABLE if retryable is None else retryable
        self.message = message
        self.hint = self._HINT if hint is None else hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}" if self.message else self.code
        return text if self.hint is None else f"{text}\n  hint: {self.hint}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.message!r}, code={self.code!r}, "
            f"stage={self.stage!r}, retryable={self.retryable!r}, hint={self.hint!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.code, self.stage, self.retryable, self.message, self.hint)
        return (_restore, (type(self), *parts), self.__dict__)


class InvalidCall(AgentSecretsError):
    """The call contradicts itself or cannot be parsed: a malformed URL, two styles for
    one place, a path through a scalar, a body that is not JSON.
    """

    _CODE = "invalid_call"
    _STAGE = "call"
    _RETRYABLE = False


class InvalidValue(AgentSecretsError):
    """The value cannot be kept or cannot go where it should: empty, over 64 KiB, under
    8 bytes without ``--weak``, not UTF-8 where text is needed, a line feed or NUL
    for a header.
    """

    _CODE = "invalid_value"
    _STAGE = "store"
    _RETRYABLE = False


class ProjectNotLinked(AgentSecretsError):
    """The directory's project file names a project that this home has not linked to
    the directory; a file in a repository only proposes.
    """

    _CODE = "project_not_linked"
    _STAGE = "context"
    _RETRYABLE = False
    _HINT = "agentsecrets project use PROJECT"


class ProjectNotFound(AgentSecretsError):
    """This home knows no project of that name."""

    _CODE = "project_not_found"
    _STAGE = "context"
    _RETRYABLE = False
    _HINT = "agentsecrets project list"


class DestinationNotAllowed(AgentSecretsError):
    """No grant lets this secret go to this origin with this method and path, or the
    owner or an agent has denied it.
    """

    _CODE = "destination_not_allowed"
    _STAGE = "policy"
    _RETRYABLE = False


class SlotNotAllowed(AgentSecretsError):
    """The secret may go to this origin, but not in this place of the request."""

    _CODE = "slot_not_allowed"
    _STAGE = "policy"
    _RETRYABLE = False


class HeaderNotAllowed(AgentSecretsError):
    """The caller set a header that could bend an authenticated request (Authorization
    beside an injected one, Range, Upgrade, a method override) and no grant permits
    it.
    """

    _CODE = "header_not_allowed"
    _STAGE = "policy"
    _RETRYABLE = False


class NothingToInject(AgentSecretsError):
    """The call names no secret, and the broker is no open way out: only origins of the
    workspace allowlist are called bare.
    """

    _CODE = "nothing_to_inject"
    _STAGE = "policy"
    _RETRYABLE = False


class AgentRequired(AgentSecretsError):
    """The project has registered agents, and the caller is none of them: anonymous
    calls are refused there.
    """

    _CODE = "agent_required"
    _STAGE = "policy"
    _RETRYABLE = False


class AgentTokenInvalid(AgentSecretsError):
    """The agent token that the caller shows is unknown, expired or revoked; it is
    never taken for no token.
    """

    _CODE = "agent_token_invalid"
    _STAGE = "policy"
    _RETRYABLE = False
    _HINT = "agentsecrets agent token list"


class ApprovalRequired(AgentSecretsError):
    """The grant wants a human's approval of each call, and nobody gave it in time, or
    it was denied.
    """

    _CODE = "approval_required"
    _STAGE = "policy"
    _RETRYABLE = True
    _HINT = "agentsecrets approve"


class BudgetExhausted(AgentSecretsError):
    """The number of calls that the owner set for this secret or agent is used up; the
    message says until when.
    """

    _CODE = "budget_exhausted"
    _STAGE = "policy"
    _RETRYABLE = True
    _HINT = "agentsecrets limit list"


class RateLimited(AgentSecretsError):
    """The caller goes faster than the owner set for this secret or agent; the message
    says when to come back.
    """

    _CODE = "rate_limited"
    _STAGE = "policy"
    _RETRYABLE = True
    _HINT = "agentsecrets limit list"


class AddressRefused(AgentSecretsError):
    """The host resolves to a private, local or reserved address that the grant does
    not name.
    """

    _CODE = "address_refused"
    _STAGE = "send"
    _RETRYABLE = False


class CommandNotAllowed(AgentSecretsError):
    """No grant gives this secret to exactly this command: its whole argument list, in
    this environment, unexpired.
    """

    _CODE = "command_not_allowed"
    _STAGE = "policy"
    _RETRYABLE = False


class CommandChanged(AgentSecretsError):
    """The command's program, or a file it names, is no longer the one that the owner
    granted.
    """

    _CODE = "command_changed"
    _STAGE = "policy"
    _RETRYABLE = False


class PolicyInvalid(AgentSecretsError):
    """The policy is unsigned, altered, older than one seen before, or its deny overlay
    is missing: nothing is permitted until the owner mends it.
    """

    _CODE = "policy_invalid"
    _STAGE = "policy"
    _RETRYABLE = False
    _HINT = "agentsecrets doctor"


class SecretNotFound(AgentSecretsError):
    """The project and environment hold no secret of that name."""

    _CODE = "secret_not_found"
    _STAGE = "resolve"
    _RETRYABLE = False
    _HINT = "agentsecrets secrets list"


class SourceUnavailable(AgentSecretsError):
    """The value is linked, and the manager that it is asked of is locked, failed, took
    too long or gave something else than a value.
    """

    _CODE = "source_unavailable"
    _STAGE = "resolve"
    _RETRYABLE = True


class StoreLocked(AgentSecretsError):
    """The use key is not open; a human opens it at a terminal."""

    _CODE = "store_locked"
    _STAGE = "resolve"
    _RETRYABLE = True
    _HINT = "agentsecrets unlock"


class StoreUnavailable(AgentSecretsError):
    """The keychain or the home cannot be reached or written: no keychain here, a
    read-only or full disk, wrong permissions.
    """

    _CODE = "store_unavailable"
    _STAGE = "store"
    _RETRYABLE = True
    _HINT = "agentsecrets doctor"


class StoreCorrupted(AgentSecretsError):
    """A stored record or the index does not open: it was altered, cut or moved.
    Nothing was overwritten.
    """

    _CODE = "store_corrupted"
    _STAGE = "store"
    _RETRYABLE = False
    _HINT = "agentsecrets doctor"


class NotInitialized(AgentSecretsError):
    """There is no home yet."""

    _CODE = "not_initialized"
    _STAGE = "store"
    _RETRYABLE = False
    _HINT = "agentsecrets init"


class AlreadyInitialized(AgentSecretsError):
    """There is a home already; it is not replaced without its owner."""

    _CODE = "already_initialized"
    _STAGE = "owner"
    _RETRYABLE = False
    _HINT = "agentsecrets status"


class OwnerRequired(AgentSecretsError):
    """This loosens a limit or destroys something: the owner's passphrase is needed, at
    a terminal or by --passphrase-fd.
    """

    _CODE = "owner_required"
    _STAGE = "owner"
    _RETRYABLE = False


class OwnerAbsent(AgentSecretsError):
    """This home was made with --no-owner: its policy is read-only."""

    _CODE = "owner_absent"
    _STAGE = "owner"
    _RETRYABLE = False


class WrongPassphrase(AgentSecretsError):
    """The passphrase does not open the key."""

    _CODE = "wrong_passphrase"
    _STAGE = "owner"
    _RETRYABLE = False


class BrokerUnavailable(AgentSecretsError):
    """The broker does not answer and could not be started."""

    _CODE = "broker_unavailable"
    _STAGE = "broker"
    _RETRYABLE = True
    _HINT = "agentsecrets doctor"


class BrokerOutdated(AgentSecretsError):
    """The broker and this program speak versions that do not meet."""

    _CODE = "broker_outdated"
    _STAGE = "broker"
    _RETRYABLE = False
    _HINT = "agentsecrets broker stop"


class NotShared(AgentSecretsError):
    """A shared socket serves calls and questions about what its agent may use, and
    nothing else: neither the owner's acts, nor doors, nor other names.
    """

    _CODE = "not_shared"
    _STAGE = "broker"
    _RETRYABLE = False
    _HINT = "run it where the broker runs, as the user whose home it is"


class NeedsBroker(AgentSecretsError):
    """A child process with secrets is started by the broker alone, and this client
    runs in-process.
    """

    _CODE = "needs_broker"
    _STAGE = "broker"
    _RETRYABLE = False
    _HINT = "AGENTSECRETS_ISOLATION=broker"


class UpstreamUnreachable(AgentSecretsError):
    """The host could not be resolved or connected, its TLS certificate does not
    verify, or it broke off.
    """

    _CODE = "upstream_unreachable"
    _STAGE = "send"
    _RETRYABLE = True


class UpstreamError(AgentSecretsError):
    """The upstream answered 4xx or 5xx and the caller asked that this be an error."""

    _CODE = "upstream_error"
    _STAGE = "send"
    _RETRYABLE = False


class Timeout(AgentSecretsError):
    """The call's deadline passed."""

    _CODE = "timeout"
    _STAGE = "send"
    _RETRYABLE = True


class Cancelled(AgentSecretsError):
    """The caller gave the call up."""

    _CODE = "cancelled"
    _STAGE = "send"
    _RETRYABLE = True


class ResponseTooLarge(AgentSecretsError):
    """The response is longer than the call's limit; stream it, or raise the limit."""

    _CODE = "response_too_large"
    _STAGE = "redact"
    _RETRYABLE = False


class UndecodableResponse(AgentSecretsError):
    """The response's content coding is unknown, broken or expands without bound, so it
    cannot be searched for values and is withheld.
    """

    _CODE = "undecodable_response"
    _STAGE = "redact"
    _RETRYABLE = False


class NotLoggedIn(AgentSecretsError):
    """This home is in no account, or its session was ended at the server."""

    _CODE = "not_logged_in"
    _STAGE = "sync"
    _RETRYABLE = False
    _HINT = "agentsecrets login"


class WrongCredentials(AgentSecretsError):
    """The address, the password or the recovery code is wrong; which of them is not
    said.
    """

    _CODE = "wrong_credentials"
    _STAGE = "sync"
    _RETRYABLE = False


class AccountExists(AgentSecretsError):
    """The address has an account at this server, or this home is in one already."""

    _CODE = "account_exists"
    _STAGE = "sync"
    _RETRYABLE = False
    _HINT = "agentsecrets login"


class WorkspaceNotFound(AgentSecretsError):
    """The home knows no workspace of that name, or the server has none that the
    account is a member of.
    """

    _CODE = "workspace_not_found"
    _STAGE = "sync"
    _RETRYABLE = False
    _HINT = "agentsecrets workspace list"


class NotAMember(AgentSecretsError):
    """The account or the device is not, or no longer, in the workspace; or nobody of
    that name is.
    """

    _CODE = "not_a_member"
    _STAGE = "sync"
    _RETRYABLE = False
    _HINT = "agentsecrets workspace list"


class NotAnAdmin(AgentSecretsError):
    """Only an admin of the workspace changes its members, its projects and its policy."""

    _CODE = "not_an_admin"
    _STAGE = "sync"
    _RETRYABLE = False


class InviteInvalid(AgentSecretsError):
    """The code is mistyped, expired, used or withdrawn, or it leads to another
    workspace than the server shows.
    """

    _CODE = "invite_invalid"
    _STAGE = "sync"
    _RETRYABLE = False


class SyncConflict(AgentSecretsError):
    """Somebody else changed the same name since it was last seen; nothing was
    overwritten on either side.
    """

    _CODE = "sync_conflict"
    _STAGE = "sync"
    _RETRYABLE = False
    _HINT = "agentsecrets secrets diff"


class SyncUnavailable(AgentSecretsError):
    """The server of the workspace cannot be reached, broke off, or is not ready;
    everything but sync goes on.
    """

    _CODE = "sync_unavailable"
    _STAGE = "sync"
    _RETRYABLE = True


class SyncRefused(AgentSecretsError):
    """The server refused the request; the message says why."""

    _CODE = "sync_refused"
    _STAGE = "sync"
    _RETRYABLE = False


class SyncStale(AgentSecretsError):
    """No admin has shown a sign of life within the time that was set: what the server
    shows may be an old state.
    """

    _CODE = "sync_stale"
    _STAGE = "sync"
    _RETRYABLE = True


class ClockSkew(AgentSecretsError):
    """The clocks of this machine and the server differ by more than five minutes."""

    _CODE = "clock_skew"
    _STAGE = "sync"
    _RETRYABLE = True
    _HINT = "set the clock of this machine"


class ChainInvalid(AgentSecretsError):
    """The chain of the workspace breaks its rules: an entry is altered, unsigned,
    missing or by somebody without the right. It is not followed.
    """

    _CODE = "chain_invalid"
    _STAGE = "sync"
    _RETRYABLE = False


class ChainForked(AgentSecretsError):
    """The server shows another past of the workspace than was seen before, or than
    another member saw. It is not followed.
    """

    _CODE = "chain_forked"
    _STAGE = "sync"
    _RETRYABLE = False


class ChainRolledBack(AgentSecretsError):
    """The server shows less of the workspace than was seen before. It is not followed."""

    _CODE = "chain_rolled_back"
    _STAGE = "sync"
    _RETRYABLE = False


class RecordInvalid(AgentSecretsError):
    """A record of the server does not open or does not belong: it was altered,
    swapped, replayed, or is of another place. It is not applied.
    """

    _CODE = "record_invalid"
    _STAGE = "sync"
    _RETRYABLE = False


class EpochOutdated(AgentSecretsError):
    """The keys of the workspace were made anew meanwhile; what was sealed under the
    old ones is not taken.
    """

    _CODE = "epoch_outdated"
    _STAGE = "sync"
    _RETRYABLE = True
    _HINT = "agentsecrets secrets pull"


class AuditUnavailable(AgentSecretsError):
    """The audit log cannot be written or does not continue from its last record;
    without a record there is no call.
    """

    _CODE = "audit_unavailable"
    _STAGE = "audit"
    _RETRYABLE = False
    _HINT = "agentsecrets logs verify"


class Internal(AgentSecretsError):
    """A defect of AgentSecrets; the call was given up and nothing was released."""

    _CODE = "internal"
    _STAGE = "call"
    _RETRYABLE = False


_BY_CODE: Final[dict[str, type[AgentSecretsError]]] = {
    "invalid_call": InvalidCall,
    "invalid_value": InvalidValue,
    "project_not_linked": ProjectNotLinked,
    "project_not_found": ProjectNotFound,
    "destination_not_allowed": DestinationNotAllowed,
    "slot_not_allowed": SlotNotAllowed,
    "header_not_allowed": HeaderNotAllowed,
    "nothing_to_inject": NothingToInject,
    "agent_required": AgentRequired,
    "agent_token_invalid": AgentTokenInvalid,
    "approval_required": ApprovalRequired,
    "budget_exhausted": BudgetExhausted,
    "rate_limited": RateLimited,
    "address_refused": AddressRefused,
    "command_not_allowed": CommandNotAllowed,
    "command_changed": CommandChanged,
    "policy_invalid": PolicyInvalid,
    "secret_not_found": SecretNotFound,
    "source_unavailable": SourceUnavailable,
    "store_locked": StoreLocked,
    "store_unavailable": StoreUnavailable,
    "store_corrupted": StoreCorrupted,
    "not_initialized": NotInitialized,
    "already_initialized": AlreadyInitialized,
    "owner_required": OwnerRequired,
    "owner_absent": OwnerAbsent,
    "wrong_passphrase": WrongPassphrase,
    "broker_unavailable": BrokerUnavailable,
    "broker_outdated": BrokerOutdated,
    "not_shared": NotShared,
    "needs_broker": NeedsBroker,
    "upstream_unreachable": UpstreamUnreachable,
    "upstream_error": UpstreamError,
    "timeout": Timeout,
    "cancelled": Cancelled,
    "response_too_large": ResponseTooLarge,
    "undecodable_response": UndecodableResponse,
    "not_logged_in": NotLoggedIn,
    "wrong_credentials": WrongCredentials,
    "account_exists": AccountExists,
    "workspace_not_found": WorkspaceNotFound,
    "not_a_member": NotAMember,
    "not_an_admin": NotAnAdmin,
    "invite_invalid": InviteInvalid,
    "sync_conflict": SyncConflict,
    "sync_unavailable": SyncUnavailable,
    "sync_refused": SyncRefused,
    "sync_stale": SyncStale,
    "clock_skew": ClockSkew,
    "chain_invalid": ChainInvalid,
    "chain_forked": ChainForked,
    "chain_rolled_back": ChainRolledBack,
    "record_invalid": RecordInvalid,
    "epoch_outdated": EpochOutdated,
    "audit_unavailable": AuditUnavailable,
    "internal": Internal,
}


def from_parts(
    code: str,
    stage: str,
    retryable: bool,
    message: str,
    hint: str | None = None,
) -> AgentSecretsError:
    """The error of a code with these parts; an unknown code gives the base class."""
    kind = _BY_CODE.get(code, AgentSecretsError)
    return _restore(kind, code, stage, retryable, message, hint)


def _restore(
    kind: type[AgentSecretsError],
    code: str,
    stage: str,
    retryable: bool,
    message: str,
    hint: str | None,
) -> AgentSecretsError:
    # A subclass may ask for other arguments; only the parts are wanted here.
    error = kind.__new__(kind, message)
    AgentSecretsError.__init__(
        error,
        message,
        code=code,
        stage=stage,
        retryable=retryable,
    )
    error.hint = hint
    return error


__all__ = [
    "AccountExists",
    "AddressRefused",
    "AgentRequired",
    "AgentSecretsError",
    "AgentTokenInvalid",
    "AlreadyInitialized",
    "ApprovalRequired",
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
    "ErrorCode",
    "HeaderNotAllowed",
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
    "ProjectNotFound",
    "ProjectNotLinked",
    "RateLimited",
    "RecordInvalid",
    "ResponseTooLarge",
    "SecretNotFound",
    "SlotNotAllowed",
    "SourceUnavailable",
    "Stage",
    "StoreCorrupted",
    "StoreLocked",
    "StoreUnavailable",
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
    "from_parts",
]
