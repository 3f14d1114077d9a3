//! What this home has of a shared workspace, and what comes from its members.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Change, Vault, binding};
use crate::crypto::envelope;
use crate::error::Result;
use crate::resolve::value::SecretValue;
use crate::secret_ref::SecretName;
use crate::store::index::{Entry, Index};
use crate::store::{Base, HomeLock, Place, RecordId};

/// A name of a shared workspace, as it stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) place: Place,
    pub(crate) name: SecretName,
    /// The record that holds the value here; none where the name has no value here any more.
    pub(crate) record: Option<RecordId>,
    pub(crate) weak: bool,
    pub(crate) updated: Option<Timestamp>,
    /// The version that was exchanged last; none where it never was.
    pub(crate) base: Option<Base>,
}

impl Shared {
    /// Whether what is here was changed since it was exchanged.
    pub(crate) fn is_changed(&self) -> bool {
        self.base.is_none_or(|base| !base.same)
    }
}

/// A version that the members have, for a name.
pub(crate) struct Arrived {
    pub(crate) place: Place,
    pub(crate) name: SecretName,
    /// The record that holds the value here, as it was when this was decided.
    pub(crate) replaces: Option<RecordId>,
    /// The version.
    pub(crate) version: u64,
    /// Its digest.
    pub(crate) hash: agentsecrets_wire::Hash,
    /// The epoch whose key seals it.
    pub(crate) epoch: u64,
    pub(crate) what: Arrival,
}

/// What a version brings.
pub(crate) enum Arrival {
    /// A value.
    Value { value: SecretValue, weak: bool },
    /// The name was deleted.
    Gone,
    /// What is here already.
    Same,
}

