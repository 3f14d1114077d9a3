//! The codes of errors: the single source of every host's error classes and of `docs/errors/`.

use std::fmt;

use super::Stage;

macro_rules! codes {
    ($($name:ident = $text:literal, $stage:ident, $retry:literal, exit $exit:literal, hint $hint:expr, $doc:literal;)*) => {
        /// The stable code of an error. Its wire form is snake_case; hosts make one class of each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $(#[doc = $doc] $name),* }

        impl ErrorCode {
            /// Every code, in the order of the way of a request.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The wire form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The name of the class in Python and Node.
            #[must_use]
            pub fn class_name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The stage an error of this code comes from unless it says otherwise.
            #[must_use]
            pub fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage),* }
            }

            /// Whether the same call may succeed later, unless the error says otherwise.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// The exit code of the command line.
            #[must_use]
            pub fn exit_code(self) -> u8 {
                match self { $(Self::$name => $exit),* }
            }

            /// What the code means.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $doc),* }
            }

            /// What mends it, where one thing always does.
            #[must_use]
            pub fn hint(self) -> Option<&'static str> {
                match self { $(Self::$name => $hint),* }
            }
        }
    };
}

codes! {
    InvalidCall = "invalid_call", Call, false, exit 2, hint None,
        "The call contradicts itself or cannot be parsed: a malformed URL, two styles for one place, a path through a scalar, a body that is not JSON.";
    InvalidValue = "invalid_value", Store, false, exit 2, hint None,
        "The value cannot be kept or cannot go where it should: empty, over 64 KiB, under 8 bytes without `--weak`, not UTF-8 where text is needed, a line feed or NUL for a header.";
    ProjectNotLinked = "project_not_linked", Context, false, exit 3, hint Some("agentsecrets project use PROJECT"),
        "The directory's project file names a project that this home has not linked to the directory; a file in a repository only proposes.";
    ProjectNotFound = "project_not_found", Context, false, exit 4, hint Some("agentsecrets project list"),
        "This home knows no project of that name.";
    DestinationNotAllowed = "destination_not_allowed", Policy, false, exit 3, hint None,
        "No grant lets this secret go to this origin with this method and path, or the owner or an agent has denied it.";
    SlotNotAllowed = "slot_not_allowed", Policy, false, exit 3, hint None,
        "The secret may go to this origin, but not in this place of the request.";
    HeaderNotAllowed = "header_not_allowed", Policy, false, exit 3, hint None,
        "The caller set a header that could bend an authenticated request (Authorization beside an injected one, Range, Upgrade, a method override) and no grant permits it.";
    NothingToInject = "nothing_to_inject", Policy, false, exit 3, hint None,
        "The call names no secret, and the broker is no open way out: only origins of the workspace allowlist are called bare.";
    AgentRequired = "agent_required", Policy, false, exit 3, hint None,
        "The project has registered agents, and the caller is none of them: anonymous calls are refused there.";
    AgentTokenInvalid = "agent_token_invalid", Policy, false, exit 3, hint Some("agentsecrets agent token list"),
        "The agent token that the caller shows is unknown, expired or revoked; it is never taken for no token.";
    ApprovalRequired = "approval_required", Policy, true, exit 3, hint Some("agentsecrets approve"),
        "The grant wants a human's approval of each call, and nobody gave it in time, or it was denied.";
    BudgetExhausted = "budget_exhausted", Policy, true, exit 3, hint Some("agentsecrets limit list"),
        "The number of calls that the owner set for this secret or agent is used up; the message says until when.";
    RateLimited = "rate_limited", Policy, true, exit 3, hint Some("agentsecrets limit list"),
        "The caller goes faster than the owner set for this secret or agent; the message says when to come back.";
    AddressRefused = "address_refused", Send, false, exit 3, hint None,
        "The host resolves to a private, local or reserved address that the grant does not name.";
    CommandNotAllowed = "command_not_allowed", Policy, false, exit 3, hint None,
        "No grant gives this secret to exactly this command: its whole argument list, in this environment, unexpired.";
    CommandChanged = "command_changed", Policy, false, exit 3, hint None,
        "The command's program, or a file it names, is no longer the one that the owner granted.";
    PolicyInvalid = "policy_invalid", Policy, false, exit 1, hint Some("agentsecrets doctor"),
        "The policy is unsigned, altered, older than one seen before, or its deny overlay is missing: nothing is permitted until the owner mends it.";
    SecretNotFound = "secret_not_found", Resolve, false, exit 4, hint Some("agentsecrets secrets list"),
        "The project and environment hold no secret of that name.";
    SourceUnavailable = "source_unavailable", Resolve, true, exit 1, hint None,
        "The value is linked, and the manager that it is asked of is locked, failed, took too long or gave something else than a value.";
    StoreLocked = "store_locked", Resolve, true, exit 5, hint Some("agentsecrets unlock"),
        "The use key is not open; a human opens it at a terminal.";
    StoreUnavailable = "store_unavailable", Store, true, exit 1, hint Some("agentsecrets doctor"),
        "The keychain or the home cannot be reached or written: no keychain here, a read-only or full disk, wrong permissions.";
    StoreCorrupted = "store_corrupted", Store, false, exit 1, hint Some("agentsecrets doctor"),
        "A stored record or the index does not open: it was altered, cut or moved. Nothing was overwritten.";
    NotInitialized = "not_initialized", Store, false, exit 5, hint Some("agentsecrets init"),
        "There is no home yet.";
    AlreadyInitialized = "already_initialized", Owner, false, exit 1, hint Some("agentsecrets status"),
        "There is a home already; it is not replaced without its owner.";
    OwnerRequired = "owner_required", Owner, false, exit 3, hint None,
        "This loosens a limit or destroys something: the owner's passphrase is needed, at a terminal or by --passphrase-fd.";
    OwnerAbsent = "owner_absent", Owner, false, exit 3, hint None,
        "This home was made with --no-owner: its policy is read-only.";
    WrongPassphrase = "wrong_passphrase", Owner, false, exit 3, hint None,
        "The passphrase does not open the key.";
    BrokerUnavailable = "broker_unavailable", Broker, true, exit 1, hint Some("agentsecrets doctor"),
        "The broker does not answer and could not be started.";
    BrokerOutdated = "broker_outdated", Broker, false, exit 1, hint Some("agentsecrets broker stop"),
        "The broker and this program speak versions that do not meet.";
    NotShared = "not_shared", Broker, false, exit 3, hint Some("run it where the broker runs, as the user whose home it is"),
        "A shared socket serves calls and questions about what its agent may use, and nothing else: neither the owner's acts, nor doors, nor other names.";
    NeedsBroker = "needs_broker", Broker, false, exit 1, hint Some("AGENTSECRETS_ISOLATION=broker"),
        "A child process with secrets is started by the broker alone, and this client runs in-process.";
    UpstreamUnreachable = "upstream_unreachable", Send, true, exit 6, hint None,
        "The host could not be resolved or connected, its TLS certificate does not verify, or it broke off.";
    UpstreamError = "upstream_error", Send, false, exit 1, hint None,
        "The upstream answered 4xx or 5xx and the caller asked that this be an error.";
    Timeout = "timeout", Send, true, exit 6, hint None,
        "The call's deadline passed.";
    Cancelled = "cancelled", Send, true, exit 1, hint None,
        "The caller gave the call up.";
    ResponseTooLarge = "response_too_large", Redact, false, exit 1, hint None,
        "The response is longer than the call's limit; stream it, or raise the limit.";
    UndecodableResponse = "undecodable_response", Redact, false, exit 1, hint None,
        "The response's content coding is unknown, broken or expands without bound, so it cannot be searched for values and is withheld.";
    NotLoggedIn = "not_logged_in", Sync, false, exit 5, hint Some("agentsecrets login"),
        "This home is in no account, or its session was ended at the server.";
    WrongCredentials = "wrong_credentials", Sync, false, exit 3, hint None,
        "The address, the password or the recovery code is wrong; which of them is not said.";
    AccountExists = "account_exists", Sync, false, exit 1, hint Some("agentsecrets login"),
        "The address has an account at this server, or this home is in one already.";
    WorkspaceNotFound = "workspace_not_found", Sync, false, exit 4, hint Some("agentsecrets workspace list"),
        "The home knows no workspace of that name, or the server has none that the account is a member of.";
    NotAMember = "not_a_member", Sync, false, exit 3, hint Some("agentsecrets workspace list"),
        "The account or the device is not, or no longer, in the workspace; or nobody of that name is.";
    NotAnAdmin = "not_an_admin", Sync, false, exit 3, hint None,
        "Only an admin of the workspace changes its members, its projects and its policy.";
    InviteInvalid = "invite_invalid", Sync, false, exit 3, hint None,
        "The code is mistyped, expired, used or withdrawn, or it leads to another workspace than the server shows.";
    SyncConflict = "sync_conflict", Sync, false, exit 1, hint Some("agentsecrets secrets diff"),
        "Somebody else changed the same name since it was last seen; nothing was overwritten on either side.";
    SyncUnavailable = "sync_unavailable", Sync, true, exit 6, hint None,
        "The server of the workspace cannot be reached, broke off, or is not ready; everything but sync goes on.";
    SyncRefused = "sync_refused", Sync, false, exit 1, hint None,
        "The server refused the request; the message says why.";
    SyncStale = "sync_stale", Sync, true, exit 1, hint None,
        "No admin has shown a sign of life within the time that was set: what the server shows may be an old state.";
    ClockSkew = "clock_skew", Sync, true, exit 1, hint Some("set the clock of this machine"),
        "The clocks of this machine and the server differ by more than five minutes.";
    ChainInvalid = "chain_invalid", Sync, false, exit 1, hint None,
        "The chain of the workspace breaks its rules: an entry is altered, unsigned, missing or by somebody without the right. It is not followed.";
    ChainForked = "chain_forked", Sync, false, exit 1, hint None,
        "The server shows another past of the workspace than was seen before, or than another member saw. It is not followed.";
    ChainRolledBack = "chain_rolled_back", Sync, false, exit 1, hint None,
        "The server shows less of the workspace than was seen before. It is not followed.";
    RecordInvalid = "record_invalid", Sync, false, exit 1, hint None,
        "A record of the server does not open or does not belong: it was altered, swapped, replayed, or is of another place. It is not applied.";
    EpochOutdated = "epoch_outdated", Sync, true, exit 1, hint Some("agentsecrets secrets pull"),
        "The keys of the workspace were made anew meanwhile; what was sealed under the old ones is not taken.";
    AuditUnavailable = "audit_unavailable", Audit, false, exit 1, hint Some("agentsecrets logs verify"),
        "The audit log cannot be written or does not continue from its last record; without a record there is no call.";
    Internal = "internal", Call, false, exit 1, hint None,
        "A defect of AgentSecrets; the call was given up and nothing was released.";
}

impl ErrorCode {
    /// The code of a wire text, or `None` where this version knows none of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_snake_case_of_its_class() {
        for code in ErrorCode::ALL {
            let snake = code.class_name().chars().fold(String::new(), |mut text, c| {
                if c.is_ascii_uppercase() && !text.is_empty() {
                    text.push('_');
                }
                text.push(c.to_ascii_lowercase());
                text
            });
            assert_eq!(code.as_str(), snake);
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
    }
}
