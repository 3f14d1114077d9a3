//! What the account signs into a workspace's membership chain.

use agentsecrets_wire::chain::{Act, Device, Entry, Epoch, Invite, Member, Role, State};
use agentsecrets_wire::{Hash, Signed};
use jiff::Timestamp;
use uuid::Uuid;

use super::super::signer::Session;
use super::super::token::TokenSink;
use super::act::{ChainAct, MachinePlace, SharedAct, sentence};
use super::expiry;
use crate::crypto::{self, AccountSigning, EpochKey, InviteCode, PolicyBlob};
use crate::error::{Error, ErrorCode, Result};
use crate::home::Unlock;
use crate::policy::{Enrolment, MachineEnvironment, SharedPolicy};
use crate::secret_ref::Label;
use crate::sync::{Account, Chain, Folder, Piece, Ring};

/// How long an invitation counts unless the owner says otherwise.
const INVITED: &str = "7d";
/// How long a machine counts unless the owner says otherwise.
const ENROLLED: &str = "30d";

/// The workspace as the child has verified it, with what signs and opens.
struct Bench {
    account: Account,
    signing: AccountSigning,
    chain: Chain,
    ring: Ring,
    policy: Option<SharedPolicy>,
    now: Timestamp,
    entries: Vec<Signed<Entry>>,
}

impl Session {
    pub(super) fn sign_chain(
        &mut self,
        workspace: Uuid,
        act: &ChainAct,
        sink: &TokenSink,
    ) -> Result<(Vec<Signed<Entry>>, Vec<String>)> {
        let before = self.config.unlock != Unlock::Passphrase;
        let named = if before { self.name_of(workspace)? } else { None };
        let place = named.map_or_else(|| workspace.to_string(), |name| name.to_string());
        self.open(&[match act {
            ChainAct::Create { .. } => sentence(act),
            _ => format!("In the workspace {place}: {}", sentence(act)),
        }])?;
        if let (false, Some(name)) = (before, self.name_of(workspace)?) {
            // Its name lies under the key that the passphrase opens.
            self.tell(&format!("  The workspace is {name}.\n"))?;
        }
        let mut bench = self.bench(workspace, act)?;
        let said = match act {
            ChainAct::Create { name, project } => bench.create(name, project)?,
            ChainAct::Invite { admin, expires } => {
                let role = if *admin { Role::Admin } else { Role::Member };
                let until = expiry(expires.as_deref(), INVITED, bench.now)?;
                let code = bench.code(false)?;
                bench.invite(&code, role, Vec::new(), until)?;
                deliver(
                    &code,
                    sink,
                    "The invitation's code, shown this once; give it to the one it is for, by a way you trust",
                )?;
                format!("Whoever has the code may join until {until:.0}")
            }
            ChainAct::AddMachine { name, places, expires } => {
                let until = expiry(expires.as_deref(), ENROLLED, bench.now)?;
                let code = bench.add_machine(name, places, until)?;
                deliver(&code, sink, "The machine's enrolment, shown this once")?;
                format!("A machine with the enrolment, {name}, may join until {until:.0}")
            }
            ChainAct::Withdraw { invite } => {
                bench.say(Act::Withdraw { invite: *invite })?;
                "The invitation counts no more".to_owned()
            }
            ChainAct::SetRole { account, called, admin } => {
                bench.is_called(*account, called)?;
                let role = if *admin { Role::Admin } else { Role::Member };
                bench.say(Act::SetRole { account: *account, role })?;
                sentence(act)
            }
            ChainAct::Remove { account, called } => {
                bench.is_called(*account, called)?;
                bench.remove(*account)?;
                sentence(act)
            }
            ChainAct::Rotate => {
                let epoch = bench.next_epoch(bench.chain.state())?;
                bench.say(Act::Rotate { epoch })?;
                sentence(act)
            }
            ChainAct::AddDevice => {
                let device = Device { device: bench.account.device, key: bench.account.device_key };
                bench.say(Act::AddDevice { device })?;
                sentence(act)
            }
            ChainAct::Policy(change) => bench.change_policy(change)?,
        };
        Ok((bench.entries, vec![said]))
    }

    /// What this home calls a workspace, as far as it has taken it in.
    fn name_of(&self, workspace: Uuid) -> Result<Option<Label>> {
        let joined = super::super::load_shared(&self.home, &self.config, self.use_key()?)?;
        Ok(joined.into_iter().find(|one| one.id == workspace).map(|one| one.policy.name))
    }

    fn bench(&self, workspace: Uuid, act: &ChainAct) -> Result<Bench> {
        let folder = Folder::of(&self.home, &self.config);
        let (account, signing, receiving) = self.account_keys()?;
        let (chain, ring, policy) = if matches!(act, ChainAct::Create { .. }) {
            (Chain::empty(workspace), Ring::none(workspace), None)
        } else {
            let known = folder.known(self.use_key()?, workspace)?;
            let chain = Chain::load(&folder, workspace, known.as_ref())?;
            let ring = Ring::open(&chain, account.account, &receiving)?;
            let policy = crate::sync::open_policy(&chain, &ring)?.map(|(_, policy)| policy);
            (chain, ring, policy)
        };
        Ok(Bench { account, signing, chain, ring, policy, now: Timestamp::now(), entries: Vec::new() })
    }
}

