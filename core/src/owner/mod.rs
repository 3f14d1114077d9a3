//! The human's side: the owner key, its passphrase, and the acts it signs.
//!
//! Nothing here is reached by a call. The command line forks a child for each of these acts, and the child alone reads
//! the passphrase; neither it nor a key it opens crosses a socket or enters another process.

mod account;
mod acts;
mod allow_door;
mod allowlist_act;
mod approval;
mod backup;
mod backup_file;
mod bundle;
mod copy;
mod counter_file;
mod deny_file;
mod egress_act;
mod first_key;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod keys;
mod limit_act;
mod link;
mod log_settings;
mod open;
mod policy_file;
mod process;
mod prompt;
mod restore;
mod share_act;
mod shared_file;
mod signer;
mod stored_act;
mod token;
mod trust;

pub use account::{ChainAct, MachinePlace, SharedAct};
pub use acts::{Allow, PolicyAct};
pub use allow_door::AllowDoor;
pub use allowlist_act::{AllowlistChange, allowlist};
pub use backup::{BackupOptions, BackupReport, backup};
pub use bundle::{BundleOptions, BundleReport, bundle, open_bundle};
pub use egress_act::{EgressChange, SetProxy, egress};
pub use keys::Unlocked;
pub use limit_act::SetLimit;
pub use link::{LinkSecret, LinkTerms};
pub use log_settings::{AnchorPlace, LogSettings, LogsChange, log_settings};
pub use open::{InitOptions, InitReport, Opened, Serve, Spawned, executable_of, init, spawn, unlock};
pub use process::harden;
pub use prompt::{PassphraseSource, terminal_present};
pub use restore::{RestoreOptions, RestoreReport, restore};
pub use share_act::{NewShare, SystemSocket, system_socket};
pub use signer::{Agreed, Owner};
pub use token::{NewToken, TokenSink};

pub(crate) use account::{Invitation, open_request};
pub(crate) use approval::verify_decision;
pub(crate) use copy::verify_copy;
pub(crate) use counter_file::{CounterFile, Counts};
pub(crate) use deny_file::{load as load_denies, save as save_denies};
pub(crate) use egress_act::egress_of;
pub(crate) use keys::{locked, open_use_key};
pub(crate) use policy_file::{check_pin, load as load_policy};
pub(crate) use prompt::process_tree;
pub use shared_file::shares_workspaces;
pub(crate) use shared_file::{SHARED_FILE, load_shared, save_shared};
pub(crate) use stored_act::verify_act;
pub(crate) use trust::trusted_roots;
pub use trust::{Trusted, trusted};
