//! What is asked besides calls. Nothing here loosens a limit.

mod places;
mod sharing;

use serde_json::Value;
use std::sync::Arc;

use super::caller::identify;
use super::loaded::Loaded;
use super::open::Engine;
use crate::audit::Event;
use crate::context::{Place, Selection};
use crate::control::{ActKind, Ask, Checked, GrantInfo, Problem, Question, SecretInfo, SignedAct, Status};
use crate::error::{Error, ErrorCode, Result};
use crate::owner;
use crate::policy::{Agent, Bound, DenyEntry, Rule};
use crate::resolve::in_background;
use crate::secret_ref::SecretName;
use crate::store::{HomeLock, Listed};

impl Engine {
    /// Answers a question.
    pub(crate) async fn ask(self: &Arc<Self>, question: &Question) -> Result<Value> {
        if let Some(answer) = self.of_sharing(question).await? {
            return Ok(answer);
        }
        let (engine, question) = (Arc::clone(self), question.clone());
        in_background(move || engine.answer(&question)).await
    }

    fn answer(&self, question: &Question) -> Result<Value> {
        let selection = &question.selection;
        match &question.ask {
            Ask::Status => json(&self.status(selection)),
            Ask::Secrets => json(&self.listing(selection)?),
            Ask::Check { names } => json(&self.check(selection, names)?),
            Ask::Grants { name } => json(&self.grants(selection, name.as_ref())?),
            Ask::Allowlist => json(&self.allowlist(selection)?),
            Ask::Environments => json(&self.environments(&self.place(selection)?)?),
            Ask::Projects => json(&self.projects(selection)?),
            Ask::UseEnvironment { environment } => json(&self.use_environment(selection, environment)?),
            Ask::UseProject { project } => json(&self.use_project(selection, project)?),
            Ask::Deny { name, rules } => json(&self.deny(selection, name, rules)?),
            Ask::Delete { name, act } => json(&self.delete(&self.place(selection)?, name, act.as_ref())?),
            Ask::Anchor => json(&self.audit.anchor()),
            Ask::Agents => json(&self.agents(selection)?),
            Ask::Tokens { agent } => json(&self.tokens(selection, agent.as_ref())?),
            Ask::Approvals => json(&self.waiting_calls()),
            Ask::Decide { decision } => json(&self.decide(decision)?),
            Ask::Copy { act } => json(&self.copy(selection, act)?),
            Ask::Limits => json(&self.limits(selection)?),
            Ask::RevokeToken { id } => json(&self.revoke(selection, id)?),
            Ask::Logs { query } => json(&crate::audit::list(&self.home.audit(), query)?),
            Ask::Shares => json(&self.shares()?),
            Ask::StopShare { path } => json(&self.stop_share(selection, path)?),
            Ask::Workspaces => json(&self.workspaces(selection)?),
            Ask::UseWorkspace { workspace } => json(&self.use_workspace(selection, workspace)?),
            Ask::SyncStatus => json(&self.sync_status(selection)?),
            Ask::WorkspaceLog => json(&self.workspace_log(selection)?),
            // Asked of the server too, and answered before.
            Ask::Diff { .. }
            | Ask::Pull { .. }
            | Ask::Push { .. }
            | Ask::Members
            | Ask::Append { .. }
            | Ask::Follow
            | Ask::Leave
            | Ask::History { .. } => Err(Error::new(ErrorCode::Internal, "this is answered elsewhere")),
        }
    }

    fn delete(&self, place: &Place, name: &SecretName, act: Option<&SignedAct>) -> Result<()> {
        let listed = self.listed(place, name)?;
        if let Some(listed) = &listed {
            self.authorised(act, ActKind::Delete, place, listed)?;
        }
        self.vault()?.delete(&place.in_store(), name)
    }

