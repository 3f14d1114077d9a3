// Every error of AgentSecrets: a stable code, the stage, whether to try again, and what mends it.
// Written by `cargo xtask generate` from core/src/error.rs. Messages hold names, never values.

/** The stable codes. */
export type ErrorCode =
  | "invalid_call"
  | "invalid_value"
  | "project_not_linked"
  | "project_not_found"
  | "destination_not_allowed"
  | "slot_not_allowed"
  | "header_not_allowed"
  | "nothing_to_inject"
  | "agent_required"
  | "agent_token_invalid"
  | "approval_required"
  | "budget_exhausted"
  | "rate_limited"
  | "address_refused"
  | "command_not_allowed"
  | "command_changed"
  | "policy_invalid"
  | "secret_not_found"
  | "source_unavailable"
  | "store_locked"
  | "store_unavailable"
  | "store_corrupted"
  | "not_initialized"
  | "already_initialized"
  | "owner_required"
  | "owner_absent"
  | "wrong_passphrase"
  | "broker_unavailable"
  | "broker_outdated"
  | "not_shared"
  | "needs_broker"
  | "upstream_unreachable"
  | "upstream_error"
  | "timeout"
  | "cancelled"
  | "response_too_large"
  | "undecodable_response"
  | "not_logged_in"
  | "wrong_credentials"
  | "account_exists"
  | "workspace_not_found"
  | "not_a_member"
  | "not_an_admin"
  | "invite_invalid"
  | "sync_conflict"
  | "sync_unavailable"
  | "sync_refused"
  | "sync_stale"
  | "clock_skew"
  | "chain_invalid"
  | "chain_forked"
  | "chain_rolled_back"
  | "record_invalid"
  | "epoch_outdated"
  | "audit_unavailable"
  | "internal";

/** The stages, in the order of the way of a request. */
export type Stage =
  | "call"
  | "context"
  | "policy"
  | "resolve"
  | "inject"
  | "send"
  | "redact"
  | "audit"
  | "store"
  | "owner"
  | "broker"
  | "sync";

/** What an error carries besides its message. */
export interface ErrorDetails {
  code: ErrorCode | (string & {});
  stage: Stage | (string & {});
  retryable: boolean;
  hint?: string | undefined;
}

/** The base of every error here; thrown itself only for a code that this version does not know. */
export class AgentSecretsError extends Error {
  /** The stable code, one of `ErrorCode` (or a newer one). */
  readonly code: ErrorCode | (string & {});
  /** The stage that refused or failed, one of `Stage` (or a newer one). */
  readonly stage: Stage | (string & {});
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What mends it, where possible the exact command. */
  readonly hint: string | undefined;

  constructor(message: string, details: ErrorDetails) {
    super(message);
    this.name = "AgentSecretsError";
    this.code = details.code;
    this.stage = details.stage;
    this.retryable = details.retryable;
    this.hint = details.hint;
  }

  /** Whether this is the error of that code. */
  is<Code extends ErrorCode>(code: Code): this is AgentSecretsError & { readonly code: Code } {
    return this.code === code;
  }
}

/**
 * The call contradicts itself or cannot be parsed: a malformed URL, two styles for one place, a path through a
 * scalar, a body that is not JSON.
 */
export class InvalidCall extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "invalid_call", stage: "call", retryable: false, hint: undefined, ...details });
    this.name = "InvalidCall";
  }
}

/**
 * The value cannot be kept or cannot go where it should: empty, over 64 KiB, under 8 bytes without `--weak`, not
 * UTF-8 where text is needed, a line feed or NUL for a header.
 */
export class InvalidValue extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "invalid_value", stage: "store", retryable: false, hint: undefined, ...details });
    this.name = "InvalidValue";
  }
}

/**
 * The directory's project file names a project that this home has not linked to the directory; a file in a
 * repository only proposes.
 */
export class ProjectNotLinked extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "project_not_linked", stage: "context", retryable: false, hint: "agentsecrets project use PROJECT", ...details });
    this.name = "ProjectNotLinked";
  }
}

/** This home knows no project of that name. */
export class ProjectNotFound extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "project_not_found", stage: "context", retryable: false, hint: "agentsecrets project list", ...details });
    this.name = "ProjectNotFound";
  }
}

/** No grant lets this secret go to this origin with this method and path, or the owner or an agent has denied it. */
export class DestinationNotAllowed extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "destination_not_allowed", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "DestinationNotAllowed";
  }
}

/** The secret may go to this origin, but not in this place of the request. */
export class SlotNotAllowed extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "slot_not_allowed", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "SlotNotAllowed";
  }
}

/**
 * The caller set a header that could bend an authenticated request (Authorization beside an injected one, Range,
 * Upgrade, a method override) and no grant permits it.
 */
export class HeaderNotAllowed extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "header_not_allowed", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "HeaderNotAllowed";
  }
}

