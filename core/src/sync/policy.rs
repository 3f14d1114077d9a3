//! The workspace's policy on its way out of the chain.

use agentsecrets_wire::chain::Act;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chain::Chain;
use super::ring::{Place, Ring};
use crate::crypto::PolicyBlob;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::SharedPolicy;
use crate::secret_ref::Label;

/// What a machine is given of the policy, for one of its scopes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    pub(crate) project: Uuid,
    pub(crate) environment: Label,
    pub(crate) policy: SharedPolicy,
}

/// The policy that counts at the end of a chain, and what a machine's scopes are.
pub(crate) struct Opened {
    pub(crate) version: u64,
    pub(crate) policy: SharedPolicy,
    pub(crate) places: Vec<Place>,
}

/// Opens the newest policy of a chain; `None` where none was set, or none of it is for this home.
///
/// # Errors
/// `policy_invalid` where it does not open or read.
pub(crate) fn open(chain: &Chain, ring: &Ring) -> Result<Option<Opened>> {
    let newest = chain.said().iter().rev().find_map(|entry| match &entry.act {
        Act::SetPolicy { version, sealed } => Some((*version, sealed)),
        _ => None,
    });
    let Some((version, sealed)) = newest else { return Ok(None) };
    let workspace = chain.state().workspace();
    let blob = PolicyBlob::parse(sealed.as_bytes())?;
    if ring.scopes().is_empty() {
        let plain = blob.open_whole(workspace, version, ring.epoch_key(blob.epoch())?)?;
        let policy = SharedPolicy::parse(plain.as_slice())?;
        return Ok(Some(Opened { version, policy, places: Vec::new() }));
    }
    let (mut parts, mut places) = (Vec::new(), Vec::new());
    for scope in ring.scopes() {
        let Ok(key) = ring.scope_key(blob.epoch(), scope) else { continue };
        let Some(plain) = blob.open_scope(workspace, version, &key)? else { continue };
        let piece: Piece = serde_json::from_slice(plain.as_slice()).map_err(|_| unreadable())?;
        places.push(Place { scope, project: piece.project, environment: piece.environment });
        parts.push(SharedPolicy::parse(&piece.policy.to_bytes())?);
    }
    Ok(SharedPolicy::joined(parts)?.map(|policy| Opened { version, policy, places }))
}

fn unreadable() -> Error {
    Error::new(ErrorCode::PolicyInvalid, "the workspace's policy was written by a later version")
        .with_hint("install the newest agentsecrets")
}