    /// Refuses unless the owner signed this very act on this very record.
    pub(super) fn authorised(
        &self,
        act: Option<&SignedAct>,
        kind: ActKind,
        place: &Place,
        listed: &Listed,
    ) -> Result<()> {
        let refused = |what: &str| {
            Error::new(ErrorCode::OwnerRequired, format!("{} {what}", listed.name))
                .with_hint("run the command at a terminal, or give the passphrase with --passphrase-fd N")
        };
        let Some(act) = act else { return Err(refused("has a value; replacing or deleting it is the owner's act")) };
        let act = owner::verify_act(&self.config, act)?;
        let record = listed.record.to_string();
        let names_it = act.records.iter().any(|(name, id)| *name == listed.name && *id == record);
        if act.kind == kind && act.is_of(self.shared_id(place)?, &place.project, &place.environment) && names_it {
            return Ok(());
        }
        Err(refused("was changed since the owner signed"))
    }

    fn listed(&self, place: &Place, name: &SecretName) -> Result<Option<Listed>> {
        Ok(self.vault()?.list(&place.in_store())?.into_iter().find(|listed| listed.name == *name))
    }

    pub(super) fn secrets(&self, place: &Place) -> Result<Vec<SecretInfo>> {
        let loaded = self.loaded()?;
        let info = |listed: Listed| SecretInfo {
            destinations: destinations(&loaded, place, &listed.name, None),
            source: None,
            name: listed.name,
            version: listed.version,
            record: listed.record.to_string(),
            created: listed.created,
            updated: listed.updated,
        };
        let mut secrets = self.vault()?.list(&place.in_store())?.into_iter().map(info).collect();
        super::sources::add_listed(&loaded, place, &mut secrets);
        Ok(secrets)
    }

    /// What the caller may know of: an agent with a token sees the names that are granted to it.
    pub(super) fn listing(&self, selection: &Selection) -> Result<Vec<SecretInfo>> {
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        let mut secrets = self.secrets(&place)?;
        if let Some(agent) = identify(&loaded, selection.agent_token.as_ref()).1? {
            let visible = loaded.document.visible_to(agent);
            secrets.retain(|info| visible.contains(&info.name));
            for info in &mut secrets {
                info.destinations = destinations(&loaded, &place, &info.name, Some(agent));
            }
        }
        Ok(secrets)
    }

    pub(super) fn check(&self, selection: &Selection, names: &[SecretName]) -> Result<Vec<Checked>> {
        let secrets = self.listing(selection)?;
        let checked = |name: &SecretName| {
            let found = secrets.iter().find(|info| info.name == *name);
            Checked {
                name: name.clone(),
                present: found.is_some(),
                granted: found.is_some_and(|info| !info.destinations.is_empty()),
                record: found.map(|info| info.record.clone()).filter(|record| !record.is_empty()),
                source: found.and_then(|info| info.source.clone()),
            }
        };
        Ok(names.iter().map(checked).collect())
    }

    pub(super) fn grants(&self, selection: &Selection, name: Option<&SecretName>) -> Result<Vec<GrantInfo>> {
        let loaded = self.loaded()?;
        let place = self.place(selection)?;
        let agent = identify(&loaded, selection.agent_token.as_ref()).1?;
        let now = jiff::Timestamp::now();
        let own = |grant: &&crate::policy::Grant| {
            grant.project == place.project_id
                && name.is_none_or(|name| grant.secret == *name)
                && Bound::is_told_to(grant.terms.agent.as_ref(), agent)
        };
        let info = |grant: &crate::policy::Grant| GrantInfo {
            secret: grant.secret.clone(),
            project: place.project.clone(),
            rule: grant.terms.rule.to_string(),
            slots: grant.terms.slots.iter().map(ToString::to_string).collect(),
            methods: grant.terms.methods.iter().map(ToString::to_string).collect(),
            environment: grant.terms.environment.clone(),
            expires: grant.terms.expires,
            private: grant.terms.private,
            permit_headers: grant.terms.permit_headers.iter().map(ToString::to_string).collect(),
            agent: grant.terms.agent.as_ref().map(|bound| bound.name.clone()),
            approve: grant.terms.approve,
            limits: loaded.document.limits_of(grant, agent),
            source: super::sources::program_of(&loaded, &place, &grant.secret),
            state: match (grant.expired(now), loaded.overlay.takes_away(grant, &loaded.document.grants)) {
                (_, true) => "denied",
                (true, false) => "expired",
                (false, false) => "active",
            }
            .to_owned(),
            discloses: false,
            command: None,
            program: None,
            provider: None,
        };
        let doors = super::doors::listed(&loaded, &place, name, agent, now);
        Ok(loaded.document.grants.iter().filter(own).map(info).chain(doors).collect())
    }

