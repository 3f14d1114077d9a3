//! The workspace's policy, sealed: the whole for the members, and for each scope of a machine a piece of its own.

use agentsecrets_wire::{Blob, Hash};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::{EpochKey, ScopeKey};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretBuf;

/// The sealed parts, as they stand in an entry of the chain.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBlob {
    v: u8,
    epoch: u64,
    whole: Blob,
    scopes: Vec<(Hash, Blob)>,
}

impl PolicyBlob {
    /// Seals the whole.
    pub(crate) fn seal(workspace: Uuid, version: u64, key: &EpochKey, plain: &[u8]) -> Result<Self> {
        let sealing = key.purpose("policy", workspace)?;
        let whole = envelope::seal(&sealing, &binding(workspace, version, key.number(), None), plain)?;
        Ok(Self { v: 1, epoch: key.number(), whole: whole.into(), scopes: Vec::new() })
    }

    /// Adds the piece of a scope.
    pub(crate) fn add_scope(&mut self, workspace: Uuid, version: u64, key: &ScopeKey, plain: &[u8]) -> Result<()> {
        let sealing = key.purpose("policy", workspace)?;
        let bound = binding(workspace, version, self.epoch, Some(key.scope()));
        self.scopes.push((key.scope(), envelope::seal(&sealing, &bound, plain)?.into()));
        Ok(())
    }

    /// Reads the parts, unopened.
    ///
    /// # Errors
    /// `policy_invalid`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let blob: Self = serde_json::from_slice(bytes).map_err(|_| unopened())?;
        if blob.v == 1 { Ok(blob) } else { Err(unopened()) }
    }

    /// The bytes that stand in the entry.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and text are always JSON")
    }

    /// The epoch whose keys seal it.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Opens the whole.
    ///
    /// # Errors
    /// `policy_invalid`.
    pub(crate) fn open_whole(&self, workspace: Uuid, version: u64, key: &EpochKey) -> Result<SecretBuf> {
        let sealing = key.purpose("policy", workspace)?;
        envelope::open(&sealing, &binding(workspace, version, self.epoch, None), self.whole.as_bytes())
            .map_err(|_| unopened())
    }

    /// Opens the piece of a scope; `None` where it has none.
    ///
    /// # Errors
    /// `policy_invalid`.
    pub(crate) fn open_scope(&self, workspace: Uuid, version: u64, key: &ScopeKey) -> Result<Option<SecretBuf>> {
        let Some((_, piece)) = self.scopes.iter().find(|(scope, _)| *scope == key.scope()) else { return Ok(None) };
        let sealing = key.purpose("policy", workspace)?;
        let bound = binding(workspace, version, self.epoch, Some(key.scope()));
        envelope::open(&sealing, &bound, piece.as_bytes()).map(Some).map_err(|_| unopened())
    }
}

fn binding(workspace: Uuid, version: u64, epoch: u64, scope: Option<Hash>) -> Binding {
    let scope = scope.as_ref().map_or(&[][..], |scope| scope.as_bytes());
    Binding::new("agentsecrets/shared-policy/1")
        .field(workspace.as_bytes())
        .field(&version.to_le_bytes())
        .field(&epoch.to_le_bytes())
        .field(scope)
}

fn unopened() -> Error {
    Error::new(ErrorCode::PolicyInvalid, "the workspace's policy does not open: it was altered, or is another's")
}
