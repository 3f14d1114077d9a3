//! The membership of a workspace: a chain of signed entries, each naming the one before by its digest.
//!
//! Clients verify the whole chain and pin its end; the server applies the same [rules](State::apply) on write so that nobody
//! poisons a workspace, but is not trusted for it.

mod entry;
mod refusal;
mod rules;
mod state;

pub use entry::{Act, Device, Entry, Epoch, Invite, Member, Role, Seal, join_proof};
pub use refusal::Refusal;
pub use state::{Head, Invited, Joined, Registered, Span, State};

#[cfg(test)]
mod tests;