impl Vault {
    /// The names of a workspace, those without a value among them, and which reading of the index says so.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub(crate) fn shared(&self, workspace: Uuid) -> Result<(u64, Vec<Shared>)> {
        let index = self.index()?;
        let mut names = Vec::new();
        for place in index.places().filter(|place| place.workspace == workspace) {
            names.extend(index.list(&place).map(|(name, entry)| Shared {
                place: place.clone(),
                name: name.clone(),
                record: Some(entry.record),
                weak: entry.weak,
                updated: Some(entry.updated()),
                base: entry.base,
            }));
        }
        names.extend(index.gone(workspace).map(|(place, name, base)| Shared {
            place,
            name: name.clone(),
            record: None,
            weak: false,
            updated: None,
            base: Some(base),
        }));
        Ok((index.generation(), names))
    }

    /// Takes in all that arrived, or nothing. Names that were changed here meanwhile are left as they are, to be looked at
    /// again; how many did arrive is answered.
    ///
    /// # Errors
    /// `store_corrupted`, `store_unavailable`; everything is then as it was.
    pub(crate) fn receive(&self, arrived: Vec<Arrived>) -> Result<usize> {
        let lock = HomeLock::acquire(&self.home)?;
        let mut index = self.index_to_write()?;
        let mut change = Change::default();
        let mut count = 0;
        for one in arrived {
            let now = index.get(&one.place, &one.name);
            if now.map(|entry| entry.record) == one.replaces {
                self.take_in(&mut index, &mut change, one)?;
                count += 1;
            }
        }
        if count > 0 {
            self.commit(index, &change, &lock)?;
        }
        Ok(count)
    }

    fn take_in(&self, index: &mut Index, change: &mut Change, one: Arrived) -> Result<()> {
        let base = Base { version: one.version, hash: one.hash, same: true, epoch: one.epoch };
        let before = index.get(&one.place, &one.name).cloned();
        match (one.what, before) {
            (Arrival::Value { value, weak }, before) => {
                let entry = Entry::after(before.as_ref(), RecordId::make()?, weak).beside(base);
                // EXPOSE: the value is sealed here, and goes to the store as ciphertext.
                let sealed = envelope::seal(&self.records, &binding(&one.place, &one.name, &entry), value.expose())?;
                change.new.push((entry.record, sealed));
                change.old.extend(index.put(&one.place, one.name, entry).map(|entry| entry.record));
            }
            (Arrival::Gone, _) => {
                change.old.extend(index.delete(&one.place, &one.name).map(|entry| entry.record));
                index.lay_away(&one.place, one.name, base);
            }
            (Arrival::Same, Some(entry)) => {
                index.put(&one.place, one.name, entry.beside(base));
            }
            (Arrival::Same, None) => index.lay_away(&one.place, one.name, base),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, name, new, place, shown};
    use super::*;
    use crate::store::Expectation;

    fn arrived(text: &str, version: u64, replaces: Option<RecordId>, what: Arrival) -> Arrived {
        Arrived { place: place("staging"), name: name(text), replaces, version, hash: [7; 32].into(), epoch: 1, what }
    }

    fn value(text: &str) -> Arrival {
        Arrival::Value { value: SecretValue::copy_from(text.as_bytes()), weak: false }
    }

    fn only(vault: &Vault) -> Shared {
        let (_, names) = vault.shared(place("staging").workspace).expect("readable");
        let [one] = &names[..] else { panic!("{} names", names.len()) };
        one.clone()
    }

    #[test]
    fn a_value_that_arrived_is_the_members_until_it_is_changed_here() {
        let (_home, vault) = Fixture::new();
        assert_eq!(vault.receive(vec![arrived("KEY", 3, None, value("from another"))]).expect("received"), 1);
        let one = only(&vault);
        assert!(!one.is_changed());
        assert_eq!(one.base.map(|base| base.version), Some(3));
        assert_eq!(shown(&vault, &place("staging"), "KEY").expect("there"), b"from another");
        vault.set(&place("staging"), new("KEY", b"changed here"), &Expectation::Overwrite).expect("set");
        let one = only(&vault);
        assert!(one.is_changed());
        assert_eq!(one.base.map(|base| base.version), Some(3), "the version that the next one follows");
        assert_eq!(vault.receive(vec![arrived("KEY", 4, one.record, Arrival::Same)]).expect("received"), 1);
        assert!(!only(&vault).is_changed());
    }

    #[test]
    fn what_was_changed_here_meanwhile_is_left() {
        let (_home, vault) = Fixture::new();
        vault.set(&place("staging"), new("KEY", b"set here first"), &Expectation::New).expect("set");
        let late = vec![arrived("KEY", 1, None, value("from another")), arrived("OTHER", 1, None, value("a second"))];
        assert_eq!(vault.receive(late).expect("received"), 1, "the one that nobody touched");
        assert_eq!(shown(&vault, &place("staging"), "KEY").expect("there"), b"set here first");
    }

    #[test]
    fn a_deleted_name_is_remembered_until_it_is_set_again() {
        let (_home, vault) = Fixture::new();
        vault.receive(vec![arrived("KEY", 1, None, value("from another"))]).expect("received");
        vault.delete(&place("staging"), &name("KEY")).expect("deleted");
        let one = only(&vault);
        assert_eq!((one.record, one.is_changed()), (None, true), "the members have it yet");
        assert_eq!(vault.receive(vec![arrived("KEY", 2, None, Arrival::Gone)]).expect("received"), 1);
        let one = only(&vault);
        assert_eq!((one.base.map(|base| base.version), one.is_changed()), (Some(2), false));
        vault.set(&place("staging"), new("KEY", b"set here anew"), &Expectation::New).expect("set");
        let one = only(&vault);
        assert_eq!((one.base.map(|base| base.version), one.is_changed()), (Some(2), true));
    }

    #[test]
    fn an_index_of_an_earlier_version_reads_and_stays_as_it_was() {
        let text = r#"{"generation":4,"names":{}}"#;
        let index: Index = serde_json::from_str(text).expect("an index");
        assert_eq!(serde_json::to_string(&index).expect("JSON"), text);
    }
}