impl Bench {
    /// Signs the next entry, and applies it as every member will.
    fn say(&mut self, act: Act) -> Result<()> {
        let entry = self.chain.next(self.account.account, self.now, act);
        let signed = Signed::make(&entry, |bytes| self.signing.sign(bytes));
        self.chain.extend(vec![signed.clone()]).map_err(|why| refused(&why))?;
        self.entries.push(signed);
        Ok(())
    }

    fn create(&mut self, name: &Label, project: &Label) -> Result<String> {
        let workspace = self.chain.state().workspace();
        let key = EpochKey::make(1)?;
        let label = crypto::seal_label(&key, workspace, self.account.account, self.label())?;
        let member = Member {
            account: self.account.account,
            signing: self.account.signing,
            receiving: self.account.receiving,
            label: label.into(),
        };
        let device = Device { device: self.account.device, key: self.account.device_key };
        let seal = key.seal_to(workspace, self.account.account, &self.account.receiving)?;
        let epoch = Epoch { number: 1, commitment: key.commitment(workspace), previous: None, seals: vec![seal] };
        self.say(Act::Genesis { member, device, epoch })?;
        self.ring = Ring::of_epochs(workspace, vec![key])?;
        let mut policy = SharedPolicy::new(name.clone());
        let _ = policy.create_project(project.clone())?;
        self.set_policy(policy)?;
        Ok(format!("{name} is a workspace of its own now, with the project {project}"))
    }

    /// A code that names the chain's end as its author sees it.
    fn code(&self, machine: bool) -> Result<InviteCode> {
        InviteCode::make(&self.account.server, self.chain.head()?.hash, machine)
    }

    fn invite(&mut self, code: &InviteCode, role: Role, scopes: Vec<Hash>, expires: Timestamp) -> Result<()> {
        let keys = code.keys()?;
        let workspace = self.chain.state().workspace();
        let seals = if scopes.is_empty() {
            vec![self.ring.epoch_key(self.ring.epoch())?.seal_to(workspace, code.id(), &keys.receiving_public())?]
        } else {
            // Every epoch's, so that what was written before opens too.
            let mut seals = Vec::new();
            for scope in &scopes {
                for epoch in 1..=self.ring.epoch() {
                    let key = self.ring.scope_key(epoch, *scope)?;
                    seals.push(key.seal_to(workspace, code.id(), &keys.receiving_public())?);
                }
            }
            seals
        };
        let invite = Invite {
            invite: code.id(),
            role,
            scopes,
            signing: keys.signing_public(),
            receiving: keys.receiving_public(),
            expires,
            seals,
        };
        self.say(Act::Invite { invite })
    }

    fn add_machine(&mut self, name: &Label, places: &[MachinePlace], expires: Timestamp) -> Result<InviteCode> {
        self.is_free(name)?;
        let code = self.code(true)?;
        let mut policy = self.policy.clone().ok_or_else(no_policy)?;
        let named: Vec<(Uuid, Label)> = places
            .iter()
            .map(|place| Ok((policy.project_named(&place.project)?.id, place.environment.clone())))
            .collect::<Result<_>>()?;
        let scopes = named.iter().map(|(project, environment)| self.ring.scope_of(*project, environment));
        let mut scopes = scopes.collect::<Result<Vec<Hash>>>()?;
        scopes.sort_unstable();
        scopes.dedup();
        for (project, environment) in &named {
            let place = MachineEnvironment { project: *project, environment: environment.clone() };
            if !policy.machines.contains(&place) {
                policy.machines.push(place);
            }
        }
        policy.enrolments.push(Enrolment { invite: code.id(), name: name.clone() });
        // The policy first, with a piece for each of the machine's scopes: what it joins, it can read.
        self.seal_policy(policy, &named)?;
        self.invite(&code, Role::Machine, scopes, expires)?;
        Ok(code)
    }

