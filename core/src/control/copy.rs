//! Values copied from one environment to another, or moved from one name to another.

use serde::{Deserialize, Serialize};

use crate::secret_ref::{Label, SecretName};

/// What the owner signs of a copy. Bound to the very records it reads and replaces, so it cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyAct {
    /// The home's id.
    pub home: uuid::Uuid,
    /// The shared workspace; none in the home's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<uuid::Uuid>,
    /// The project's name.
    pub project: Label,
    /// The environment that has the values.
    pub from: Label,
    /// The environment that gets them.
    pub to: Label,
    /// What is copied.
    pub secrets: Vec<CopiedSecret>,
}

/// A secret that is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedSecret {
    /// The name, in both environments.
    pub name: SecretName,
    /// The record that holds the value.
    pub record: String,
    /// The record it takes the place of, where the name has a value already.
    pub replaces: Option<String>,
    /// The name that it moves to, where it is another; the first name has no value then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves_to: Option<SecretName>,
}
