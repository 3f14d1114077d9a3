//! What is sealed in the chain: keys, what members are called, and the policy.

use std::collections::BTreeMap;

use agentsecrets_wire::chain::{Act, Seal};
use agentsecrets_wire::{Blob, Hash, Opened};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cast, ChainFile, Hex, file};
use crate::crypto::{InviteCode, PolicyBlob, open_label};
use crate::error::ErrorCode;
use crate::secret_ref::{Label, SecretName};
use crate::sync::policy::open as open_policy;
use crate::sync::{Chain, Piece, Ring, opened_invitation};

/// What opens to what.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenedFile {
    about: String,
    /// Of each epoch's key, the first being number 1.
    commitments: Vec<Hash>,
    scopes: Vec<ScopeCase>,
    seals: Vec<SealCase>,
    previous: Vec<PreviousCase>,
    labels: Vec<LabelCase>,
    policy: PolicyCase,
}

/// A scope, and the ids of names in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeCase {
    environment: String,
    scope: Hash,
    names: BTreeMap<String, Hash>,
}

/// A key, sealed to somebody with HPKE.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealCase {
    /// The number of the entry that it stands in.
    entry: usize,
    /// A member, or `invitation` and the name.
    to: String,
    seal: Seal,
    /// The epoch's key; of a machine, the scope's key and that of its names.
    opens: Hex,
}

/// The key of the epoch before, under that of the next.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousCase {
    epoch: u64,
    sealed: Blob,
    opens: Hex,
}

/// What a member is called.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelCase {
    account: Uuid,
    sealed: Blob,
    label: String,
}

/// The policy.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyCase {
    version: u64,
    sealed: Blob,
    /// What the members read.
    whole: String,
    /// What the machine reads.
    piece: String,
}

impl Cast {
    fn name_of(&self, recipient: Uuid) -> String {
        let people = self.people.iter().map(|(name, person)| (person.account, name.clone()));
        let invited = self.invitations.iter().map(|(name, invited)| (invited.id, format!("invitation {name}")));
        people.chain(invited).find(|(id, _)| *id == recipient).map(|(_, name)| name).expect("a name")
    }

    /// What a seal holds, as its recipient opens it.
    fn open(&self, to: &str, workspace: Uuid, seal: &Seal) -> Option<Hex> {
        let key = self.recipient(to);
        match seal.scope {
            None => key.open_epoch(workspace, seal).ok().map(|key| Hex(key.bytes().to_vec())),
            Some(_) => key.open_scope(workspace, seal).ok().map(|key| Hex(key.bytes())),
        }
    }
}

fn seals_of(act: &Act) -> &[Seal] {
    match act {
        Act::Genesis { epoch, .. } | Act::Remove { epoch, .. } | Act::Rotate { epoch } => &epoch.seals,
        Act::Invite { invite } => &invite.seals,
        Act::Join { seals, .. } => seals,
        _ => &[],
    }
}