/**
 * The call names no secret, and the broker is no open way out: only origins of the workspace allowlist are called
 * bare.
 */
export class NothingToInject extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "nothing_to_inject", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "NothingToInject";
  }
}

/** The project has registered agents, and the caller is none of them: anonymous calls are refused there. */
export class AgentRequired extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "agent_required", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "AgentRequired";
  }
}

/** The agent token that the caller shows is unknown, expired or revoked; it is never taken for no token. */
export class AgentTokenInvalid extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "agent_token_invalid", stage: "policy", retryable: false, hint: "agentsecrets agent token list", ...details });
    this.name = "AgentTokenInvalid";
  }
}

/** The grant wants a human's approval of each call, and nobody gave it in time, or it was denied. */
export class ApprovalRequired extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "approval_required", stage: "policy", retryable: true, hint: "agentsecrets approve", ...details });
    this.name = "ApprovalRequired";
  }
}

/** The number of calls that the owner set for this secret or agent is used up; the message says until when. */
export class BudgetExhausted extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "budget_exhausted", stage: "policy", retryable: true, hint: "agentsecrets limit list", ...details });
    this.name = "BudgetExhausted";
  }
}

/** The caller goes faster than the owner set for this secret or agent; the message says when to come back. */
export class RateLimited extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "rate_limited", stage: "policy", retryable: true, hint: "agentsecrets limit list", ...details });
    this.name = "RateLimited";
  }
}

/** The host resolves to a private, local or reserved address that the grant does not name. */
export class AddressRefused extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "address_refused", stage: "send", retryable: false, hint: undefined, ...details });
    this.name = "AddressRefused";
  }
}

/** No grant gives this secret to exactly this command: its whole argument list, in this environment, unexpired. */
export class CommandNotAllowed extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "command_not_allowed", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "CommandNotAllowed";
  }
}

/** The command's program, or a file it names, is no longer the one that the owner granted. */
export class CommandChanged extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "command_changed", stage: "policy", retryable: false, hint: undefined, ...details });
    this.name = "CommandChanged";
  }
}

/**
 * The policy is unsigned, altered, older than one seen before, or its deny overlay is missing: nothing is
 * permitted until the owner mends it.
 */
export class PolicyInvalid extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "policy_invalid", stage: "policy", retryable: false, hint: "agentsecrets doctor", ...details });
    this.name = "PolicyInvalid";
  }
}

/** The project and environment hold no secret of that name. */
export class SecretNotFound extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "secret_not_found", stage: "resolve", retryable: false, hint: "agentsecrets secrets list", ...details });
    this.name = "SecretNotFound";
  }
}

/**
 * The value is linked, and the manager that it is asked of is locked, failed, took too long or gave something else
 * than a value.
 */
export class SourceUnavailable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "source_unavailable", stage: "resolve", retryable: true, hint: undefined, ...details });
    this.name = "SourceUnavailable";
  }
}

/** The use key is not open; a human opens it at a terminal. */
export class StoreLocked extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "store_locked", stage: "resolve", retryable: true, hint: "agentsecrets unlock", ...details });
    this.name = "StoreLocked";
  }
}

/**
 * The keychain or the home cannot be reached or written: no keychain here, a read-only or full disk, wrong
 * permissions.
 */
export class StoreUnavailable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "store_unavailable", stage: "store", retryable: true, hint: "agentsecrets doctor", ...details });
    this.name = "StoreUnavailable";
  }
}

/** A stored record or the index does not open: it was altered, cut or moved. Nothing was overwritten. */
export class StoreCorrupted extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "store_corrupted", stage: "store", retryable: false, hint: "agentsecrets doctor", ...details });
    this.name = "StoreCorrupted";
  }
}

/** There is no home yet. */
export class NotInitialized extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "not_initialized", stage: "store", retryable: false, hint: "agentsecrets init", ...details });
    this.name = "NotInitialized";
  }
}

/** There is a home already; it is not replaced without its owner. */
export class AlreadyInitialized extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "already_initialized", stage: "owner", retryable: false, hint: "agentsecrets status", ...details });
    this.name = "AlreadyInitialized";
  }
}

/**
 * This loosens a limit or destroys something: the owner's passphrase is needed, at a terminal or by
 * --passphrase-fd.
 */
export class OwnerRequired extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "owner_required", stage: "owner", retryable: false, hint: undefined, ...details });
    this.name = "OwnerRequired";
  }
}

/** This home was made with --no-owner: its policy is read-only. */
export class OwnerAbsent extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "owner_absent", stage: "owner", retryable: false, hint: undefined, ...details });
    this.name = "OwnerAbsent";
  }
}

/** The passphrase does not open the key. */
export class WrongPassphrase extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "wrong_passphrase", stage: "owner", retryable: false, hint: undefined, ...details });
    this.name = "WrongPassphrase";
  }
}

