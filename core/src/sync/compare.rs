//! What is here beside what the members have: name by name, who changed what.

use std::collections::HashMap;

use agentsecrets_wire::{Hash, Record, Signed};
use jiff::Timestamp;
use uuid::Uuid;

use super::View;
use crate::crypto::{OpenedRecord, Strict, open_record};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretValue;
use crate::secret_ref::SecretName;
use crate::store::{Base, Place, Shared, Vault};

/// A version that the members have and this home has not taken in.
pub(crate) struct Incoming {
    pub(crate) place: Place,
    pub(crate) name: SecretName,
    pub(crate) version: u64,
    pub(crate) hash: Hash,
    pub(crate) epoch: u64,
    pub(crate) author: Uuid,
    pub(crate) time: Timestamp,
    /// The value; none where the name was deleted.
    pub(crate) value: Option<SecretValue>,
    pub(crate) weak: bool,
}

/// How a name stands.
pub(crate) enum Standing {
    /// The members have what this home has not.
    Remote(Incoming),
    /// This home has what the members have not.
    Local,
    /// Both were changed.
    Conflict(Incoming),
    /// Both were changed, to the same.
    Converged(Incoming),
}

/// One name that is not the same on both sides.
pub(crate) struct Drift {
    pub(crate) place: Place,
    pub(crate) name: SecretName,
    pub(crate) standing: Standing,
    /// What is here; none where nothing ever was.
    pub(crate) here: Option<Shared>,
}

/// A place and a name in it.
pub(crate) type Key = (Place, SecretName);

/// Every name that is not the same on both sides, in the order of places and names.
///
/// # Errors
/// `record_invalid` where a record does not open, is another's, or is older than what was seen; those of the store.
pub(crate) fn drift(view: &View, vault: &Vault) -> Result<Vec<Drift>> {
    let (_, shared) = vault.shared(view.workspace())?;
    let mut here: HashMap<Key, Shared> =
        shared.into_iter().map(|one| ((one.place.clone(), one.name.clone()), one)).collect();
    let mut drifts = Vec::new();
    for incoming in newest(view)? {
        let key = (incoming.place.clone(), incoming.name.clone());
        let own = here.remove(&key);
        if !is_new(own.as_ref().and_then(|own| own.base), &incoming)? {
            // Taken in before; where it was changed here since, that is ours alone.
            here.extend(own.map(|own| (key, own)));
            continue;
        }
        let standing = match &own {
            Some(own) if own.is_changed() => {
                if is_same(vault, own, &incoming)? {
                    Standing::Converged(incoming)
                } else {
                    Standing::Conflict(incoming)
                }
            }
            _ => Standing::Remote(incoming),
        };
        drifts.push(Drift { place: key.0, name: key.1, standing, here: own });
    }
    let changed = here.into_iter().filter(|(_, own)| own.is_changed() && (own.record.is_some() || own.base.is_some()));
    drifts.extend(changed.map(|((place, name), own)| Drift {
        place,
        name,
        standing: Standing::Local,
        here: Some(own),
    }));
    drifts.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(drifts)
}

impl Drift {
    fn order(&self) -> (Uuid, &str, &str) {
        (self.place.project, self.place.environment.as_str(), self.name.as_str())
    }
}

/// The newest of the versions that wait, for each name, opened. A server may give several, in the order they were written.
fn newest(view: &View) -> Result<Vec<Incoming>> {
    let Some(known) = &view.known else { return Ok(Vec::new()) };
    let mut latest: HashMap<(Hash, Hash), (&Signed<Record>, Record)> = HashMap::new();
    for signed in &known.waiting {
        let record = signed.parse().map_err(|_| damaged())?;
        let key = (record.scope, record.record);
        match latest.get(&key) {
            Some((other, before))
                if before.version == record.version && other.hash(&Strict) != signed.hash(&Strict) =>
            {
                return Err(two_of_one());
            }
            Some((_, before)) if before.version >= record.version => {}
            _ => {
                latest.insert(key, (signed, record));
            }
        }
    }
    latest.into_values().map(|(signed, record)| open(view, signed, &record)).collect()
}

fn open(view: &View, signed: &Signed<Record>, record: &Record) -> Result<Incoming> {
    let key = view.ring.scope_key(record.epoch, record.scope)?;
    let OpenedRecord { project, environment, name, weak, value } = open_record(&key, record)?;
    if view.ring.scope_of(project, &environment)? != record.scope {
        return Err(Error::new(ErrorCode::RecordInvalid, "a record of the server says another place than it lies in"));
    }
    Ok(Incoming {
        place: Place { workspace: record.workspace, project, environment },
        name,
        version: record.version,
        hash: signed.hash(&Strict),
        epoch: record.epoch,
        author: record.author,
        time: record.time,
        value,
        weak,
    })
}

/// Whether a version is later than the one this home has; the very one it has is not.
fn is_new(base: Option<Base>, incoming: &Incoming) -> Result<bool> {
    let Some(base) = base else { return Ok(true) };
    if incoming.version == base.version {
        return if incoming.hash == base.hash { Ok(false) } else { Err(two_of_one()) };
    }
    // An older one that waits was passed by meanwhile, as by a push of ours.
    Ok(incoming.version > base.version)
}

fn is_same(vault: &Vault, own: &Shared, incoming: &Incoming) -> Result<bool> {
    match (own.record, &incoming.value) {
        (None, None) => Ok(true),
        (Some(_), Some(theirs)) => {
            let ours = vault.value(&own.place, &own.name)?;
            // EXPOSE: two values are compared, and neither leaves.
            Ok(bool::from(subtle::ConstantTimeEq::ct_eq(ours.expose(), theirs.expose())))
        }
        _ => Ok(false),
    }
}

fn two_of_one() -> Error {
    Error::new(
        ErrorCode::RecordInvalid,
        "the server gives two records for one version: it swapped or rolled back a value",
    )
    .with_hint("nothing was taken in; tell the one who runs the server")
}

fn damaged() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "a record that waits here does not read")
        .with_hint("agentsecrets secrets pull")
}
