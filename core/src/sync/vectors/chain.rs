//! The chain: every kind of entry counts as it did, and counts no more with one byte or one field of it altered.

use agentsecrets_wire::chain::{Act, Entry, Epoch, Head, Invite, Role, State, join_proof};
use agentsecrets_wire::{Hash, Heartbeat, Signature, Signed, Statement, Verifier};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::cast::BEGINNING;
use super::make::then;
use super::{Cast, ChainFile, EntryCase, Person, file};
use crate::crypto::{Binding, DeviceKey, PolicyBlob, Strict, seal_label, seal_machine_label};
use crate::sync::Chain;
use crate::sync::fetch::heard;

/// In the year 2999.
const EXPIRES: Timestamp = Timestamp::constant(32_472_144_000, 0);

/// A chain that is being made.
struct Making<'c> {
    cast: &'c Cast,
    chain: Chain,
    cases: Vec<EntryCase>,
}

impl Making<'_> {
    fn say(&mut self, name: &str, by: &str, act: Act) {
        let time = BEGINNING + SignedDuration::from_mins(i64::try_from(self.chain.seq()).expect("few entries"));
        let person = &self.cast.people[by];
        let entry = self.chain.next(person.account, time, act);
        let entry = Signed::make(&entry, |bytes| person.signing().sign(bytes));
        self.chain.extend(vec![entry.clone()]).expect(name);
        let hash = self.chain.head().expect("an end").hash;
        let then = then(self.chain.state());
        self.cases.push(EntryCase { name: name.to_owned(), by: by.to_owned(), entry, hash, then });
    }

    /// A key, sealed to everybody who is there but one.
    fn begun(&self, number: u64, without: &str) -> Epoch {
        let (cast, workspace, key) = (self.cast, self.cast.workspace, self.cast.epoch(number));
        let here = |(name, person): &(&String, &Person)| match number {
            1 => *name == "anna",
            _ => *name != without && self.chain.state().member(&person.account).is_some(),
        };
        let seal = |(name, person): (&String, &Person)| {
            let public = person.receiving().public();
            let seal = match name.as_str() {
                "robot" => cast.scope_key(number, "staging").seal_to(workspace, person.account, &public),
                _ => key.seal_to(workspace, person.account, &public),
            };
            seal.expect("sealed")
        };
        let seals = cast.people.iter().filter(here).map(seal).collect();
        let previous = (number > 1).then(|| key.seal_previous(workspace, &cast.epoch(number - 1)).expect("sealed"));
        Epoch { number, commitment: key.commitment(workspace), previous, seals }
    }

    fn invite(&self, name: &str, role: Role) -> Act {
        let (cast, workspace) = (self.cast, self.cast.workspace);
        let code = cast.code(name, self.chain.head().expect("an end").hash);
        let keys = code.keys().expect("derived");
        let (signing, receiving) = (keys.signing_public(), keys.receiving_public());
        let epoch = self.chain.state().epoch();
        let (scopes, seals) = match role {
            Role::Machine => {
                let sealed = |epoch| cast.scope_key(epoch, "staging").seal_to(workspace, code.id(), &receiving);
                (vec![cast.scope("staging")], (1..=epoch).map(|epoch| sealed(epoch).expect("sealed")).collect())
            }
            _ => (vec![], vec![cast.epoch(epoch).seal_to(workspace, code.id(), &receiving).expect("sealed")]),
        };
        Act::Invite { invite: Invite { invite: code.id(), role, scopes, signing, receiving, expires: EXPIRES, seals } }
    }

    fn join(&self, name: &str) -> Act {
        let (cast, workspace, person) = (self.cast, self.cast.workspace, &self.cast.people[name]);
        let (public, epoch) = (person.receiving().public(), self.chain.state().epoch());
        let (label, seal) = match name {
            "robot" => {
                let key = cast.scope_key(epoch, "staging");
                let label = seal_machine_label(&key, workspace, person.account, "deploy robot");
                (label, key.seal_to(workspace, person.account, &public))
            }
            _ => {
                let label = seal_label(&cast.epoch(epoch), workspace, person.account, &address(name));
                (label, cast.epoch(epoch).seal_to(workspace, person.account, &public))
            }
        };
        let (member, device) = (person.member(label.expect("sealed").into()), person.device());
        // The end of the chain is in the code's text, not in its keys.
        let code = cast.code(name, Hash::from([0; 32]));
        let message = join_proof(&workspace, &code.id(), &member, &device);
        let proof = code.keys().expect("derived").sign(&message);
        Act::Join { invite: code.id(), proof, member, device, seals: vec![seal.expect("sealed")] }
    }

    fn set_policy(&self) -> Act {
        let (cast, workspace) = (self.cast, self.cast.workspace);
        let (version, epoch) = (self.chain.state().policy() + 1, self.chain.state().epoch());
        let mut blob = PolicyBlob::seal(workspace, version, &cast.epoch(epoch), &cast.policy().to_bytes());
        let blob = blob.as_mut().expect("sealed");
        let key = cast.scope_key(epoch, "staging");
        blob.add_scope(workspace, version, &key, &cast.piece()).expect("sealed");
        Act::SetPolicy { version, sealed: blob.to_bytes().into() }
    }
}

