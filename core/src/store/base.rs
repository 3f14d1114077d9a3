//! The last version of a name that this home and the members of a shared workspace both had.

use agentsecrets_wire::Hash;
use serde::{Deserialize, Serialize};

/// A version that was pulled or pushed. It lies in the index beside the value, so that both change in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// The version as the workspace counts it.
    #[serde(rename = "v")]
    pub(crate) version: u64,
    /// The digest of the signed record, which the next version names.
    #[serde(rename = "h")]
    pub(crate) hash: Hash,
    /// Whether what is here, a value or none, is still that version's.
    #[serde(rename = "s")]
    pub(crate) same: bool,
    /// The epoch whose key seals it for the members.
    #[serde(rename = "e", default)]
    pub(crate) epoch: u64,
}

impl Base {
    /// What a version becomes when the value here is changed.
    pub(crate) const fn changed(self) -> Self {
        Self { same: false, ..self }
    }
}
