//! The effective policy, and the one question it answers.

use std::collections::{HashMap, HashSet};

use http::{HeaderMap, Method};
use jiff::Timestamp;
use uuid::Uuid;

use super::agent::{Agent, stranger};
use super::beside::Beside;
use super::deny::DenyOverlay;
use super::document::{Document, Project};
use super::grant::Grant;
use super::header;
use super::path::{PathPattern, ambiguity};
use super::reach::{Reach, is_in, reach};
use super::refusal::Wanted;
use super::rule::Rule;
use super::slot::Slot;
use crate::call::Injection;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::SafeUrl;
use crate::secret_ref::{Label, SecretName};
use crate::send::address::AddressScope;

/// What a caller asks for. Headers are its own, without those that carry a placeholder.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The project the call runs in.
    pub(crate) project: Uuid,
    /// Its name.
    pub(crate) project_name: &'a Label,
    /// The environment the call runs in.
    pub(crate) environment: &'a Label,
    /// The method.
    pub(crate) method: &'a Method,
    /// The URL that will be sent.
    pub(crate) url: &'a SafeUrl,
    /// The caller's own headers.
    pub(crate) headers: &'a HeaderMap,
    /// The names, and where their values would go.
    pub(crate) injections: &'a [Injection],
    /// The agent that asks, where a token says so.
    pub(crate) agent: Option<&'a Agent>,
    /// The present.
    pub(crate) now: Timestamp,
}

/// What the owner granted minus what was denied: built once, asked by every call.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(super) workspaces: HashMap<Label, Uuid>,
    /// By workspace and name.
    pub(super) projects: HashMap<(Uuid, Label), Place>,
    /// The workspace of each project.
    pub(super) homes: HashMap<Uuid, Uuid>,
    secrets: HashMap<Uuid, HashMap<SecretName, Entry>>,
    /// The home's own, which every call passes.
    pub(super) allowlist: Option<Vec<Rule>>,
    /// Those of shared workspaces, which calls with their secrets pass too.
    pub(super) shared: HashMap<Uuid, Vec<Rule>>,
    /// The projects that have registered agents.
    guarded: HashSet<Uuid>,
}

/// A project, and whether a human chose it for anything here.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: Uuid,
    pub(super) linked: bool,
}

#[derive(Debug, Default)]
struct Entry {
    grants: Vec<Grant>,
    /// The newest serial at which everything was denied; grants signed later count again.
    denied_until: Option<u64>,
    /// What is denied; with a serial, to the grants until it alone.
    denies: Vec<(Rule, Option<u64>)>,
}

/// The proof that a call was permitted. [`Policy::check`] makes it and nothing else does.
#[derive(Debug)]
pub(crate) struct Permitted {
    url: SafeUrl,
    scope: AddressScope,
    path: Option<PathPattern>,
    /// The agent that asked, so that a hint loosens nothing for another.
    pub(super) agent: Option<Label>,
    /// Whether a secret goes only under grants that a human approves call by call.
    approval: bool,
    checked: Vec<Checked>,
}

/// One injection as it was checked: what is resolved is what was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The workspace that the project is in.
    pub(crate) workspace: Uuid,
    /// The project that holds the secret.
    pub(crate) project: Uuid,
    /// The environment.
    pub(crate) environment: Label,
    /// The secret.
    pub(crate) secret: SecretName,
    /// The rule that lets it go.
    pub(super) rule: Rule,
}

impl Permitted {
    /// A call without a name, to where a rule of the allowlist lets it go.
    pub(super) fn bare(asked: &Asked<'_>, rule: &Rule) -> Self {
        Self {
            url: asked.url.clone(),
            scope: rule.scope(false),
            path: rule.path().cloned(),
            agent: asked.agent.map(|agent| agent.name.clone()),
            approval: false,
            checked: Vec::new(),
        }
    }

    /// The URL that was asked about, and the only one the values may go to.
    pub(crate) fn url(&self) -> &SafeUrl {
        &self.url
    }

    /// The addresses the host may have.
    pub(crate) fn scope(&self) -> AddressScope {
        self.scope
    }

