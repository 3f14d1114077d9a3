//! The rules by which an entry counts, in the order they are asked.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::entry::{Act, Device, Entry, Epoch, Invite, Member, Role, Seal, join_proof};
use super::refusal::Refusal;
use super::state::{Head, Invited, Joined, Registered, Span, State, close, is_open};
use crate::{Hash, PublicKey, Signature, Signed, Verifier, limits};

type Applied = Result<(), Refusal>;

impl State {
    /// Applies the next entry, or says which rule it breaks and stays as it was.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn apply(&mut self, signed: &Signed<Entry>, verifier: &impl Verifier) -> Result<Head, Refusal> {
        if signed.body.len() > limits::ENTRY {
            return Err(Refusal::TooMany);
        }
        let entry = signed.parse().map_err(|_| Refusal::Malformed)?;
        self.check_place(&entry)?;
        if !signed.is_signed_by(&self.author_key(&entry)?, verifier) {
            return Err(Refusal::NotSigned);
        }
        // On a copy, so that a refusal half way leaves nothing behind.
        let mut next = self.clone();
        next.act(&entry, verifier)?;
        let head = Head { seq: entry.seq, hash: signed.hash(verifier) };
        next.head = Some(head);
        *self = next;
        Ok(head)
    }

    fn check_place(&self, entry: &Entry) -> Applied {
        let next = self.head.map_or(1, |head| head.seq + 1);
        let prev = self.head.map(|head| head.hash);
        match entry {
            Entry { v, .. } if *v != 1 => Err(Refusal::Malformed),
            Entry { workspace, .. } if *workspace != self.workspace => Err(Refusal::OtherWorkspace),
            Entry { seq, .. } if *seq != next => Err(Refusal::NotNext),
            Entry { prev: named, .. } if *named != prev => Err(Refusal::OtherPast),
            Entry { act, .. } if matches!(act, Act::Genesis { .. }) != self.head.is_none() => Err(Refusal::NotFirst),
            _ => Ok(()),
        }
    }

    /// Who begins and who joins brings the key; all others have theirs in the chain.
    fn author_key(&self, entry: &Entry) -> Result<PublicKey, Refusal> {
        match &entry.act {
            Act::Genesis { member, .. } | Act::Join { member, .. } if member.account == entry.author => {
                Ok(member.signing)
            }
            Act::Genesis { .. } | Act::Join { .. } => Err(Refusal::NotAllowed),
            _ => self.member(&entry.author).map(|author| author.signing).ok_or(Refusal::NotAllowed),
        }
    }

    fn act(&mut self, entry: &Entry, verifier: &impl Verifier) -> Applied {
        match &entry.act {
            Act::Genesis { member, device, epoch } => self.begin(entry, member, device, epoch),
            Act::Invite { invite } => self.invite(entry, invite),
            Act::Withdraw { invite } => self.withdraw(entry, invite),
            Act::Join { invite, proof, member, device, seals } => {
                self.join(entry, verifier, (invite, proof), member, device, seals)
            }
            Act::AddDevice { device } => {
                self.may_write(entry).and_then(|()| self.add_device(entry.author, entry.seq, device))
            }
            Act::RemoveDevice { device } => self.remove_device(entry, device),
            Act::SetRole { account, role } => self.set_role(entry, account, *role),
            Act::Remove { account, epoch } => self.remove(entry, account, epoch),
            Act::Rotate { epoch } => self.is_admin(entry).and_then(|()| self.begin_epoch(entry.seq, epoch)),
            Act::SetPolicy { version, .. } => self.set_policy(entry, *version),
        }
    }

    fn begin(&mut self, entry: &Entry, member: &Member, device: &Device, epoch: &Epoch) -> Applied {
        self.add_member(entry.seq, member, Role::Admin, Vec::new())?;
        self.add_device(member.account, entry.seq, device)?;
        self.begin_epoch(entry.seq, epoch)
    }

    fn invite(&mut self, entry: &Entry, invite: &Invite) -> Applied {
        self.is_admin(entry)?;
        if invite.scopes.len() > limits::SCOPES || self.recipients() >= limits::MEMBERS {
            return Err(Refusal::TooMany);
        }
        let scoped = invite.role == Role::Machine;
        if scoped == invite.scopes.is_empty() || !are_distinct(&invite.scopes) || invite.expires <= entry.time {
            return Err(Refusal::Malformed);
        }
        self.use_id(invite.invite)?;
        self.use_key(invite.signing)?;
        self.use_key(invite.receiving)?;
        self.check_seals(&invite.seals, &invite.invite, invite.role, &invite.scopes)?;
        let invited = Invited { invite: invite.clone(), by: entry.author, time: entry.time };
        self.invites.insert(invite.invite, invited);
        Ok(())
    }

    fn withdraw(&mut self, entry: &Entry, invite: &Uuid) -> Applied {
        self.is_admin(entry)?;
        self.invites.remove(invite).map(drop).ok_or(Refusal::Unknown)
    }

    fn join(
        &mut self,
        entry: &Entry,
        verifier: &impl Verifier,
        (id, proof): (&Uuid, &Signature),
        member: &Member,
        device: &Device,
        seals: &[Seal],
    ) -> Applied {
        let invite = self.invites.remove(id).ok_or(Refusal::NotInvited)?.invite;
        let message = join_proof(&self.workspace, id, member, device);
        if entry.time > invite.expires || !verifier.verify(&invite.signing, &message, proof) {
            return Err(Refusal::NotInvited);
        }
        // A machine has no account, so no key but its device's.
        if (invite.role == Role::Machine) != (member.signing == device.key) {
            return Err(Refusal::Malformed);
        }
        self.check_seals(seals, &member.account, invite.role, &invite.scopes)?;
        self.add_member(entry.seq, member, invite.role, invite.scopes)?;
        self.add_device(member.account, entry.seq, device)
    }

    fn remove_device(&mut self, entry: &Entry, device: &Uuid) -> Applied {
        let owner = self.device(device).ok_or(Refusal::Unknown)?.account;
        if owner != entry.author {
            self.is_admin(entry)?;
        }
        if let Some(device) = self.devices.get_mut(device) {
            close(&mut device.spans, entry.seq);
        }
        Ok(())
    }

    fn set_role(&mut self, entry: &Entry, account: &Uuid, role: Role) -> Applied {
        self.is_admin(entry)?;
        let before = self.member(account).ok_or(Refusal::Unknown)?.role;
        if before == Role::Machine || role == Role::Machine || before == role {
            return Err(Refusal::NotAllowed);
        }
        if let Some(member) = self.members.get_mut(account) {
            member.role = role;
        }
        self.has_admin()
    }

    fn remove(&mut self, entry: &Entry, account: &Uuid, epoch: &Epoch) -> Applied {
        self.is_admin(entry)?;
        self.member(account).ok_or(Refusal::Unknown)?;
        if let Some(member) = self.members.get_mut(account) {
            close(&mut member.spans, entry.seq);
        }
        for device in self.devices.values_mut().filter(|device| device.account == *account) {
            close(&mut device.spans, entry.seq);
        }
        // What the leaver sent out could let the leaver in again.
        self.invites.retain(|_, invited| invited.by != *account);
        self.has_admin()?;
        self.begin_epoch(entry.seq, epoch)
    }

    fn set_policy(&mut self, entry: &Entry, version: u64) -> Applied {
        self.is_admin(entry)?;
        if version != self.policy + 1 {
            return Err(Refusal::NotNextEpoch);
        }
        self.policy = version;
        Ok(())
    }

    fn add_member(&mut self, since: u64, member: &Member, role: Role, scopes: Vec<Hash>) -> Applied {
        let (signing, receiving) = (member.signing, member.receiving);
        let before = self.members.get(&member.account).map(|joined| {
            let same = joined.signing == signing && joined.receiving == receiving && !is_open(&joined.spans);
            same.then(|| joined.spans.clone()).ok_or(Refusal::Used)
        });
        let mut spans = match before {
            Some(spans) => spans?,
            None => {
                self.use_id(member.account)?;
                self.use_key(signing)?;
                self.use_key(receiving)?;
                Vec::new()
            }
        };
        spans.push(Span::open(since));
        self.members.insert(member.account, Joined { role, signing, receiving, scopes, spans });
        Ok(())
    }

    fn add_device(&mut self, account: Uuid, since: u64, device: &Device) -> Applied {
        if self.devices().filter(|(_, device)| device.account == account).count() >= limits::DEVICES {
            return Err(Refusal::TooMany);
        }
        if let Some(known) = self.devices.get_mut(&device.device) {
            let again = known.account == account && known.key == device.key && !is_open(&known.spans);
            return again.then(|| known.spans.push(Span::open(since))).ok_or(Refusal::Used);
        }
        self.use_id(device.device)?;
        // A machine's signing key is its device's, and was counted with the member.
        let machine = |member: &&Joined| member.role == Role::Machine && member.signing == device.key;
        if self.member(&account).filter(machine).is_none() {
            self.use_key(device.key)?;
        }
        let spans = vec![Span::open(since)];
        self.devices.insert(device.device, Registered { account, key: device.key, spans });
        Ok(())
    }

    fn begin_epoch(&mut self, since: u64, epoch: &Epoch) -> Applied {
        if epoch.number != self.epoch() + 1 || epoch.previous.is_none() != (epoch.number == 1) {
            return Err(Refusal::NotNextEpoch);
        }
        if self.epochs.iter().any(|(commitment, _)| *commitment == epoch.commitment) {
            return Err(Refusal::Used);
        }
        self.epochs.push((epoch.commitment, since));
        let given: BTreeSet<_> = epoch.seals.iter().map(|seal| (seal.recipient, seal.epoch, seal.scope)).collect();
        if given.len() != epoch.seals.len() || given != self.expected_seals() {
            return Err(Refusal::WrongSeals);
        }
        Ok(())
    }

    /// Whom a new epoch is sealed to: everybody who is there or invited, a machine once for each of its scopes.
    fn expected_seals(&self) -> BTreeSet<(Uuid, u64, Option<Hash>)> {
        let members = self.members().map(|(id, member)| (*id, member.scopes.as_slice()));
        let invited = self.invites().map(|(id, invited)| (*id, invited.invite.scopes.as_slice()));
        let epoch = self.epoch();
        members
            .chain(invited)
            .flat_map(|(id, scopes)| {
                let whole = scopes.is_empty().then_some((id, epoch, None));
                whole.into_iter().chain(scopes.iter().map(move |scope| (id, epoch, Some(*scope))))
            })
            .collect()
    }

    /// A member is sealed the current epoch; a machine the key of each of its scopes, of every epoch it is given.
    fn check_seals(&self, seals: &[Seal], recipient: &Uuid, role: Role, scopes: &[Hash]) -> Applied {
        let given: BTreeSet<_> = seals.iter().map(|seal| (seal.epoch, seal.scope)).collect();
        let theirs = seals.iter().all(|seal| seal.recipient == *recipient);
        let needed = |scope| given.contains(&(self.epoch(), scope));
        let known = |(epoch, scope): &(u64, Option<Hash>)| match (role, scope) {
            (Role::Machine, Some(scope)) => (1..=self.epoch()).contains(epoch) && scopes.contains(scope),
            (Role::Member | Role::Admin, None) => *epoch == self.epoch(),
            _ => false,
        };
        let complete =
            if role == Role::Machine { scopes.iter().all(|scope| needed(Some(*scope))) } else { needed(None) };
        let right = theirs && complete && given.len() == seals.len() && given.iter().all(known);
        if right { Ok(()) } else { Err(Refusal::WrongSeals) }
    }

    fn is_admin(&self, entry: &Entry) -> Applied {
        let admin = self.member(&entry.author).is_some_and(|author| author.role == Role::Admin);
        if admin { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    fn may_write(&self, entry: &Entry) -> Applied {
        let writes = self.member(&entry.author).is_some_and(|author| author.role >= Role::Member);
        if writes { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    fn has_admin(&self) -> Applied {
        let admin = self.members().any(|(_, member)| member.role == Role::Admin);
        if admin { Ok(()) } else { Err(Refusal::LastAdmin) }
    }

    fn recipients(&self) -> usize {
        self.members().count() + self.invites.len()
    }

    fn use_id(&mut self, id: Uuid) -> Applied {
        if self.ids.insert(id) { Ok(()) } else { Err(Refusal::Used) }
    }

    fn use_key(&mut self, key: PublicKey) -> Applied {
        if self.keys.insert(key) { Ok(()) } else { Err(Refusal::Used) }
    }
}

fn are_distinct(scopes: &[Hash]) -> bool {
    scopes.iter().collect::<BTreeSet<_>>().len() == scopes.len()
}