/// Takes all that is sealed out of the chain, and says what is in it.
pub(super) fn make(cast: &Cast, chain: &ChainFile) -> OpenedFile {
    let said: Vec<Act> = chain.entries.iter().map(|case| case.entry.parse().expect("an entry").act).collect();
    let seal = |(entry, seal): (usize, &Seal)| {
        let to = cast.name_of(seal.recipient);
        let opens = cast.open(&to, cast.workspace, seal).expect("opens");
        SealCase { entry, to, seal: seal.clone(), opens }
    };
    let previous = said.iter().filter_map(|act| match act {
        Act::Remove { epoch, .. } | Act::Rotate { epoch } => {
            let opens = Hex(cast.epoch(epoch.number - 1).bytes().to_vec());
            Some(PreviousCase { epoch: epoch.number, sealed: epoch.previous.clone()?, opens })
        }
        _ => None,
    });
    let labels = said.iter().filter_map(|act| match act {
        Act::Genesis { member, .. } | Act::Join { member, .. } => {
            let name = cast.name_of(member.account);
            let label = if name == "robot" { "deploy robot".to_owned() } else { super::chain::address(&name) };
            Some(LabelCase { account: member.account, sealed: member.label.clone(), label })
        }
        _ => None,
    });
    let policy = said.iter().find_map(|act| match act {
        Act::SetPolicy { version, sealed } => Some((*version, sealed.clone())),
        _ => None,
    });
    let (version, sealed) = policy.expect("a policy");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("JSON");
    let (whole, piece) = (text(cast.policy().to_bytes()), text(cast.piece()));
    OpenedFile {
        about: "What is sealed in chain.json, and what it opens to.".to_owned(),
        commitments: (1..=3).map(|epoch| cast.epoch(epoch).commitment(cast.workspace)).collect(),
        scopes: ["staging", "production"].map(|environment| scope(cast, environment)).into(),
        seals: said
            .iter()
            .zip(1..)
            .flat_map(|(act, at)| seals_of(act).iter().map(move |one| (at, one)))
            .map(seal)
            .collect(),
        previous: previous.collect(),
        labels: labels.collect(),
        policy: PolicyCase { version, sealed, whole, piece },
    }
}

fn scope(cast: &Cast, environment: &str) -> ScopeCase {
    let key = cast.scope_key(1, environment);
    let id = |name: &str| (name.to_owned(), key.record_id(&SecretName::parse(name).expect("a name")));
    let names = ["STRIPE_KEY", "PIN"].map(id).into();
    ScopeCase { environment: environment.to_owned(), scope: cast.scope(environment), names }
}

fn files() -> (Cast, ChainFile, OpenedFile) {
    (file!("cast.json"), file!("chain.json"), file!("opened.json"))
}

/// The same with the lowest bit of one byte altered.
pub(super) fn flipped(sealed: &Blob) -> impl Iterator<Item = Blob> {
    (0..sealed.0.len()).map(|at| {
        let mut altered = sealed.clone();
        altered.0[at] ^= 1;
        altered
    })
}

#[test]
fn every_key_is_named_as_it_was() {
    let (cast, _, file) = files();
    let commitments = (1..=3).map(|epoch| cast.epoch(epoch).commitment(cast.workspace));
    assert!(commitments.eq(file.commitments.iter().copied()));
    for case in &file.scopes {
        assert_eq!(cast.scope(&case.environment), case.scope);
        for epoch in 1..=3 {
            let key = cast.scope_key(epoch, &case.environment);
            for (name, id) in &case.names {
                assert_eq!(key.record_id(&SecretName::parse(name).expect("a name")), *id, "{name} in epoch {epoch}");
            }
        }
    }
}

#[test]
fn every_key_opens_as_it_did_for_the_one_it_is_sealed_to() {
    let (cast, _, file) = files();
    assert_eq!(file.seals.len(), 11);
    let other = Uuid::from_u128(1);
    for case in &file.seals {
        let (seal, says) = (&case.seal, format!("entry {} to {}", case.entry, case.to));
        assert_eq!(cast.open(&case.to, cast.workspace, seal).as_ref(), Some(&case.opens), "{says}");
        for (at, sealed) in flipped(&seal.sealed).enumerate() {
            let altered = Seal { sealed, ..seal.clone() };
            assert!(cast.open(&case.to, cast.workspace, &altered).is_none(), "{says}, byte {at}");
        }
        let scope = if seal.scope.is_some() { None } else { Some([1; 32].into()) };
        let moved = [
            Seal { recipient: other, ..seal.clone() },
            Seal { epoch: seal.epoch + 1, ..seal.clone() },
            Seal { scope, ..seal.clone() },
            Seal { scope: Some([2; 32].into()), ..seal.clone() },
        ];
        assert!(moved.iter().all(|moved| cast.open(&case.to, cast.workspace, moved).is_none()), "{says}, moved");
        assert!(cast.open(&case.to, other, seal).is_none(), "{says}, in another workspace");
        for to in ["anna", "ben", "robot", "invitation ben", "invitation robot", "invitation cora"] {
            assert_eq!(cast.open(to, cast.workspace, seal).is_some(), to == case.to, "{says}, by {to}");
        }
    }
}