/** The broker does not answer and could not be started. */
export class BrokerUnavailable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "broker_unavailable", stage: "broker", retryable: true, hint: "agentsecrets doctor", ...details });
    this.name = "BrokerUnavailable";
  }
}

/** The broker and this program speak versions that do not meet. */
export class BrokerOutdated extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "broker_outdated", stage: "broker", retryable: false, hint: "agentsecrets broker stop", ...details });
    this.name = "BrokerOutdated";
  }
}

/**
 * A shared socket serves calls and questions about what its agent may use, and nothing else: neither the owner's
 * acts, nor doors, nor other names.
 */
export class NotShared extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "not_shared", stage: "broker", retryable: false, hint: "run it where the broker runs, as the user whose home it is", ...details });
    this.name = "NotShared";
  }
}

/** A child process with secrets is started by the broker alone, and this client runs in-process. */
export class NeedsBroker extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "needs_broker", stage: "broker", retryable: false, hint: "AGENTSECRETS_ISOLATION=broker", ...details });
    this.name = "NeedsBroker";
  }
}

/** The host could not be resolved or connected, its TLS certificate does not verify, or it broke off. */
export class UpstreamUnreachable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "upstream_unreachable", stage: "send", retryable: true, hint: undefined, ...details });
    this.name = "UpstreamUnreachable";
  }
}

/** The upstream answered 4xx or 5xx and the caller asked that this be an error. */
export class UpstreamError extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "upstream_error", stage: "send", retryable: false, hint: undefined, ...details });
    this.name = "UpstreamError";
  }
}

/** The call's deadline passed. */
export class Timeout extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "timeout", stage: "send", retryable: true, hint: undefined, ...details });
    this.name = "Timeout";
  }
}

/** The caller gave the call up. */
export class Cancelled extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "cancelled", stage: "send", retryable: true, hint: undefined, ...details });
    this.name = "Cancelled";
  }
}

/** The response is longer than the call's limit; stream it, or raise the limit. */
export class ResponseTooLarge extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "response_too_large", stage: "redact", retryable: false, hint: undefined, ...details });
    this.name = "ResponseTooLarge";
  }
}

/**
 * The response's content coding is unknown, broken or expands without bound, so it cannot be searched for values
 * and is withheld.
 */
export class UndecodableResponse extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "undecodable_response", stage: "redact", retryable: false, hint: undefined, ...details });
    this.name = "UndecodableResponse";
  }
}

/** This home is in no account, or its session was ended at the server. */
export class NotLoggedIn extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "not_logged_in", stage: "sync", retryable: false, hint: "agentsecrets login", ...details });
    this.name = "NotLoggedIn";
  }
}

/** The address, the password or the recovery code is wrong; which of them is not said. */
export class WrongCredentials extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "wrong_credentials", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "WrongCredentials";
  }
}

/** The address has an account at this server, or this home is in one already. */
export class AccountExists extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "account_exists", stage: "sync", retryable: false, hint: "agentsecrets login", ...details });
    this.name = "AccountExists";
  }
}

/** The home knows no workspace of that name, or the server has none that the account is a member of. */
export class WorkspaceNotFound extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "workspace_not_found", stage: "sync", retryable: false, hint: "agentsecrets workspace list", ...details });
    this.name = "WorkspaceNotFound";
  }
}

/** The account or the device is not, or no longer, in the workspace; or nobody of that name is. */
export class NotAMember extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "not_a_member", stage: "sync", retryable: false, hint: "agentsecrets workspace list", ...details });
    this.name = "NotAMember";
  }
}

/** Only an admin of the workspace changes its members, its projects and its policy. */
export class NotAnAdmin extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "not_an_admin", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "NotAnAdmin";
  }
}

/** The code is mistyped, expired, used or withdrawn, or it leads to another workspace than the server shows. */
export class InviteInvalid extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "invite_invalid", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "InviteInvalid";
  }
}

/** Somebody else changed the same name since it was last seen; nothing was overwritten on either side. */
export class SyncConflict extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "sync_conflict", stage: "sync", retryable: false, hint: "agentsecrets secrets diff", ...details });
    this.name = "SyncConflict";
  }
}

/** The server of the workspace cannot be reached, broke off, or is not ready; everything but sync goes on. */
export class SyncUnavailable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "sync_unavailable", stage: "sync", retryable: true, hint: undefined, ...details });
    this.name = "SyncUnavailable";
  }
}

/** The server refused the request; the message says why. */
export class SyncRefused extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "sync_refused", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "SyncRefused";
  }
}

/** No admin has shown a sign of life within the time that was set: what the server shows may be an old state. */
export class SyncStale extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "sync_stale", stage: "sync", retryable: true, hint: undefined, ...details });
    this.name = "SyncStale";
  }
}

