//! The rules, attacked entry by entry with real signatures.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::*;
use crate::{Blob, Hash, PublicKey, Signature, Signed, Verifier};

struct Real;

impl Verifier for Real {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        VerifyingKey::from_bytes(key.as_bytes())
            .is_ok_and(|key| !key.is_weak() && key.verify_strict(message, &signature).is_ok())
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        Hash::from(<[u8; 32]>::from(Sha256::digest(bytes)))
    }
}

/// Somebody with keys; everything about it follows from one number.
#[derive(Clone)]
struct Somebody {
    number: u8,
    key: SigningKey,
    device: SigningKey,
}

impl Somebody {
    fn new(number: u8) -> Self {
        let key = |kind: u8| SigningKey::from_bytes(&[kind, number, 3, 4].repeat(8).try_into().expect("32 bytes"));
        Self { number, key: key(1), device: key(2) }
    }

    fn machine(number: u8) -> Self {
        let device = Self::new(number).device;
        Self { number, key: device.clone(), device }
    }

    fn id(&self) -> Uuid {
        Uuid::from_u128(0x1000 + u128::from(self.number))
    }

    fn member(&self) -> Member {
        let receiving = PublicKey::from([self.number.wrapping_add(100); 32]);
        Member { account: self.id(), signing: public(&self.key), receiving, label: Blob(vec![self.number]) }
    }

    fn device(&self) -> Device {
        Device { device: Uuid::from_u128(0x2000 + u128::from(self.number)), key: public(&self.device) }
    }
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from(key.verifying_key().to_bytes())
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature::from(key.sign(message).to_bytes())
}

