//! Who is in the workspace, and who wrote what.

use agentsecrets_wire::chain::{Act, Role};
use agentsecrets_wire::{Code, History, Record, Signed};
use http::Method;
use uuid::Uuid;

use super::chain::Chain;
use super::fetch::verify;
use super::ring::Ring;
use super::{Sync, View, known_places};
use crate::control::{MemberInfo, VersionInfo};
use crate::crypto::{Strict, fingerprint, open_label};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::SharedPolicy;
use crate::resolve::in_background;
use crate::secret_ref::{Label, SecretName};
use crate::store::Place;

impl Sync {
    /// The members, and those who are invited.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub(crate) async fn members(&self) -> Result<Vec<MemberInfo>> {
        let view = self.refresh().await?;
        let this = self.clone();
        in_background(move || Ok(this.listed(&view))).await
    }

    fn listed(&self, view: &View) -> Vec<MemberInfo> {
        let state = view.chain.state();
        let devices = |account: Uuid| state.devices().filter(|(_, device)| device.account == account).count();
        let members = state.members().map(|(account, member)| MemberInfo {
            name: self.name_of(view, *account),
            account: *account,
            role: role(member.role).to_owned(),
            fingerprint: fingerprint(&member.signing, &member.receiving),
            devices: devices(*account),
            environments: self.places_of(view, &member.scopes),
            expires: None,
            own: *account == self.account.account,
        });
        let enrolments = view.policy().map(|policy| policy.enrolments.as_slice()).unwrap_or_default();
        let machine = |id: &Uuid| enrolments.iter().find(|one| one.invite == *id).map(|one| one.name.to_string());
        let invited = state.invites().map(|(id, invited)| MemberInfo {
            name: machine(id).unwrap_or_else(|| format!("invited as {}", role(invited.invite.role))),
            account: *id,
            role: "invited".to_owned(),
            fingerprint: String::new(),
            devices: 0,
            environments: self.places_of(view, &invited.invite.scopes),
            expires: Some(invited.invite.expires),
            own: false,
        });
        members.chain(invited).collect()
    }

    /// What the others call a member.
    pub(crate) fn name_of(&self, view: &View, account: Uuid) -> String {
        if account == self.account.account
            && let Some(email) = &self.account.email
        {
            return email.clone();
        }
        called(&view.chain, &view.ring, view.policy(), account).unwrap_or_else(|| account.to_string())
    }

    /// The environments of a machine's scopes, as far as the policy names their projects.
    fn places_of(&self, view: &View, scopes: &[agentsecrets_wire::Hash]) -> Vec<String> {
        if scopes.is_empty() {
            return Vec::new();
        }
        let Some(policy) = view.policy() else { return Vec::new() };
        let stored = self.vault.places().unwrap_or_default();
        let stored = stored.into_iter().map(|place| (place.project, place.environment));
        let mut places: Vec<(Uuid, Label)> = known_places(policy).into_iter().chain(stored).collect();
        places.sort_unstable();
        places.dedup();
        let ours = |(project, environment): &&(Uuid, Label)| {
            view.ring.scope_of(*project, environment).is_ok_and(|scope| scopes.contains(&scope))
        };
        let name =
            |(project, environment): &(Uuid, Label)| Some(format!("{}/{environment}", policy.project(*project)?.name));
        places.iter().filter(ours).filter_map(name).collect()
    }

    /// The versions of a name, the newest first.
    ///
    /// # Errors
    /// `secret_not_found` where the members have none of this name, `record_invalid`, and those of the server.
    pub(crate) async fn history(&self, place: &Place, name: &SecretName) -> Result<Vec<VersionInfo>> {
        let view = self.refresh().await?;
        let scope = view.ring.scope_of(place.project, &place.environment)?;
        let id = view.ring.scope_key(view.ring.epoch(), scope)?.record_id(name);
        let target = format!("/v1/workspaces/{}/records/{scope}/{id}", self.workspace);
        let none = || {
            let message = format!("the members have no {name} in {}", place.environment);
            Error::new(ErrorCode::SecretNotFound, message).with_hint("agentsecrets secrets push")
        };
        let history: History = match self.request(Method::GET, &target, None::<&()>).await {
            Err(refused) if refused.code() == Some(Code::NotFound) => return Err(none()),
            answered => answered?,
        };
        if history.records.is_empty() {
            return Err(none());
        }
        let (_, shared) = self.vault.shared(self.workspace)?;
        let here = shared.iter().find(|one| one.place == *place && one.name == *name).and_then(|one| one.base);
        let mut after: Option<Record> = None;
        let mut versions = Vec::new();
        for signed in &history.records {
            verify(&view.chain, signed, false)?;
            let record = signed.parse().map_err(|_| moved())?;
            let follows = after.as_ref().is_none_or(|next: &Record| {
                next.version == record.version + 1 && next.prev == Some(signed.hash(&Strict))
            });
            if (record.scope, record.record) != (scope, id) || !follows {
                return Err(moved());
            }
            versions.push(version(self, &view, signed, &record, here.map(|base| base.hash)));
            after = Some(record);
        }
        Ok(versions)
    }
}

fn version(
    sync: &Sync,
    view: &View,
    signed: &Signed<Record>,
    record: &Record,
    here: Option<agentsecrets_wire::Hash>,
) -> VersionInfo {
    VersionInfo {
        version: record.version,
        author: sync.name_of(view, record.author),
        time: record.time,
        deleted: record.gone,
        current: here == Some(signed.hash(&Strict)),
    }
}

/// What the others call a member: a machine as the admin called it who enrolled it, anybody else as they said when they came.
pub(crate) fn called(chain: &Chain, ring: &Ring, policy: Option<&SharedPolicy>, account: Uuid) -> Option<String> {
    let came = chain.said().iter().rev().find_map(|entry| match &entry.act {
        Act::Genesis { member, .. } if member.account == account => Some((member, None)),
        Act::Join { member, invite, .. } if member.account == account => Some((member, Some(invite))),
        _ => None,
    });
    let (member, invite) = came?;
    let enrolments = policy.map(|policy| policy.enrolments.as_slice()).unwrap_or_default();
    if let Some(machine) = enrolments.iter().find(|one| Some(&one.invite) == invite) {
        return Some(machine.name.to_string());
    }
    let key = |epoch| ring.epoch_key(epoch).ok();
    let scope = |epoch, scope| ring.scope_key(epoch, scope).ok();
    open_label(chain.state().workspace(), account, member.label.as_bytes(), key, scope)
}

/// The word for a role.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Machine => "machine",
        Role::Member => "member",
        Role::Admin => "admin",
    }
}

fn moved() -> Error {
    Error::new(ErrorCode::RecordInvalid, "the server's history of this name has a gap, or another name's records")
}
