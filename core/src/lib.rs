//! AgentSecrets: an agent says a secret's name, never holds its value, and still gets everything done.

pub mod account;
pub mod broker;
pub mod call;
mod client;
mod context;
mod control;
pub mod error;
mod hex;
mod home;
mod log_safe;
pub mod response;
mod secret_ref;

mod audit;
mod crypto;
mod engine;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod inject;
pub mod logs;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;
pub mod owner;
mod policy;
mod redact;
mod release;
mod resolve;
mod send;
mod store;
mod sync;
mod websocket;

pub use call::{Auth, Body, Call, FieldPath, Injection, Multipart, Part, Style};
pub use client::{CallBuilder, Child, ChildEvent, Client, ClientBuilder, Exit, Isolation, Spawn, Stream};
pub use context::{
    AgentToken, DEFAULT_ENVIRONMENT, PROJECT_FILE, ProjectFile, Proposal, STANDARD_ENVIRONMENTS, Selection,
};
pub use control::{
    Act, ActKind, AgentInfo, Checked, Chosen, CopiedSecret, CopyAct, Decision, DriftInfo, EgressInfo, EntryInfo,
    EnvironmentInfo, GrantInfo, LimitInfo, LoginInfo, MemberInfo, MemoryReport, Problem, ProjectInfo, PullReport,
    PushReport, SecretInfo, ShareInfo, SignedAct, SignedDecision, Status, SyncStatus, TokenInfo, VersionInfo,
    WaitingCall, WantedShare, WorkspaceInfo,
};
pub use engine::Engine;
pub use error::{Error, ErrorCode, Result, Stage};
pub use home::{Executable, Home, HomeConfig, StoreKind, Unlock};
pub use log_safe::{LogSafe, Origin, SafeUrl};
pub use resolve::SecretInput;
pub use response::{Buffered, Response, Upgraded};
pub use secret_ref::{Label, Scope, SecretName, SecretRef};
pub use send::platform_bundle;