#[test]
fn every_epoch_opens_the_one_before_as_it_did() {
    let (cast, _, file) = files();
    assert_eq!(file.previous.len(), 2);
    for case in &file.previous {
        let key = cast.epoch(case.epoch);
        let opened = key.open_previous(cast.workspace, &case.sealed).expect("opens");
        assert_eq!((opened.number(), opened.bytes()), (case.epoch - 1, &*case.opens.0));
        assert!(flipped(&case.sealed).all(|sealed| key.open_previous(cast.workspace, &sealed).is_err()));
        assert!(key.open_previous(Uuid::from_u128(1), &case.sealed).is_err(), "another workspace");
        let number = case.epoch + 1;
        let renumbered = crate::crypto::EpochKey::of(number, key.bytes());
        assert!(renumbered.open_previous(cast.workspace, &case.sealed).is_err(), "another epoch");
    }
}

#[test]
fn members_and_machines_hold_the_keys_that_they_held() {
    let (cast, chain, _) = files();
    let at = |entries| chain.chain(cast.workspace, entries);
    let ring = |chain: &Chain, name: &str| Ring::open(chain, cast.people[name].account, &cast.people[name].receiving());
    let end = at(chain.entries.len());
    let anna = ring(&end, "anna").expect("a member");
    for epoch in 1..=3 {
        assert_eq!(
            anna.epoch_key(epoch).expect("a key").bytes(),
            &*cast.epochs[usize::try_from(epoch).expect("3") - 1].0
        );
    }
    let staging = cast.scope("staging");
    assert_eq!(anna.scope_of(cast.project, &Label::parse("staging").expect("a label")).expect("derived"), staging);
    let robot = ring(&end, "robot").expect("a machine");
    for epoch in 1..=3 {
        assert_eq!(robot.scope_key(epoch, staging).expect("a key").bytes(), cast.scope_key(epoch, "staging").bytes());
    }
    assert!(robot.epoch_key(3).is_err() && robot.scope_key(3, cast.scope("production")).is_err());
    assert!(ring(&at(12), "ben").is_ok(), "before the removal");
    assert_eq!(ring(&end, "ben").err().expect("refused").code(), ErrorCode::NotAMember);
}

#[test]
fn an_invitation_opens_what_it_did() {
    let (cast, chain, _) = files();
    let shown = |entries: usize| Opened {
        workspace: cast.workspace,
        entries: chain.entries[..entries].iter().map(|case| case.entry.clone()).collect(),
    };
    let code = cast.code("ben", chain.entries[0].hash);
    let (_, key) = opened_invitation(&code, &shown(2)).expect("opens");
    assert_eq!(key.bytes(), &*cast.epochs[0].0);
    let refused = |code: &InviteCode, opened: &Opened| opened_invitation(code, opened).err().expect("refused").code();
    assert_eq!(refused(&code, &shown(3)), ErrorCode::InviteInvalid, "it was used");
    assert_eq!(refused(&code, &shown(1)), ErrorCode::InviteInvalid, "it is not there");
    let foreign = cast.code("ben", Hash::from([1; 32]));
    assert_eq!(refused(&foreign, &shown(2)), ErrorCode::InviteInvalid, "it was made in another chain");
    let elsewhere = Opened { workspace: Uuid::from_u128(1), ..shown(2) };
    assert_eq!(refused(&code, &elsewhere), ErrorCode::ChainInvalid, "another workspace");
    let scoped = cast.code("robot", chain.entries[2].hash);
    assert_eq!(refused(&scoped, &shown(4)), ErrorCode::InviteInvalid, "a machine's opens no epoch");
}

