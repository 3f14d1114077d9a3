//! AgentSecrets: an agent says a secret's name, never holds its value, and still gets everything done.

#![allow(dead_code)] // Until the engine joins the stages.

pub mod call;
pub mod error;
mod log_safe;
mod secret_ref;

#[cfg(feature = "engine")]
mod audit;
#[cfg(feature = "broker")]
mod broker;
#[cfg(feature = "engine")]
mod crypto;
#[cfg(feature = "engine")]
mod inject;
#[cfg(feature = "engine")]
mod owner;
#[cfg(feature = "engine")]
mod policy;
#[cfg(feature = "engine")]
mod redact;
#[cfg(feature = "engine")]
mod resolve;
#[cfg(feature = "engine")]
mod send;
#[cfg(feature = "engine")]
mod store;

pub use call::{Auth, Body, Call, Injection, Multipart, Part};
pub use error::{Error, ErrorCode, Result, Stage};
pub use log_safe::{LogSafe, Origin, SafeUrl};
pub use secret_ref::{Label, Scope, SecretName, SecretRef};