    /// Refuses a name that a machine has, or one that was enrolled and has not joined yet.
    fn is_free(&self, name: &Label) -> Result<()> {
        let enrolments = self.policy.as_ref().map(|policy| policy.enrolments.as_slice()).unwrap_or_default();
        let state = self.chain.state();
        let joined = |id: &Uuid| {
            self.chain.said().iter().any(|entry| {
                let Act::Join { invite, member, .. } = &entry.act else { return false };
                invite == id && state.member(&member.account).is_some()
            })
        };
        let taken = |id: &Uuid| state.invites().any(|(other, _)| other == id) || joined(id);
        if enrolments.iter().any(|one| one.name == *name && taken(&one.invite)) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("there is a machine {name} already"))
                .with_hint(format!("agentsecrets workspace remove {name}  # or withdraw its enrolment")));
        }
        Ok(())
    }

    /// Whether the member that the human named is the one that the act is about.
    fn is_called(&self, account: Uuid, called: &str) -> Result<()> {
        match crate::sync::called(&self.chain, &self.ring, self.policy.as_ref(), account) {
            Some(name) if name == called => Ok(()),
            _ => Err(Error::new(ErrorCode::NotAMember, format!("that member is not called {called}"))
                .with_hint("agentsecrets workspace members")),
        }
    }

    fn remove(&mut self, account: Uuid) -> Result<()> {
        let mut rest = self.chain.state().clone();
        rest.forget(&account);
        let epoch = self.next_epoch(&rest)?;
        self.say(Act::Remove { account, epoch })
    }

    /// A new key, sealed to everybody who will be there.
    fn next_epoch(&self, state: &State) -> Result<Epoch> {
        let (workspace, number) = (state.workspace(), self.ring.epoch() + 1);
        let key = EpochKey::make(number)?;
        let names = self.ring.names()?;
        let mut seals = Vec::new();
        let members = state.members().map(|(id, member)| (*id, member.receiving, member.scopes.clone()));
        let invited = state.invites().map(|(id, one)| (*id, one.invite.receiving, one.invite.scopes.clone()));
        for (id, receiving, scopes) in members.chain(invited) {
            if scopes.is_empty() {
                seals.push(key.seal_to(workspace, id, &receiving)?);
            }
            for scope in scopes {
                seals.push(key.scope(workspace, scope, names)?.seal_to(workspace, id, &receiving)?);
            }
        }
        let previous = key.seal_previous(workspace, self.ring.epoch_key(self.ring.epoch())?)?;
        Ok(Epoch { number, commitment: key.commitment(workspace), previous: Some(previous), seals })
    }

    fn change_policy(&mut self, change: &SharedAct) -> Result<String> {
        let mut policy = self.policy.clone().ok_or_else(no_policy)?;
        let change = change.apply(&mut policy, self.now)?;
        if change.changed {
            self.set_policy(policy)?;
        }
        Ok(change.says)
    }

    fn set_policy(&mut self, policy: SharedPolicy) -> Result<()> {
        self.seal_policy(policy, &[])
    }

    /// Seals the policy for the members, and a piece of it for each scope that a machine has or gets.
    fn seal_policy(&mut self, policy: SharedPolicy, new: &[(Uuid, Label)]) -> Result<()> {
        let workspace = self.chain.state().workspace();
        let version = self.chain.state().policy() + 1;
        let epoch = self.ring.epoch();
        let mut blob = PolicyBlob::seal(workspace, version, self.ring.epoch_key(epoch)?, &policy.to_bytes())?;
        for (project, environment) in self.machine_places(&policy, new)? {
            let scope = self.ring.scope_of(project, &environment)?;
            let part = policy.narrowed_to(project, &environment);
            let piece = Piece { project, environment, policy: part };
            let text = serde_json::to_vec(&piece).map_err(|_| no_policy())?;
            blob.add_scope(workspace, version, &self.ring.scope_key(epoch, scope)?, &text)?;
        }
        self.say(Act::SetPolicy { version, sealed: blob.to_bytes().into() })?;
        self.policy = Some(policy);
        Ok(())
    }

    /// The places that machines read: those of the members' scopes, found among the projects' environments, and the new ones.
    fn machine_places(&self, policy: &SharedPolicy, new: &[(Uuid, Label)]) -> Result<Vec<(Uuid, Label)>> {
        let state = self.chain.state();
        let members = state.members().flat_map(|(_, member)| member.scopes.clone());
        let invited = state.invites().flat_map(|(_, one)| one.invite.scopes.clone());
        let wanted: Vec<Hash> = members.chain(invited).collect();
        let mut places = new.to_vec();
        if wanted.is_empty() {
            return Ok(places);
        }
        for (project, environment) in crate::sync::known_places(policy) {
            if wanted.contains(&self.ring.scope_of(project, &environment)?)
                && !places.contains(&(project, environment.clone()))
            {
                places.push((project, environment));
            }
        }
        Ok(places)
    }

    fn label(&self) -> &str {
        self.account.email.as_deref().unwrap_or("a member")
    }
}

/// A rule of the chain that the author's own act would break, in words for the author.
fn refused(why: &Error) -> Error {
    Error::new(ErrorCode::NotAnAdmin, format!("the workspace does not take this from you: {}", why.message()))
        .with_hint("agentsecrets workspace members")
}

fn no_policy() -> Error {
    Error::new(ErrorCode::PolicyInvalid, "the workspace has no policy yet").with_hint("agentsecrets secrets pull")
}

fn deliver(code: &InviteCode, sink: &TokenSink, says: &str) -> Result<()> {
    let place = sink.open()?;
    if *sink == TokenSink::Terminal {
        super::super::prompt::say(&format!("{says}:\n"))?;
    }
    sink.deliver_text(place, code.text().as_slice())
}
