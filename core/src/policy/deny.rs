//! What an agent may do to the policy by itself: subtract.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rule::Rule;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::SecretName;

/// The denies of a home, over its signed policy. Whoever keeps them puts a MAC over [`to_bytes`](Self::to_bytes).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DenyOverlay {
    /// What is denied.
    pub(crate) entries: Vec<DenyEntry>,
    /// How often the overlay has changed, so that an older one is known as such.
    pub(crate) count: u64,
}

/// One deny.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DenyEntry {
    /// The project.
    pub(crate) project: Uuid,
    /// The secret.
    pub(crate) secret: SecretName,
    /// Where it may not go; `None` is nowhere at all.
    pub(crate) rule: Option<Rule>,
}

impl DenyOverlay {
    /// Adds a deny; says whether it is new.
    pub(crate) fn deny(&mut self, entry: DenyEntry) -> bool {
        if self.entries.contains(&entry) {
            return false;
        }
        self.entries.push(entry);
        self.count += 1;
        true
    }

    /// Lifts the deny of the same rule (an owner's act); says whether there was one. A narrower rule lifts no wider
    /// deny, and a deny without a rule is lifted without a rule.
    pub(crate) fn lift(&mut self, entry: &DenyEntry) -> bool {
        let before = self.entries.len();
        self.entries.retain(|denied| denied != entry);
        let lifted = self.entries.len() < before;
        self.count += u64::from(lifted);
        lifted
    }

    /// Reads an overlay whose MAC has been verified.
    ///
    /// # Errors
    /// `policy_invalid` where it does not parse: a deny that is not understood must not be lost.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|why| Error::new(ErrorCode::PolicyInvalid, format!("the deny overlay does not parse: {why}")))
    }

    /// The overlay as it is kept.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are always JSON")
    }
}