    /// Takes a permission away.
    fn deny(&self, selection: &Selection, name: &SecretName, rules: &[String]) -> Result<Vec<GrantInfo>> {
        let place = self.place(selection)?;
        let parsed = rules.iter().map(|text| Rule::parse(text)).collect::<Result<Vec<_>>>()?;
        let lock = HomeLock::acquire(self.home.root())?;
        let loaded = self.loaded()?;
        let mut overlay = loaded.overlay.clone();
        let targets = if parsed.is_empty() { vec![None] } else { parsed.into_iter().map(Some).collect() };
        let mut added = false;
        for rule in targets {
            let entry =
                DenyEntry { project: place.project_id, secret: name.clone(), rule, serial: loaded.document.serial };
            added |= overlay.deny(entry);
        }
        if added {
            let (who, _) = identify(&loaded, selection.agent_token.as_ref());
            let event = Event {
                workspace: Some(place.workspace.clone()),
                project: Some(place.project.clone()),
                environment: Some(place.environment.clone()),
                secrets: vec![name.clone()],
                agent: who.agent,
                ..Event::new(who.identity, self.isolation)
            };
            self.subtract(&lock, overlay, &event)?;
        }
        self.grants(selection, Some(name))
    }

    pub(super) fn status(&self, selection: &Selection) -> Status {
        let loaded = self.loaded();
        let place = self.place(selection);
        let agent = loaded.as_ref().ok().map(|loaded| identify(loaded, selection.agent_token.as_ref()).1);
        let at = place.as_ref().ok();
        let secrets = at.and_then(|place| Some(self.secrets(place).ok()?.len()));
        let grants = loaded.as_ref().ok().zip(at).map(|(loaded, place)| {
            let own = loaded.document.grants.iter().filter(|grant| grant.project == place.project_id).count();
            own + loaded.document.doors.iter().filter(|door| door.project == place.project_id).count()
        });
        let disclosed = loaded
            .as_ref()
            .ok()
            .zip(at)
            .map(|(loaded, place)| super::doors::disclosed(loaded, place))
            .unwrap_or_default();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            home: self.home.root().display().to_string(),
            isolation: self.isolation.as_str().to_owned(),
            broker_pid: (self.isolation == crate::audit::Isolation::Broker).then(std::process::id),
            store: self.config.store.to_string(),
            use_key: self.config.unlock.kind().to_owned(),
            locked: self.is_locked(),
            owner: self.config.owner,
            workspace: at.map(|place| place.workspace.clone()),
            project: at.map(|place| place.project.clone()),
            environment: at.map(|place| place.environment.clone()),
            secrets,
            grants,
            agent: agent.as_ref().and_then(|agent| Some(agent.as_ref().ok()?.as_ref()?.name.clone())),
            limits: loaded.as_ref().ok().zip(at).map(|(loaded, place)| {
                loaded.document.limits.iter().filter(|limit| limit.subject.project == place.project_id).count()
            }),
            shares: self.shares().unwrap_or_default(),
            disclosed,
            egress: loaded.as_ref().ok().and_then(|loaded| owner::egress_of(&loaded.document)),
            policy_serial: loaded.as_ref().ok().map(|loaded| loaded.document.serial),
            problem: loaded
                .as_ref()
                .err()
                .or(place.as_ref().err())
                .or(agent.as_ref().and_then(|agent| agent.as_ref().err()))
                .map(Problem::from),
            audit_records: Some(self.audit.anchor().seq),
            memory: Some(crate::resolve::memory_report()),
        }
    }
}

/// Where a name may go, as rules; for an agent, those that are its own or everybody's.
pub(super) fn destinations(loaded: &Loaded, place: &Place, name: &SecretName, agent: Option<&Agent>) -> Vec<String> {
    let own = |grant: &&crate::policy::Grant| {
        let told = Bound::is_told_to(grant.terms.agent.as_ref(), agent);
        grant.project == place.project_id && grant.secret == *name && told
    };
    loaded.document.grants.iter().filter(own).map(|grant| grant.terms.rule.short()).collect()
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|_| Error::new(ErrorCode::Internal, "an answer cannot be written"))
}