    /// The path of the rule that matched, where it has one: the audit's template.
    pub(crate) fn path_pattern(&self) -> Option<&PathPattern> {
        self.path.as_ref()
    }

    /// Whether a human approves the call before any value is opened.
    pub(crate) fn wants_approval(&self) -> bool {
        self.approval
    }

    /// The secrets, in the order of the call's injections.
    pub(crate) fn checked(&self) -> &[Checked] {
        &self.checked
    }
}

impl Policy {
    /// The policy of a verified document and a verified overlay.
    pub(crate) fn new(document: &Document, overlay: &DenyOverlay) -> Self {
        let mut secrets: HashMap<Uuid, HashMap<SecretName, Entry>> = HashMap::new();
        for grant in &document.grants {
            let project = secrets.entry(grant.project).or_default();
            project.entry(grant.secret.clone()).or_default().grants.push(grant.clone());
        }
        for deny in &overlay.entries {
            let project = secrets.entry(deny.project).or_default();
            let entry = project.entry(deny.secret.clone()).or_default();
            match &deny.rule {
                None => entry.denied_until = entry.denied_until.max(Some(deny.serial)),
                Some(rule) if !deny.is_lifted(&entry.grants) => {
                    let until = deny.is_answered(&entry.grants).then_some(deny.serial);
                    entry.denies.push((rule.clone(), until));
                }
                Some(_) => {}
            }
        }
        let workspace = |project| document.workspace_of(project).id;
        let place = |id| Place { id, linked: document.is_linked(id) };
        let named = |project: &Project| ((workspace(project.id), project.name.clone()), place(project.id));
        let binding = |beside: &Beside| Some((beside.workspace.id, beside.allowlist.clone()?));
        Self {
            workspaces: document.workspaces().map(|workspace| (workspace.name.clone(), workspace.id)).collect(),
            projects: document.projects.iter().map(named).collect(),
            homes: document.projects.iter().map(|project| (project.id, workspace(project.id))).collect(),
            secrets,
            allowlist: document.allowlist.clone(),
            shared: document.shared.iter().filter_map(binding).collect(),
            guarded: document.agents.iter().map(|agent| agent.project).collect(),
        }
    }

    /// May these secrets go there?
    ///
    /// # Errors
    /// `agent_required`; `destination_not_allowed`, `slot_not_allowed`, `header_not_allowed` or `nothing_to_inject`,
    /// with the owner's command as the hint; `project_not_found` and `project_not_linked` for a scoped name.
    pub(crate) fn check(&self, asked: &Asked<'_>) -> Result<Permitted> {
        self.check_agent(asked, asked.project, asked.project_name)?;
        if asked.injections.is_empty() {
            return self.check_bare(asked);
        }
        let mut permitted = Permitted {
            url: asked.url.clone(),
            scope: AddressScope::PrivateAllowed,
            path: None,
            agent: asked.agent.map(|agent| agent.name.clone()),
            approval: false,
            checked: Vec::with_capacity(asked.injections.len()),
        };
        let doubt = ambiguity(asked.url.path());
        for injection in asked.injections {
            let wanted = self.wanted(asked, injection, doubt)?;
            let grants = self.matching(&wanted)?;
            check_headers(&wanted, &grants)?;
            // Several allows add up for one secret; several secrets bind one another.
            let scope = |grant: &&Grant| grant.terms.rule.scope(grant.terms.private);
            let scope = grants.iter().map(scope).reduce(AddressScope::widest).unwrap_or(AddressScope::PublicOnly);
            permitted.scope = permitted.scope.strictest(scope);
            permitted.approval |= grants.iter().all(|grant| grant.terms.approve);
            let by_path = grants.iter().find(|grant| grant.terms.rule.path().is_some());
            let rule = &by_path.unwrap_or(&grants[0]).terms.rule;
            permitted.path = permitted.path.or_else(|| rule.path().cloned());
            permitted.checked.push(wanted.checked(rule));
        }
        let of = permitted.checked.iter().map(|checked| checked.workspace);
        self.check_allowlists(asked, of.chain([self.workspace_of(asked.project)]))?;
        Ok(permitted)
    }