/** The clocks of this machine and the server differ by more than five minutes. */
export class ClockSkew extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "clock_skew", stage: "sync", retryable: true, hint: "set the clock of this machine", ...details });
    this.name = "ClockSkew";
  }
}

/**
 * The chain of the workspace breaks its rules: an entry is altered, unsigned, missing or by somebody without the
 * right. It is not followed.
 */
export class ChainInvalid extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "chain_invalid", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "ChainInvalid";
  }
}

/**
 * The server shows another past of the workspace than was seen before, or than another member saw. It is not
 * followed.
 */
export class ChainForked extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "chain_forked", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "ChainForked";
  }
}

/** The server shows less of the workspace than was seen before. It is not followed. */
export class ChainRolledBack extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "chain_rolled_back", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "ChainRolledBack";
  }
}

/**
 * A record of the server does not open or does not belong: it was altered, swapped, replayed, or is of another
 * place. It is not applied.
 */
export class RecordInvalid extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "record_invalid", stage: "sync", retryable: false, hint: undefined, ...details });
    this.name = "RecordInvalid";
  }
}

/** The keys of the workspace were made anew meanwhile; what was sealed under the old ones is not taken. */
export class EpochOutdated extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "epoch_outdated", stage: "sync", retryable: true, hint: "agentsecrets secrets pull", ...details });
    this.name = "EpochOutdated";
  }
}

/** The audit log cannot be written or does not continue from its last record; without a record there is no call. */
export class AuditUnavailable extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "audit_unavailable", stage: "audit", retryable: false, hint: "agentsecrets logs verify", ...details });
    this.name = "AuditUnavailable";
  }
}

/** A defect of AgentSecrets; the call was given up and nothing was released. */
export class Internal extends AgentSecretsError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "internal", stage: "call", retryable: false, hint: undefined, ...details });
    this.name = "Internal";
  }
}

const BY_CODE: Record<ErrorCode, new (message: string, details: ErrorDetails) => AgentSecretsError> = {
  invalid_call: InvalidCall,
  invalid_value: InvalidValue,
  project_not_linked: ProjectNotLinked,
  project_not_found: ProjectNotFound,
  destination_not_allowed: DestinationNotAllowed,
  slot_not_allowed: SlotNotAllowed,
  header_not_allowed: HeaderNotAllowed,
  nothing_to_inject: NothingToInject,
  agent_required: AgentRequired,
  agent_token_invalid: AgentTokenInvalid,
  approval_required: ApprovalRequired,
  budget_exhausted: BudgetExhausted,
  rate_limited: RateLimited,
  address_refused: AddressRefused,
  command_not_allowed: CommandNotAllowed,
  command_changed: CommandChanged,
  policy_invalid: PolicyInvalid,
  secret_not_found: SecretNotFound,
  source_unavailable: SourceUnavailable,
  store_locked: StoreLocked,
  store_unavailable: StoreUnavailable,
  store_corrupted: StoreCorrupted,
  not_initialized: NotInitialized,
  already_initialized: AlreadyInitialized,
  owner_required: OwnerRequired,
  owner_absent: OwnerAbsent,
  wrong_passphrase: WrongPassphrase,
  broker_unavailable: BrokerUnavailable,
  broker_outdated: BrokerOutdated,
  not_shared: NotShared,
  needs_broker: NeedsBroker,
  upstream_unreachable: UpstreamUnreachable,
  upstream_error: UpstreamError,
  timeout: Timeout,
  cancelled: Cancelled,
  response_too_large: ResponseTooLarge,
  undecodable_response: UndecodableResponse,
  not_logged_in: NotLoggedIn,
  wrong_credentials: WrongCredentials,
  account_exists: AccountExists,
  workspace_not_found: WorkspaceNotFound,
  not_a_member: NotAMember,
  not_an_admin: NotAnAdmin,
  invite_invalid: InviteInvalid,
  sync_conflict: SyncConflict,
  sync_unavailable: SyncUnavailable,
  sync_refused: SyncRefused,
  sync_stale: SyncStale,
  clock_skew: ClockSkew,
  chain_invalid: ChainInvalid,
  chain_forked: ChainForked,
  chain_rolled_back: ChainRolledBack,
  record_invalid: RecordInvalid,
  epoch_outdated: EpochOutdated,
  audit_unavailable: AuditUnavailable,
  internal: Internal,
};

/** The error of a code, with exactly these parts; an unknown code gives the base class. */
export function fromParts(
  code: string,
  stage: string,
  retryable: boolean,
  message: string,
  hint?: string | null,
): AgentSecretsError {
  const details = { code, stage, retryable, hint: hint ?? undefined };
  const kind = Object.hasOwn(BY_CODE, code) ? BY_CODE[code as ErrorCode] : AgentSecretsError;
  return new kind(message, details);
}
