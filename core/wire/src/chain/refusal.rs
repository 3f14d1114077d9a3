//! Why an entry does not count.

use std::fmt;

/// The rule that an entry breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not of the form, or of a kind that this version does not know.
    Malformed,
    /// Another workspace's.
    OtherWorkspace,
    /// Not the next number after the last entry.
    NotNext,
    /// It names another entry as the one before.
    OtherPast,
    /// The signature is not its author's.
    NotSigned,
    /// The author is no member, or has no such right.
    NotAllowed,
    /// The first entry, and only the first, begins a workspace.
    NotFirst,
    /// It names a member, device or invitation that there is not.
    Unknown,
    /// It names one that was there before; ids and keys are used once.
    Used,
    /// The invitation expired, or the proof is not by its key.
    NotInvited,
    /// The epoch or the policy's version is not the next one.
    NotNextEpoch,
    /// A recipient is missing, or there is one who should not be.
    WrongSeals,
    /// The workspace would be without an admin.
    LastAdmin,
    /// More than the protocol's limits.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "an entry of the chain is not of a form that this version knows",
            Self::OtherWorkspace => "an entry of the chain belongs to another workspace",
            Self::NotNext => "the chain has a gap",
            Self::OtherPast => "an entry of the chain names another past",
            Self::NotSigned => "an entry of the chain is not signed by its author",
            Self::NotAllowed => "the author of an entry of the chain has no right to it",
            Self::NotFirst => "a chain begins once",
            Self::Unknown => "an entry of the chain names somebody who is not there",
            Self::Used => "an entry of the chain uses an id or a key again",
            Self::NotInvited => "somebody joins without a valid invitation",
            Self::NotNextEpoch => "an epoch or a policy is not the next one",
            Self::WrongSeals => "an epoch is not sealed to exactly those who are there",
            Self::LastAdmin => "the workspace would be without an admin",
            Self::TooMany => "an entry of the chain is over a limit",
        })
    }
}

impl std::error::Error for Refusal {}