    /// Every name granted in the project and environment, with the places its value may have been put in: what an
    /// answer to this caller is searched for. A deny does not take a name out, as its value may have gone before.
    pub(crate) fn granted_secrets<'p>(
        &'p self,
        project: Uuid,
        environment: &Label,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'p SecretName, Vec<&'p Slot>)> {
        self.secrets.get(&project).into_iter().flatten().filter_map(move |(name, entry)| {
            let here = |grant: &&Grant| !grant.expired(now) && is_in(grant, environment);
            let slots: Vec<&Slot> = entry.grants.iter().filter(here).flat_map(|grant| &grant.terms.slots).collect();
            (!slots.is_empty()).then_some((name, slots))
        })
    }

    /// The body fields that are granted at a URL: where a placeholder in a body counts.
    pub(crate) fn body_slots<'p>(
        &'p self,
        project: Uuid,
        environment: &'p Label,
        url: &'p SafeUrl,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'p SecretName, &'p Slot)> {
        self.secrets.get(&project).into_iter().flatten().flat_map(move |(name, entry)| {
            let here =
                move |grant: &&Grant| !grant.expired(now) && is_in(grant, environment) && grant.terms.rule.covers(url);
            let slots = entry.grants.iter().filter(here).flat_map(|grant| &grant.terms.slots);
            slots.filter(|slot| slot.in_body()).map(move |slot| (name, slot))
        })
    }

    /// Whether this agent, or none, may open a door of the project.
    pub(crate) fn check_at_door(&self, project: Uuid, name: &Label, agent: Option<&Agent>) -> Result<()> {
        match agent {
            Some(agent) if agent.project == project => Ok(()),
            None if !self.guarded.contains(&project) => Ok(()),
            agent => Err(stranger(name, agent)),
        }
    }

    /// A token counts in the project its agent is registered in; where agents are registered, nobody else calls.
    pub(super) fn check_agent(&self, asked: &Asked<'_>, project: Uuid, name: &Label) -> Result<()> {
        let free = !self.guarded.contains(&project);
        match asked.agent {
            Some(agent) if agent.project == project || (free && project != asked.project) => Ok(()),
            None if free => Ok(()),
            agent => Err(stranger(name, agent)),
        }
    }

    /// The grants that permit the injection, at least one.
    fn matching<'p>(&'p self, wanted: &Wanted<'_>) -> Result<Vec<&'p Grant>> {
        let secret = wanted.injection.secret.name();
        let Some(entry) = self.secrets.get(&wanted.project).and_then(|project| project.get(secret)) else {
            return Err(wanted.refused(Reach::Nowhere, None));
        };
        let touching = || entry.denies.iter().filter(|(rule, _)| rule.touches(wanted.asked.url));
        let counts = |grant: &&Grant| {
            entry.denied_until.is_none_or(|serial| grant.serial > serial)
                && touching().all(|(_, until)| until.is_some_and(|serial| grant.serial > serial))
        };
        let deny = touching().next().map(|(rule, _)| rule);
        if (deny.is_some() || entry.denied_until.is_some()) && !entry.grants.iter().any(|grant| counts(&grant)) {
            return Err(wanted.denied(deny));
        }
        let (mut matching, mut closest) = (Vec::new(), (Reach::Nowhere, None));
        for grant in entry.grants.iter().filter(counts) {
            match reach(grant, wanted) {
                Reach::Whole => matching.push(grant),
                reach if reach > closest.0 => closest = (reach, Some(grant)),
                _ => {}
            }
        }
        if matching.is_empty() { Err(wanted.refused(closest.0, closest.1)) } else { Ok(matching) }
    }
}

/// Each secret's own grants must name a header that bends the request: what one secret's owner accepted does not count
/// for another secret in the same call.
fn check_headers(wanted: &Wanted<'_>, grants: &[&Grant]) -> Result<()> {
    let headers = wanted.asked.headers;
    for name in header::bending(headers) {
        let permits = |grant: &&Grant| grant.terms.permit_headers.iter().any(|own| header::same_header(own, name));
        if !grants.iter().any(permits) {
            return Err(wanted.bends(name, grants[0]));
        }
    }
    header::check_place(headers, &wanted.injection.auth)
}