fn hash_of(number: u64) -> Hash {
    Real.hash(&number.to_le_bytes())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

/// A chain under way.
#[derive(Clone)]
struct World {
    state: State,
    entries: Vec<Signed<Entry>>,
}

impl World {
    fn founded(by: &Somebody) -> Self {
        let mut world = Self { state: State::new(Uuid::from_u128(7)), entries: Vec::new() };
        let epoch = world.epoch(&[(by.id(), None)]);
        world.does(by, Act::Genesis { member: by.member(), device: by.device(), epoch }).expect("founded");
        world
    }

    fn epoch(&self, recipients: &[(Uuid, Option<Hash>)]) -> Epoch {
        let number = self.state.epoch() + 1;
        let seals = recipients.iter().map(|(id, scope)| seal(*id, number, *scope)).collect();
        Epoch { number, commitment: hash_of(number), previous: (number > 1).then(|| Blob(vec![1])), seals }
    }

    fn entry(&self, by: &Somebody, act: Act) -> Entry {
        let head = self.state.head();
        let seq = head.map_or(1, |head| head.seq + 1);
        Entry {
            v: 1,
            workspace: self.state.workspace(),
            seq,
            prev: head.map(|head| head.hash),
            time: at(i64::try_from(seq).expect("small")),
            author: by.id(),
            act,
        }
    }

    fn says(&mut self, by: &Somebody, entry: &Entry) -> Result<Head, Refusal> {
        let signed = Signed::make(entry, |message| sign(&by.key, message));
        let before = self.state.clone();
        let outcome = self.state.apply(&signed, &Real);
        match outcome {
            Ok(_) => self.entries.push(signed),
            Err(_) => assert_eq!(self.state, before, "a refusal leaves everything as it was"),
        }
        outcome
    }

    fn does(&mut self, by: &Somebody, act: Act) -> Result<Head, Refusal> {
        let entry = self.entry(by, act);
        self.says(by, &entry)
    }

    fn invites(
        &mut self,
        by: &Somebody,
        number: u8,
        role: Role,
        scopes: &[Hash],
    ) -> Result<(Uuid, SigningKey), Refusal> {
        let (invite, key) = invitation(number, role, scopes, self.state.epoch());
        self.does(by, Act::Invite { invite: invite.clone() })?;
        Ok((invite.invite, key))
    }

    fn joins(&mut self, who: &Somebody, (invite, key): &(Uuid, SigningKey)) -> Result<Head, Refusal> {
        let (member, device) = (who.member(), who.device());
        let proof = sign(key, &join_proof(&self.state.workspace(), invite, &member, &device));
        let scopes =
            self.state.invites().find(|(id, _)| *id == invite).map_or_else(Vec::new, |(_, i)| i.invite.scopes.clone());
        let seals = seals_for(who.id(), self.state.epoch(), &scopes);
        self.does(who, Act::Join { invite: *invite, proof, member, device, seals })
    }

    fn with_member(mut self, by: &Somebody, who: &Somebody, role: Role) -> Self {
        let invite = self.invites(by, who.number, role, &[]).expect("invited");
        self.joins(who, &invite).expect("joined");
        self
    }
}

fn seal(recipient: Uuid, epoch: u64, scope: Option<Hash>) -> Seal {
    Seal { recipient, epoch, scope, sealed: Blob(vec![9; 80]) }
}

fn seals_for(recipient: Uuid, epoch: u64, scopes: &[Hash]) -> Vec<Seal> {
    if scopes.is_empty() {
        return vec![seal(recipient, epoch, None)];
    }
    scopes.iter().map(|scope| seal(recipient, epoch, Some(*scope))).collect()
}

fn invitation(number: u8, role: Role, scopes: &[Hash], epoch: u64) -> (Invite, SigningKey) {
    let key = SigningKey::from_bytes(&[number, 77].repeat(16).try_into().expect("32 bytes"));
    let id = Uuid::from_u128(0x3000 + u128::from(number));
    let invite = Invite {
        invite: id,
        role,
        scopes: scopes.to_vec(),
        signing: public(&key),
        receiving: PublicKey::from([number.wrapping_add(200); 32]),
        expires: at(1000),
        seals: seals_for(id, epoch, scopes),
    };
    (invite, key)
}

fn people() -> (Somebody, Somebody, Somebody) {
    (Somebody::new(1), Somebody::new(2), Somebody::new(3))
}

#[test]
fn a_team_comes_and_goes() {
    let (ann, ben, mallory) = people();
    let mut world = World::founded(&ann).with_member(&ann, &ben, Role::Member);
    assert_eq!(world.state.member(&ben.id()).map(|ben| ben.role), Some(Role::Member));
    world.does(&ann, Act::SetRole { account: ben.id(), role: Role::Admin }).expect("promoted");
    let epoch = world.epoch(&[(ben.id(), None)]);
    world.does(&ben, Act::Remove { account: ann.id(), epoch }).expect("removed");
    assert!(world.state.member(&ann.id()).is_none() && world.state.device(&ann.device().device).is_none());
    // What she wrote while she was there still counts.
    assert!(world.state.device_at(&ann.device().device, 4).is_some() && world.state.epoch_at(4) == 1);
    assert!(world.state.device_at(&ann.device().device, 5).is_none() && world.state.epoch_at(5) == 2);
    assert_eq!(world.does(&ann, Act::Withdraw { invite: Uuid::nil() }), Err(Refusal::NotAllowed));
    assert_eq!(world.does(&mallory, Act::AddDevice { device: mallory.device() }), Err(Refusal::NotAllowed));
    // She may be invited again, as herself.
    let invite = world.invites(&ben, 9, Role::Member, &[]).expect("invited");
    world.joins(&ann, &invite).expect("back");
    assert!(world.state.device(&ann.device().device).is_some());
    assert!(world.state.device_at(&ann.device().device, 5).is_none(), "she was not there in between");
}

#[test]
fn a_whole_chain_replays_and_any_change_to_it_is_found() {
    let (ann, ben, carol) = people();
    let world = World::founded(&ann).with_member(&ann, &ben, Role::Member).with_member(&ann, &carol, Role::Admin);
    let replay = |entries: &[Signed<Entry>]| {
        let mut state = State::new(world.state.workspace());
        entries.iter().try_for_each(|entry| state.apply(entry, &Real).map(drop)).map(|()| state)
    };
    assert_eq!(replay(&world.entries).expect("replays"), world.state);
    for index in 0..world.entries.len() {
        let mut dropped = world.entries.clone();
        dropped.remove(index);
        assert!(index + 1 == world.entries.len() || replay(&dropped).is_err(), "dropped {index}");
        let mut twice = world.entries.clone();
        twice.insert(index, twice[index].clone());
        assert!(replay(&twice).is_err(), "twice {index}");
        let mut altered = world.entries.clone();
        let body = altered[index].body.replace("\"v\":1", "\"v\": 1");
        altered[index] = Signed::from_parts(body, altered[index].signature);
        assert_eq!(replay(&altered).err(), Some(Refusal::NotSigned), "one space in {index}");
        if index > 0 {
            let mut swapped = world.entries.clone();
            swapped.swap(index - 1, index);
            assert!(replay(&swapped).is_err(), "swapped {index}");
        }
    }
}

#[test]
fn an_entry_stands_in_its_place_only() {
    let (ann, _, _) = people();
    let mut world = World::founded(&ann);
    let fitting = world.entry(&ann, Act::AddDevice { device: Somebody::new(8).device() });
    let attempt = |change: &dyn Fn(&mut Entry)| {
        let mut entry = fitting.clone();
        change(&mut entry);
        world.clone().says(&ann, &entry).map(drop)
    };
    assert_eq!(attempt(&|_| ()), Ok(()), "the control");
    assert_eq!(attempt(&|entry| entry.v = 2), Err(Refusal::Malformed));
    assert_eq!(attempt(&|entry| entry.workspace = Uuid::nil()), Err(Refusal::OtherWorkspace));
    assert_eq!(attempt(&|entry| entry.seq = 3), Err(Refusal::NotNext));
    assert_eq!(attempt(&|entry| entry.prev = Some(hash_of(9))), Err(Refusal::OtherPast));
    assert_eq!(attempt(&|entry| entry.prev = None), Err(Refusal::OtherPast));
    let again = Act::Genesis { member: ann.member(), device: ann.device(), epoch: world.epoch(&[]) };
    assert_eq!(world.does(&ann, again), Err(Refusal::NotFirst));
}

#[test]
fn the_server_cannot_join_by_somebody_elses_invitation() {
    let (ann, ben, mallory) = people();
    let mut world = World::founded(&ann);
    let invite = world.invites(&ann, 2, Role::Member, &[]).expect("invited");
    let other = SigningKey::from_bytes(&[5; 32]);
    assert_eq!(world.clone().joins(&mallory, &(invite.0, other)), Err(Refusal::NotInvited), "without the code");
    // A proof that was seen fits nobody else's keys.
    let proof = sign(&invite.1, &join_proof(&world.state.workspace(), &invite.0, &ben.member(), &ben.device()));
    let seals = seals_for(mallory.id(), 1, &[]);
    let stolen = Act::Join { invite: invite.0, proof, member: mallory.member(), device: mallory.device(), seals };
    assert_eq!(world.clone().does(&mallory, stolen), Err(Refusal::NotInvited));
    let mut late = world.clone();
    let (member, device) = (ben.member(), ben.device());
    let mut entry =
        late.entry(&ben, Act::Join { invite: invite.0, proof, member, device, seals: seals_for(ben.id(), 1, &[]) });
    entry.time = at(1000) + SignedDuration::from_secs(1);
    assert_eq!(late.says(&ben, &entry), Err(Refusal::NotInvited), "expired");
    world.joins(&ben, &invite).expect("the control");
    assert_eq!(world.joins(&mallory, &invite), Err(Refusal::NotInvited), "used");
}

#[test]
fn members_and_machines_change_nobodys_rights() {
    let (ann, ben, carol) = people();
    let bot = Somebody::machine(4);
    let mut world = World::founded(&ann).with_member(&ann, &ben, Role::Member);
    let invite = world.invites(&ann, 4, Role::Machine, &[hash_of(50)]).expect("invited");
    world.joins(&bot, &invite).expect("a machine");
    let (open, _) = invitation(9, Role::Admin, &[], 1);
    for who in [&ben, &bot] {
        let epoch = world.epoch(&[]);
        for act in [
            Act::Invite { invite: open.clone() },
            Act::Withdraw { invite: open.invite },
            Act::SetRole { account: ben.id(), role: Role::Admin },
            Act::Remove { account: ann.id(), epoch: epoch.clone() },
            Act::Rotate { epoch },
            Act::SetPolicy { version: 1, sealed: Blob(vec![1]) },
            Act::RemoveDevice { device: ann.device().device },
        ] {
            assert_eq!(world.does(who, act.clone()), Err(Refusal::NotAllowed), "{act:?}");
        }
    }
    assert_eq!(world.does(&bot, Act::AddDevice { device: carol.device() }), Err(Refusal::NotAllowed));
    world.does(&ben, Act::AddDevice { device: carol.device() }).expect("his own device");
    for role in [Role::Member, Role::Admin] {
        assert_eq!(world.does(&ann, Act::SetRole { account: bot.id(), role }), Err(Refusal::NotAllowed));
    }
    assert_eq!(world.does(&ann, Act::SetRole { account: ann.id(), role: Role::Member }), Err(Refusal::LastAdmin));
    let epoch = world.epoch(&[(ben.id(), None), (bot.id(), Some(hash_of(50)))]);
    assert_eq!(world.does(&ann, Act::Remove { account: ann.id(), epoch }), Err(Refusal::LastAdmin));
}

#[test]
fn an_epoch_is_sealed_to_exactly_those_who_are_there() {
    let (ann, ben, _) = people();
    let bot = Somebody::machine(4);
    let scopes = [hash_of(50), hash_of(51)];
    let mut world = World::founded(&ann).with_member(&ann, &ben, Role::Member);
    let invite = world.invites(&ann, 4, Role::Machine, &scopes).expect("invited");
    world.joins(&bot, &invite).expect("a machine");
    let open = world.invites(&ann, 9, Role::Member, &[]).expect("invited");
    let right =
        [(ann.id(), None), (ben.id(), None), (open.0, None), (bot.id(), Some(scopes[0])), (bot.id(), Some(scopes[1]))];
    let rotate = |recipients: &[(Uuid, Option<Hash>)]| {
        let mut world = world.clone();
        let epoch = world.epoch(recipients);
        world.does(&ann, Act::Rotate { epoch }).map(drop)
    };
    assert_eq!(rotate(&right), Ok(()), "the control");
    for missing in 0..right.len() {
        let rest: Vec<_> =
            right.iter().copied().enumerate().filter(|(index, _)| *index != missing).map(|(_, r)| r).collect();
        assert_eq!(rotate(&rest), Err(Refusal::WrongSeals), "without {missing}");
        assert_eq!(
            rotate(&[&right[..], &right[missing..=missing]].concat()),
            Err(Refusal::WrongSeals),
            "twice {missing}"
        );
    }
    for stranger in [(Uuid::from_u128(99), None), (bot.id(), None), (ben.id(), Some(scopes[0]))] {
        assert_eq!(rotate(&[&right[..], &[stranger]].concat()), Err(Refusal::WrongSeals), "{stranger:?}");
    }
    let mut epoch = world.epoch(&right);
    epoch.commitment = hash_of(1);
    assert_eq!(world.does(&ann, Act::Rotate { epoch }), Err(Refusal::Used), "an old key again");
    let mut epoch = world.epoch(&right);
    epoch.previous = None;
    assert_eq!(world.does(&ann, Act::Rotate { epoch }), Err(Refusal::NotNextEpoch), "without what was before");
}

#[test]
fn ids_and_keys_are_used_once() {
    let (ann, ben, mallory) = people();
    let mut world = World::founded(&ann).with_member(&ann, &ben, Role::Member);
    let invite = world.invites(&ann, 3, Role::Member, &[]).expect("invited");
    let mut twin = mallory.clone();
    twin.device = ben.device.clone();
    assert_eq!(world.clone().joins(&twin, &invite), Err(Refusal::Used), "another's device key");
    let mut self_signed = mallory.clone();
    self_signed.device = mallory.key.clone();
    assert_eq!(
        world.clone().joins(&self_signed, &invite),
        Err(Refusal::Malformed),
        "only a machine signs with its device"
    );
    let device = Device { device: ben.device().device, key: public(&SigningKey::from_bytes(&[6; 32])) };
    assert_eq!(world.does(&ann, Act::AddDevice { device }), Err(Refusal::Used), "another's device id");
    let (again, _) = invitation(3, Role::Member, &[], 1);
    assert_eq!(world.does(&ann, Act::Invite { invite: again }), Err(Refusal::Used));
}

#[test]
fn who_leaves_leaves_no_open_door() {
    let (ann, ben, mallory) = people();
    let mut world = World::founded(&ann).with_member(&ann, &mallory, Role::Admin);
    let backdoor = world.invites(&mallory, 9, Role::Admin, &[]).expect("invited");
    let epoch = world.epoch(&[(ann.id(), None)]);
    world.does(&ann, Act::Remove { account: mallory.id(), epoch }).expect("removed");
    assert_eq!(world.joins(&ben, &backdoor), Err(Refusal::NotInvited));
}

#[test]
fn an_unknown_kind_stops_an_old_client() {
    let (ann, _, _) = people();
    let mut world = World::founded(&ann);
    let entry = world.entry(&ann, Act::Withdraw { invite: Uuid::nil() });
    let body = serde_json::to_string(&entry).expect("plain data").replace("withdraw", "grant_everything");
    let bound = crate::signed::bound("agentsecrets/signature/1", &[b"agentsecrets/chain/1", body.as_bytes()]);
    let signed = Signed::from_parts(body, sign(&ann.key, &bound));
    assert_eq!(world.state.apply(&signed, &Real), Err(Refusal::Malformed));
}

proptest! {
    #[test]
    fn whatever_a_server_makes_up_is_refused_without_harm(body in ".{0,300}", signature in any::<[u8; 32]>()) {
        let (ann, _, _) = people();
        let mut world = World::founded(&ann);
        let before = world.state.clone();
        let signature = Signature::from(<[u8; 64]>::try_from([signature, signature].concat()).expect("64 bytes"));
        prop_assert!(world.state.apply(&Signed::from_parts(body, signature), &Real).is_err());
        prop_assert_eq!(world.state, before);
    }
}
