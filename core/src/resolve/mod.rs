//! Stage 2: opens the values a permitted call names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::call::Injection;
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::log_safe::SafeUrl;
use crate::policy::{Passage, Permitted};
use crate::secret_ref::SecretName;
use crate::send::AddressScope;
use crate::store::{self, Vault};

pub(crate) mod arena;
pub(crate) mod input;
pub(crate) mod value;

pub use input::SecretInput;

pub(crate) use arena::memory_report;
pub(crate) use input::{MAX_VALUE, MIN_VALUE};
pub(crate) use value::SecretValue;

/// A permitted call and its values, in the order of its injections.
pub(crate) struct Resolved {
    permitted: Permitted,
    values: Vec<Arc<SecretValue>>,
}

impl Resolved {
    /// Names and values, in the order of the call's injections.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&SecretName, &Arc<SecretValue>)> + Clone {
        self.permitted.checked().iter().map(|checked| &checked.secret).zip(&self.values)
    }

    /// The URL that was permitted, and the only one the values may go to.
    pub(crate) fn url(&self) -> &SafeUrl {
        self.permitted.url()
    }

    /// The refusal of an address that the host turned out to have.
    pub(crate) fn refused_address(&self, ip: IpAddr, injections: &[Injection]) -> Error {
        self.permitted.refused_address(ip, injections)
    }

    /// The addresses the host may have.
    pub(crate) fn scope(&self) -> AddressScope {
        self.permitted.scope()
    }
}

/// Opens the values. Those in memory cost a look-up; the others are read on a thread that may wait. `linked` has what
/// another manager gave, in the order of the call's injections.
///
/// # Errors
/// `secret_not_found`, `store_unavailable`, `store_corrupted`.
pub(crate) async fn resolve(
    vault: &Arc<Vault>,
    permitted: Permitted,
    linked: Vec<Option<Arc<SecretValue>>>,
) -> Result<Resolved> {
    let mut values = Vec::with_capacity(permitted.checked().len());
    let mut linked = linked.into_iter();
    for checked in permitted.checked() {
        if let Some(value) = linked.next().flatten() {
            values.push(value);
            continue;
        }
        let (workspace, project) = (checked.workspace, checked.project);
        let place = store::Place { workspace, project, environment: checked.environment.clone() };
        let value = match vault.in_memory(&place, &checked.secret)? {
            Some(value) => value,
            None => {
                let (vault, name) = (Arc::clone(vault), checked.secret.clone());
                in_background(move || vault.value(&place, &name)).await?
            }
        };
        values.push(value);
    }
    Ok(Resolved { permitted, values })
}

/// Opens the values that a door lets out, and that are not among the `linked`, each with its own `secret_not_found`, `store_unavailable` or
/// `store_corrupted`.
///
/// # Errors
/// `internal` where reading was interrupted.
pub(crate) async fn release(
    vault: &Arc<Vault>,
    workspace: Uuid,
    passage: &Passage,
    mut linked: HashMap<SecretName, Result<Arc<SecretValue>>>,
) -> Result<Vec<(SecretName, Result<Arc<SecretValue>>)>> {
    let place = store::Place { workspace, project: passage.project(), environment: passage.environment().clone() };
    let (vault, names) = (Arc::clone(vault), passage.secrets().to_vec());
    let mut open = move |name: SecretName| {
        let value = linked.remove(&name).unwrap_or_else(|| vault.value(&place, &name));
        (name, value)
    };
    in_background(move || Ok(names.into_iter().map(&mut open).collect())).await
}

/// A name and the value that leaves by a door.
pub(crate) type Released = (SecretName, Arc<SecretValue>);

/// Runs what may wait for a disk or a keychain where waiting stops nobody else.
pub(crate) async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::new(ErrorCode::Internal, "reading the store was interrupted").at(Stage::Resolve))?
}
