//! What an agent may do to the policy by itself: subtract.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::grant::Grant;
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
    /// The ids of tokens and shares that count no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) revoked: Vec<String>,
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
    /// The policy's serial when it was made. A deny of a rule is lifted by a grant of that rule that the owner signs
    /// later; a deny of everything does not touch grants signed later.
    pub(crate) serial: u64,
}

impl DenyEntry {
    /// Whether the owner has allowed this very rule since: then it is only the older grants that are denied.
    pub(super) fn is_answered(&self, grants: &[Grant]) -> bool {
        self.rule.as_ref().is_some_and(|rule| {
            grants.iter().any(|grant| self.is_of(grant) && grant.serial > self.serial && grant.terms.rule == *rule)
        })
    }

    /// Whether it is answered, and nothing older is left that would come back without it: the owner agreed to the terms
    /// that were signed, not to those that had been denied.
    pub(super) fn is_lifted(&self, grants: &[Grant]) -> bool {
        self.is_answered(grants) && grants.iter().all(|grant| !self.is_of(grant) || grant.serial > self.serial)
    }

    fn is_of(&self, grant: &Grant) -> bool {
        grant.project == self.project && grant.secret == self.secret
    }
}

impl DenyOverlay {
    /// Adds a deny, in place of an older one of the same rule; says whether it is new.
    pub(crate) fn deny(&mut self, entry: DenyEntry) -> bool {
        if self.entries.contains(&entry) {
            return false;
        }
        let same = |other: &DenyEntry| {
            (other.project, &other.secret, &other.rule) == (entry.project, &entry.secret, &entry.rule)
        };
        self.entries.retain(|other| !same(other));
        self.entries.push(entry);
        self.count += 1;
        true
    }

    /// Whether there is a deny that the owner has lifted since.
    pub(crate) fn has_lifted(&self, grants: &[Grant]) -> bool {
        self.entries.iter().any(|entry| entry.is_lifted(grants))
    }

    /// Takes out the denies that the owner has lifted since.
    pub(crate) fn take_lifted(&mut self, grants: &[Grant]) -> Vec<DenyEntry> {
        self.entries.extract_if(.., |entry| entry.is_lifted(grants)).collect()
    }

    /// Revokes a token, or stops a share; says whether that is new.
    pub(crate) fn revoke(&mut self, id: &str) -> bool {
        let new = !self.revoked.iter().any(|revoked| revoked == id);
        if new {
            self.revoked.push(id.to_owned());
            self.count += 1;
        }
        new
    }

    /// Whether a deny takes the whole of a grant away.
    pub(crate) fn takes_away(&self, grant: &Grant, all: &[Grant]) -> bool {
        self.entries.iter().filter(|entry| entry.is_of(grant)).any(|entry| match &entry.rule {
            None => grant.serial <= entry.serial,
            Some(rule) => *rule == grant.terms.rule && (grant.serial <= entry.serial || !entry.is_answered(all)),
        })
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