pub(super) fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// A chain with an entry of every kind.
pub(super) fn make(cast: &Cast) -> ChainFile {
    let mut making = Making { cast, chain: Chain::empty(cast.workspace), cases: Vec::new() };
    let (anna, ben) = (&cast.people["anna"], &cast.people["ben"]);
    let label = seal_label(&cast.epoch(1), cast.workspace, anna.account, &address("anna")).expect("sealed");
    let epoch = making.begun(1, "");
    making.say("genesis", "anna", Act::Genesis { member: anna.member(label.into()), device: anna.device(), epoch });
    making.say("invite", "anna", making.invite("ben", Role::Member));
    making.say("join", "ben", making.join("ben"));
    making.say("invite a machine", "anna", making.invite("robot", Role::Machine));
    making.say("a machine joins", "robot", making.join("robot"));
    making.say("set_policy", "anna", making.set_policy());
    let other = cast.laptop();
    making.say("add_device", "ben", Act::AddDevice { device: other.clone() });
    making.say("remove_device", "anna", Act::RemoveDevice { device: other.device });
    making.say("set_role", "anna", Act::SetRole { account: ben.account, role: Role::Admin });
    making.say("rotate", "ben", Act::Rotate { epoch: making.begun(2, "") });
    making.say("invite, to be withdrawn", "ben", making.invite("cora", Role::Admin));
    making.say("withdraw", "ben", Act::Withdraw { invite: cast.invitations["cora"].id });
    making.say("remove", "anna", Act::Remove { account: ben.account, epoch: making.begun(3, "ben") });
    let head = making.chain.head().expect("an end");
    let time = BEGINNING + SignedDuration::from_hours(1);
    let beat = Heartbeat { v: 1, workspace: cast.workspace, author: anna.account, device: anna.device, head, time };
    ChainFile {
        about: "A membership chain with an entry of every kind, and a sign of life at its end.".to_owned(),
        entries: making.cases,
        heartbeat: Signed::make(&beat, |bytes| anna.device_key().sign(bytes)),
    }
}

fn files() -> (Cast, ChainFile) {
    (file!("cast.json"), file!("chain.json"))
}

