//! Codes that humans carry, and the words that they compare.

use std::collections::BTreeMap;

use agentsecrets_wire::{Hash, Opened, PublicKey};
use serde::{Deserialize, Serialize};

use super::{Cast, ChainFile, file};
use crate::crypto::{InviteCode, RecoveryCode, fingerprint};
use crate::sync::invited::{invitation, verified};

/// Codes and words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFile {
    about: String,
    invitations: Vec<InviteCase>,
    recovery: RecoveryCase,
    /// The six words of each member.
    fingerprints: BTreeMap<String, String>,
}

/// A code of an invitation, and the keys that it leads to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteCase {
    name: String,
    text: String,
    machine: bool,
    /// After how many entries of the chain it was made.
    after: usize,
    head: Hash,
    signing: PublicKey,
    receiving: PublicKey,
}

/// A recovery code, and what the server knows it by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoveryCase {
    text: String,
    /// How a human may type it.
    typed: Vec<String>,
    public: PublicKey,
}

/// The codes, and the words of everybody's keys.
pub(super) fn make(cast: &Cast, chain: &ChainFile) -> CodeFile {
    let invite = |(name, after): (&str, usize)| {
        let head = chain.entries[after - 1].hash;
        let code = cast.code(name, head);
        let text = String::from_utf8(code.text().as_slice().to_vec()).expect("text");
        let keys = code.keys().expect("derived");
        let (signing, receiving) = (keys.signing_public(), keys.receiving_public());
        InviteCase { name: name.to_owned(), text, machine: code.is_machine(), after, head, signing, receiving }
    };
    let text = String::from_utf8(cast.recovery_code().text().as_slice().to_vec()).expect("text");
    let typed = vec![text.to_lowercase(), text.replace('-', ""), text.replace('-', " ").replace('0', "o")];
    let public = cast.recovery_code().public().expect("derived");
    CodeFile {
        about: "Codes of invitations into chain.json, a recovery code, and the words of the members' keys.".to_owned(),
        invitations: [("ben", 1), ("robot", 3), ("cora", 10)].map(invite).into(),
        recovery: RecoveryCase { text, typed, public },
        fingerprints: cast.people.keys().map(|name| (name.clone(), words(cast, name))).collect(),
    }
}

fn words(cast: &Cast, name: &str) -> String {
    let person = &cast.people[name];
    fingerprint(&person.signing().public(), &person.receiving().public())
}

/// All that a code says.
fn says(code: &InviteCode) -> (uuid::Uuid, bool, Hash, String, PublicKey, PublicKey) {
    let keys = code.keys().expect("derived");
    let server = code.server().to_owned();
    (code.id(), code.is_machine(), code.head(), server, keys.signing_public(), keys.receiving_public())
}

#[test]
fn every_invitation_reads_as_it_did() {
    let (cast, file): (Cast, CodeFile) = (file!("cast.json"), file!("codes.json"));
    assert_eq!(file.invitations.len(), 3);
    for case in &file.invitations {
        let code = InviteCode::parse(case.text.as_bytes()).expect("a code");
        let id = cast.invitations[&case.name].id;
        let expected = (id, case.machine, case.head, cast.server.clone(), case.signing, case.receiving);
        assert_eq!(says(&code), expected, "{}", case.name);
        assert_eq!(code.text().as_slice(), case.text.as_bytes(), "it is written as it was");
    }
}

#[test]
fn no_invitation_leads_in_with_one_letter_altered() {
    let (cast, chain, file): (Cast, ChainFile, CodeFile) =
        (file!("cast.json"), file!("chain.json"), file!("codes.json"));
    for case in &file.invitations {
        let entries = chain.entries[..=case.after].iter().map(|case| case.entry.clone()).collect();
        let opened = Opened { workspace: cast.workspace, entries };
        let leads = |code: &InviteCode| verified(code, &opened).is_ok_and(|chain| invitation(&chain, code).is_ok());
        let right = InviteCode::parse(case.text.as_bytes()).expect("a code");
        assert!(leads(&right), "{}: the control", case.name);
        for at in 0..case.text.len() {
            let mut text = case.text.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let Ok(code) = InviteCode::parse(&text) else { continue };
            assert_ne!(says(&code), says(&right), "{}, letter {at}", case.name);
            // What is left is a code for another server, where nobody has the chain.
            let elsewhere = code.server() != right.server();
            assert!(elsewhere || !leads(&code), "{}, letter {at}", case.name);
        }
    }
}

#[test]
fn the_recovery_code_reads_as_it_did_and_with_no_letter_altered() {
    let (cast, file): (Cast, CodeFile) = (file!("cast.json"), file!("codes.json"));
    let RecoveryCase { text, typed, public } = &file.recovery;
    assert_eq!(cast.recovery_code().text().as_slice(), text.as_bytes());
    for typed in typed.iter().chain([text]) {
        let code = RecoveryCode::parse(typed.as_bytes()).expect("a code");
        assert_eq!(code.public().expect("derived"), *public, "{typed}");
    }
    for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
        for letter in b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
            let mut altered = text.clone().into_bytes();
            altered[at] = *letter;
            assert_eq!(RecoveryCode::parse(&altered).is_ok(), altered == text.as_bytes(), "letter {at}");
        }
    }
}

#[test]
fn the_words_are_those_that_they_were() {
    let (cast, file): (Cast, CodeFile) = (file!("cast.json"), file!("codes.json"));
    assert_eq!(file.fingerprints.len(), 3);
    for (name, expected) in &file.fingerprints {
        assert_eq!(words(&cast, name), *expected);
    }
    let (anna, ben) = (&cast.people["anna"], &cast.people["ben"]);
    let mixed = fingerprint(&anna.signing().public(), &ben.receiving().public());
    assert!(!file.fingerprints.values().any(|words| *words == mixed));
}
