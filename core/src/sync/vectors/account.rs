//! An account's keys, as the server and the home hold them.

use agentsecrets_wire::{Blob, PublicKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::opened::flipped;
use super::{Cast, file};
use crate::crypto::{AccountKeys, AccountSigning, OwnerKey, RecoveryCode};
use crate::resolve::value::SecretValue;

/// The purpose that the owner derives the home's key for.
const HOME: &str = "account-key";

/// The same keys in three envelopes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountFile {
    about: String,
    account: Uuid,
    signing: PublicKey,
    receiving: PublicKey,
    /// Both keys under the export key.
    sealed: Blob,
    /// Both keys under the recovery code.
    recovery: Blob,
    /// The signing key under the owner's.
    home: Blob,
}

impl Cast {
    fn export(&self) -> SecretValue {
        SecretValue::copy_from(&self.export.0)
    }

    fn owner(&self) -> OwnerKey {
        OwnerKey::from_seed(&self.owner.0.as_slice().try_into().expect("32 bytes"))
    }
}

/// Anna's account.
pub(super) fn make(cast: &Cast) -> AccountFile {
    let anna = &cast.people["anna"];
    let keys = AccountKeys::of(anna.signing(), anna.receiving());
    let home = keys.seal_signing(&cast.owner().derive(HOME).expect("derived"), anna.account);
    AccountFile {
        about: "Anna's keys, sealed under the export key, the recovery code and the owner key of cast.json.".to_owned(),
        account: anna.account,
        signing: keys.signing_public(),
        receiving: keys.receiving_public(),
        sealed: keys.seal_under_export(&cast.export(), anna.account).expect("sealed"),
        recovery: keys.seal_under_recovery(&cast.recovery_code(), anna.account).expect("sealed"),
        home: home.expect("sealed").into(),
    }
}

fn files() -> (Cast, AccountFile) {
    (file!("cast.json"), file!("account.json"))
}

#[test]
fn the_servers_copies_open_as_they_did_and_in_no_other_place() {
    let (cast, file) = files();
    let code = cast.recovery_code();
    let (export, account) = (cast.export(), file.account);
    let by_export = |account, sealed: &Blob| AccountKeys::open_under_export(&export, account, sealed.as_bytes());
    let by_code = |account, sealed: &Blob| AccountKeys::open_under_recovery(&code, account, sealed.as_bytes());
    for keys in [by_export(account, &file.sealed), by_code(account, &file.recovery)] {
        let keys = keys.expect("opens");
        assert_eq!((keys.signing_public(), keys.receiving_public()), (file.signing, file.receiving));
    }
    assert!(flipped(&file.sealed).all(|altered| by_export(account, &altered).is_err()));
    assert!(flipped(&file.recovery).all(|altered| by_code(account, &altered).is_err()));
    let other = cast.people["ben"].account;
    assert!(by_export(other, &file.sealed).is_err() && by_code(other, &file.recovery).is_err(), "another account");
    assert!(by_export(account, &file.recovery).is_err() && by_code(account, &file.sealed).is_err(), "the other's copy");
    let another = SecretValue::copy_from(&[1; 64]);
    assert!(AccountKeys::open_under_export(&another, account, file.sealed.as_bytes()).is_err());
    let another = RecoveryCode::of(&[1; 20]);
    assert!(AccountKeys::open_under_recovery(&another, account, file.recovery.as_bytes()).is_err());
}

#[test]
fn the_homes_copy_opens_as_it_did_and_in_no_other_place() {
    let (cast, file) = files();
    let key = cast.owner().derive(HOME).expect("derived");
    let open = |account, sealed: &Blob| AccountSigning::open(&key, account, sealed.as_bytes());
    let signing = open(file.account, &file.home).expect("opens");
    assert_eq!(signing.sign(b"a message"), cast.people["anna"].signing().sign(b"a message"));
    assert!(flipped(&file.home).all(|altered| open(file.account, &altered).is_err()));
    assert!(open(cast.people["ben"].account, &file.home).is_err(), "another account");
    assert!(open(file.account, &file.sealed).is_err() && open(file.account, &file.recovery).is_err());
    let other = cast.owner().derive("policy").expect("derived");
    assert!(AccountSigning::open(&other, file.account, file.home.as_bytes()).is_err(), "another purpose");
}