/// What of a statement is altered, and how.
pub(super) type Altered<T> = (&'static str, fn(&mut T));

/// The same with the lowest bit of one byte altered, of the text and of the signature.
pub(super) fn flipped<T: Statement>(signed: &Signed<T>) -> impl Iterator<Item = Signed<T>> {
    let text = (0..signed.body.len()).map(|at| {
        let mut body = signed.body.clone().into_bytes();
        body[at] ^= 1;
        Signed::from_parts(String::from_utf8(body).expect("the text is ASCII"), signed.signature)
    });
    text.chain((0..64).map(|at| {
        let mut signature = *signed.signature.as_bytes();
        signature[at] ^= 1;
        Signed::from_parts(signed.body.clone(), Signature::from(signature))
    }))
}

/// What is signed, and the digest that the next statement names, by the words of the protocol alone.
pub(super) fn is_signed_as_ever<T: Statement>(signed: &Signed<T>, key: &DeviceKey, hash: Option<Hash>) {
    let (domain, body) = (T::DOMAIN.as_bytes(), signed.body.as_bytes());
    let message = Binding::new("agentsecrets/signature/1").field(domain).field(body);
    assert_eq!(key.sign(message.as_bytes()), signed.signature);
    let named = Binding::new("agentsecrets/hash/1").field(domain).field(body).field(signed.signature.as_bytes());
    assert_eq!(hash.unwrap_or_else(|| signed.hash(&Strict)), Strict.hash(named.as_bytes()));
    assert_eq!(serde_json::to_string(&signed.parse().expect("a statement")).expect("JSON"), signed.body);
}

#[test]
fn every_entry_counts_as_it_did() {
    let (cast, file) = files();
    let mut state = State::new(cast.workspace);
    for (case, seq) in file.entries.iter().zip(1..) {
        let head = state.apply(&case.entry, &Strict).expect(&case.name);
        assert_eq!(head, Head { seq, hash: case.hash }, "{}", case.name);
        assert_eq!(then(&state), case.then, "{}", case.name);
        is_signed_as_ever(&case.entry, &cast.people[&case.by].signing(), Some(case.hash));
    }
    let mut kinds: Vec<String> = Vec::new();
    for case in &file.entries {
        let said: serde_json::Value = serde_json::from_str(&case.entry.body).expect("JSON");
        kinds.push(said["act"]["kind"].as_str().expect("a kind").to_owned());
    }
    kinds.sort_unstable();
    kinds.dedup();
    let all = [
        "add_device",
        "genesis",
        "invite",
        "join",
        "remove",
        "remove_device",
        "rotate",
        "set_policy",
        "set_role",
        "withdraw",
    ];
    assert_eq!(kinds, all);
}

#[test]
fn no_entry_counts_with_one_byte_altered() {
    let (cast, file) = files();
    let mut state = State::new(cast.workspace);
    for case in &file.entries {
        for (at, altered) in flipped(&case.entry).enumerate() {
            assert!(state.clone().apply(&altered, &Strict).is_err(), "{}, byte {at}", case.name);
        }
        state.apply(&case.entry, &Strict).expect(&case.name);
    }
}

#[test]
fn no_entry_counts_in_another_place() {
    let (cast, file) = files();
    let elsewhere: [Altered<Entry>; 6] = [
        ("workspace", |entry| entry.workspace = Uuid::from_u128(1)),
        ("version of the form", |entry| entry.v = 2),
        ("number", |entry| entry.seq += 1),
        ("past", |entry| entry.prev = Some([1; 32].into())),
        ("author", |entry| entry.author = Uuid::from_u128(1)),
        ("time", |entry| entry.time += SignedDuration::from_secs(1)),
    ];
    let mut state = State::new(cast.workspace);
    for case in &file.entries {
        let (entry, key) = (case.entry.parse().expect("an entry"), cast.people[&case.by].signing());
        let signed = |entry: &Entry| Signed::make(entry, |bytes| key.sign(bytes));
        let counts = |signed: &Signed<Entry>| state.clone().apply(signed, &Strict).is_ok();
        assert!(counts(&signed(&entry)), "{}: the control", case.name);
        for (what, alter) in elsewhere {
            let mut altered = entry.clone();
            alter(&mut altered);
            assert!(!counts(&Signed::make(&altered, |_| case.entry.signature)), "{}: another {what}", case.name);
            // The time is the author's to say; the rest is not, even for who signs it anew.
            assert_eq!(counts(&signed(&altered)), what == "time", "{}: another {what}, signed", case.name);
        }
        let stranger = Signed::make(&entry, |bytes| cast.people["robot"].device_key().sign(bytes));
        assert_eq!(counts(&stranger), case.by == "robot", "{}: signed by another", case.name);
        state.apply(&case.entry, &Strict).expect(&case.name);
    }
}

#[test]
fn a_sign_of_life_counts_as_it_did_and_in_no_other_place() {
    let (cast, file) = files();
    let chain = file.chain(cast.workspace, file.entries.len());
    let beat = file.heartbeat.parse().expect("a sign of life");
    assert_eq!(heard(&chain, Some(&file.heartbeat), None, false).expect("counts"), Some(beat.time));
    let key = cast.people["anna"].device_key();
    is_signed_as_ever(&file.heartbeat, &key, None);
    for (at, altered) in flipped(&file.heartbeat).enumerate() {
        assert!(heard(&chain, Some(&altered), None, false).is_err(), "byte {at}");
    }
    // A page that is not the last ends before the entry that its author saw.
    let shorter = file.chain(cast.workspace, file.entries.len() - 1);
    let sooner = Timestamp::UNIX_EPOCH;
    assert_eq!(heard(&shorter, Some(&file.heartbeat), Some(sooner), true).expect("later"), Some(sooner));
    assert!(
        heard(&shorter, Some(&file.heartbeat), Some(sooner), false).is_err(),
        "at the end it is a chain that is withheld"
    );
    let elsewhere: [fn(&mut Heartbeat); 6] = [
        |beat| beat.workspace = Uuid::from_u128(1),
        |beat| beat.v = 2,
        |beat| beat.author = Uuid::from_u128(1),
        |beat| beat.device = Uuid::from_u128(1),
        |beat| beat.head.seq -= 1,
        |beat| beat.head.hash = [1; 32].into(),
    ];
    for (at, alter) in elsewhere.iter().enumerate() {
        let mut altered = beat.clone();
        alter(&mut altered);
        assert!(heard(&chain, Some(&Signed::make(&altered, |bytes| key.sign(bytes))), None, false).is_err(), "{at}");
    }
}
