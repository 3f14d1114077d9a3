//! A sealed secret as the server sees it, and the sign of life of a workspace.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::Head;
use crate::{Blob, Hash, Statement};

/// One version of one sealed thing: a secret, or what names a project and its environments.
///
/// Signed by the author's device. The server compares `version` and `prev` with what it has and stores, or says who was faster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The form of this statement: 1.
    pub v: u8,
    /// The workspace.
    pub workspace: Uuid,
    /// Project and environment, as a keyed hash: what a machine member is bound to.
    pub scope: Hash,
    /// The name within the scope, as a keyed hash.
    pub record: Hash,
    /// From 1, one more with every change.
    pub version: u64,
    /// The record that this one replaces; none for the first.
    pub prev: Option<Hash>,
    /// Whose key seals it: the chain's epoch when it was written.
    pub epoch: u64,
    /// The member who wrote it.
    pub author: Uuid,
    /// The member's device, whose key signs.
    pub device: Uuid,
    /// How far the author had seen the chain: two members who were shown different chains find out by this.
    pub head: Head,
    /// When, by the author's clock.
    pub time: Timestamp,
    /// Whether the name was deleted. What is sealed then says so too.
    pub gone: bool,
    /// Name, value and what belongs to them, padded to a size bucket and sealed; everything above is authenticated with it.
    pub sealed: Blob,
}

impl Statement for Record {
    const DOMAIN: &'static str = "agentsecrets/record/1";
}

/// An admin was here: until when a view of the workspace counts as fresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The form of this statement: 1.
    pub v: u8,
    /// The workspace.
    pub workspace: Uuid,
    /// The admin.
    pub author: Uuid,
    /// The admin's device, whose key signs.
    pub device: Uuid,
    /// The end of the chain that the admin sees.
    pub head: Head,
    /// When, by the admin's clock.
    pub time: Timestamp,
}

impl Statement for Heartbeat {
    const DOMAIN: &'static str = "agentsecrets/heartbeat/1";
}