#[test]
fn every_label_opens_as_it_did_for_that_member_alone() {
    let (cast, _, file) = files();
    assert_eq!(file.labels.len(), 3);
    let keys: Vec<_> = (1..=3).map(|epoch| cast.epoch(epoch)).collect();
    let open = |workspace, account, sealed: &Blob| {
        let epoch = |epoch| keys.iter().find(|key| key.number() == epoch);
        let scope = |epoch, scope| {
            let known = (1..=3).contains(&epoch) && scope == cast.scope("staging");
            known.then(|| cast.scope_key(epoch, "staging"))
        };
        open_label(workspace, account, sealed.as_bytes(), epoch, scope)
    };
    let other = Uuid::from_u128(1);
    for case in &file.labels {
        assert_eq!(open(cast.workspace, case.account, &case.sealed).as_ref(), Some(&case.label));
        assert_eq!(open(cast.workspace, other, &case.sealed), None, "{}: another member", case.label);
        assert_eq!(open(other, case.account, &case.sealed), None, "{}: another workspace", case.label);
        for (at, sealed) in flipped(&case.sealed).enumerate() {
            assert_eq!(open(cast.workspace, case.account, &sealed), None, "{}, byte {at}", case.label);
        }
    }
}

#[test]
fn the_policy_opens_as_it_did_in_its_version_and_place_alone() {
    let (cast, _, file) = files();
    let PolicyCase { version, sealed, whole, piece } = &file.policy;
    let blob = PolicyBlob::parse(sealed.as_bytes()).expect("a policy");
    assert_eq!((blob.to_bytes(), blob.epoch()), (sealed.0.clone(), 1));
    let (epoch, scope) = (cast.epoch(1), cast.scope_key(1, "staging"));
    let opened = |workspace, version| {
        let whole = blob.open_whole(workspace, version, &epoch).ok();
        (whole, blob.open_scope(workspace, version, &scope).ok().flatten())
    };
    let (one, other) = opened(cast.workspace, *version);
    assert_eq!(one.expect("opens").as_slice(), whole.as_bytes());
    assert_eq!(other.expect("opens").as_slice(), piece.as_bytes());
    for (workspace, version) in [(Uuid::from_u128(1), *version), (cast.workspace, version + 1)] {
        assert!(matches!(opened(workspace, version), (None, None)));
    }
    assert!(blob.open_whole(cast.workspace, *version, &cast.epoch(2)).is_err(), "another epoch");
    assert!(blob.open_scope(cast.workspace, *version, &cast.scope_key(2, "staging")).is_err(), "another epoch");
    let production = blob.open_scope(cast.workspace, *version, &cast.scope_key(1, "production"));
    assert!(production.expect("no piece").is_none(), "another environment");
    // One altered byte of its text: it does not read, or one of both does not open.
    for (at, altered) in flipped(sealed).enumerate() {
        let Ok(blob) = PolicyBlob::parse(altered.as_bytes()) else { continue };
        let whole = blob.open_whole(cast.workspace, *version, &epoch);
        let piece = blob.open_scope(cast.workspace, *version, &scope);
        assert!(whole.is_err() || !matches!(piece, Ok(Some(_))), "byte {at}");
    }
}

#[test]
fn the_policy_of_the_chain_reads_as_it_did() {
    let (cast, chain, file) = files();
    let chain = chain.chain(cast.workspace, chain.entries.len());
    let ring =
        |name: &str| Ring::open(&chain, cast.people[name].account, &cast.people[name].receiving()).expect("keys");
    let whole = open_policy(&chain, &ring("anna")).expect("opens").expect("a policy");
    assert_eq!((whole.version, whole.policy.to_bytes()), (file.policy.version, file.policy.whole.into_bytes()));
    let piece: Piece = serde_json::from_str(&file.policy.piece).expect("a piece");
    let part = open_policy(&chain, &ring("robot")).expect("opens").expect("a policy");
    assert_eq!(part.policy.to_bytes(), piece.policy.to_bytes());
    assert_eq!((part.places.len(), part.places[0].scope), (1, cast.scope("staging")));
}
