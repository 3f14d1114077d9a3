//! The way out, as it is told.

use serde::{Deserialize, Serialize};

use crate::secret_ref::{Label, SecretName};

/// The proxy that public calls leave by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressInfo {
    /// Its URL.
    pub proxy: String,
    /// The hosts that are called straight.
    pub bypass: Vec<String>,
    /// The stored secret that opens it.
    pub auth: Option<LoginInfo>,
}

/// A stored secret that opens a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginInfo {
    /// The project it is stored in.
    pub project: Label,
    /// The environment.
    pub environment: Label,
    /// Its name.
    pub name: SecretName,
}
