//! Stage 1: may this secret go there?
//!
//! What the owner signed is a [`Document`]; what an agent took away is a [`DenyOverlay`]. Together they make a
//! [`Policy`], and a [`Permitted`] comes out of [`Policy::check`] and from nowhere else.
//!
//! Signing, sealing and pinning are done by the owner's side, which hands in what it has verified.

#![allow(unused_imports)] // Until the engine joins the stages.

mod acts;
mod agent;
mod allowlist;
mod beside;
mod change;
mod check;
mod deny;
mod document;
mod door;
mod egress;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grant;
mod header;
mod host;
mod limit;
mod path;
mod reach;
mod refusal;
mod rule;
mod scope;
mod share;
mod shared;
mod slot;
mod source;
mod text;

pub(crate) use agent::{Agent, Bound, Token};
pub(crate) use change::Change;
pub(crate) use check::{Asked, Checked, Permitted, Policy};
pub(crate) use deny::{DenyEntry, DenyOverlay};
pub(crate) use document::{Anchor, AuditSettings, Document, Link, Project, TrustRoot, Workspace};
pub(crate) use door::{Command, DISCLOSES, Door, DoorAsked, FilePin, Opening, Passage, Pin, allow_command};
pub(crate) use egress::{Egress, Login};
pub(crate) use grant::{Grant, Terms, parse_expiry, parse_method};
pub(crate) use limit::{Amount, Limit, LimitKind, Subject, Window};
pub(crate) use path::PathPattern;
pub(crate) use rule::Rule;
pub(crate) use share::Share;
pub(crate) use shared::{Enrolment, Joined, MachineEnvironment, SharedPolicy};
pub(crate) use slot::Slot;
pub(crate) use source::{Source, SourceTerms, parse_lifetime};

#[cfg(test)]
mod tests;
