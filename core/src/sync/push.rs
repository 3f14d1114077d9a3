//! Gives the members what is here.

use std::collections::HashSet;

use agentsecrets_wire::chain::Role;
use agentsecrets_wire::{Code, Outcome, Push, Pushed, Record, Signed, limits};
use http::Method;
use jiff::Timestamp;

use super::compare::{Drift, Key, Standing, drift};
use super::remote::Refused;
use super::{Sync, View};
use crate::control::{DriftInfo, PushReport};
use crate::crypto::{NewRecord, Strict, seal_record};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::in_background;
use crate::store::{Arrival, Arrived, Place, Shared};

/// How often a push begins again because the chain went on meanwhile.
const ATTEMPTS: usize = 4;

/// What of a place is given, and what of that the owner has agreed to.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// The place.
    pub(crate) place: Place,
    /// The names; none named means all.
    pub(crate) names: HashSet<crate::secret_ref::SecretName>,
    /// Names and the records they have, that the owner agreed to give over what the members have. A name without value has an
    /// empty record.
    pub(crate) agreed: HashSet<(Key, String)>,
}

/// A record on its way, and what it was made of.
struct Outgoing {
    signed: Signed<Record>,
    version: u64,
    epoch: u64,
    info: DriftInfo,
    here: Shared,
}

impl Sync {
    /// Pushes new names, and of changed ones those that the owner has agreed to.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh); `owner_required` where nothing but the owner's is left to push.
    pub(crate) async fn push(&self, wanted: &Wanted) -> Result<PushReport> {
        for _ in 0..ATTEMPTS {
            let view = self.refresh().await?;
            let (this, wanted) = (self.clone(), wanted.clone());
            let prepared = in_background(move || this.outgoing(&view, &wanted).map(|made| (view, made)));
            let (view, (outgoing, mut report)) = prepared.await?;
            match self.send(outgoing, &mut report).await {
                Ok(()) => {
                    self.give_a_sign(&view).await?;
                    return Ok(report);
                }
                Err(Refused::Problem(problem)) if matches!(problem.code, Code::EpochOutdated | Code::ChainMoved) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(Error::new(ErrorCode::SyncConflict, "the members of the workspace change all the time")
            .with_retryable(true))
    }

    fn outgoing(&self, view: &View, wanted: &Wanted) -> Result<(Vec<Outgoing>, PushReport)> {
        let member = view.chain.state().member(&self.account.account);
        if member.is_none_or(|member| member.role == Role::Machine) {
            return Err(Error::new(ErrorCode::NotAMember, "a machine reads its environments and pushes nothing"));
        }
        let (mut outgoing, mut report) = (Vec::new(), PushReport::default());
        let here =
            |one: &Drift| one.place == wanted.place && (wanted.names.is_empty() || wanted.names.contains(&one.name));
        for one in drift(view, &self.vault)?.into_iter().filter(here) {
            let info = self.info(view, &one);
            let Some(own) = one.here.clone() else { continue };
            let record = own.record.map(|record| record.to_string()).unwrap_or_default();
            let agreed = wanted.agreed.contains(&((one.place.clone(), one.name.clone()), record));
            let after = match &one.standing {
                Standing::Local => own.base.map(|base| (base.version, base.hash)),
                Standing::Conflict(incoming) if agreed => Some((incoming.version, incoming.hash)),
                Standing::Conflict(_) => {
                    report.conflicts.push(info);
                    continue;
                }
                Standing::Remote(_) | Standing::Converged(_) => continue,
            };
            if after.is_some() && !agreed {
                report.needs_owner.push(info);
                continue;
            }
            outgoing.push(self.sealed(view, own, after, info)?);
        }
        Ok((outgoing, report))
    }

    fn sealed(
        &self,
        view: &View,
        here: Shared,
        after: Option<(u64, agentsecrets_wire::Hash)>,
        info: DriftInfo,
    ) -> Result<Outgoing> {
        let scope = view.ring.scope_of(here.place.project, &here.place.environment)?;
        let key = view.ring.scope_key(view.ring.epoch(), scope)?;
        let value = match here.record {
            Some(_) => Some(self.vault.value(&here.place, &here.name)?),
            None => None,
        };
        let version = after.map_or(1, |(version, _)| version + 1);
        let record = seal_record(
            &key,
            &NewRecord {
                workspace: self.workspace,
                project: here.place.project,
                environment: &here.place.environment,
                name: &here.name,
                weak: here.weak,
                value: value.as_deref(),
                version,
                prev: after.map(|(_, hash)| hash),
                epoch: view.ring.epoch(),
                author: self.account.account,
                device: self.account.device,
                head: view.chain.head()?,
                time: Timestamp::now(),
            },
        )?;
        let signed = Signed::make(&record, |bytes| self.device.sign(bytes));
        Ok(Outgoing { signed, version, epoch: view.ring.epoch(), info, here })
    }

    async fn send(&self, outgoing: Vec<Outgoing>, report: &mut PushReport) -> Result<(), Refused> {
        let target = format!("/v1/workspaces/{}/records", self.workspace);
        let mut outgoing = outgoing.into_iter().peekable();
        while outgoing.peek().is_some() {
            let batch = batch(&mut outgoing);
            let push = Push { records: batch.iter().map(|one| one.signed.clone()).collect() };
            let pushed: Pushed = self.request(Method::POST, &target, Some(&push)).await?;
            if pushed.outcomes.len() != batch.len() {
                let strange = "the server does not say what became of each record";
                return Err(Error::new(ErrorCode::SyncRefused, strange).into());
            }
            let this = self.clone();
            let done = in_background(move || this.pushed(batch.into_iter().zip(pushed.outcomes))).await?;
            report.pushed.extend(done.pushed);
            report.conflicts.extend(done.conflicts);
        }
        Ok(())
    }

    /// Notes what the members have now. What somebody was faster with comes with the next look at the server.
    fn pushed(&self, outcomes: impl Iterator<Item = (Outgoing, Outcome)>) -> Result<PushReport> {
        let (mut report, mut arrived) = (PushReport::default(), Vec::new());
        for (one, outcome) in outcomes {
            match outcome {
                Outcome::Stored => {
                    arrived.push(Arrived {
                        place: one.here.place,
                        name: one.here.name,
                        replaces: one.here.record,
                        version: one.version,
                        hash: one.signed.hash(&Strict),
                        epoch: one.epoch,
                        what: Arrival::Same,
                    });
                    report.pushed.push(one.info);
                }
                Outcome::Conflict { .. } => {
                    report.conflicts.push(DriftInfo { state: "conflict".to_owned(), ..one.info });
                }
            }
        }
        self.vault.receive(arrived)?;
        Ok(report)
    }
}

/// As many as one request takes, in number and in bytes.
fn batch(outgoing: &mut std::iter::Peekable<impl Iterator<Item = Outgoing>>) -> Vec<Outgoing> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(next) = outgoing.peek() {
        bytes += next.signed.body.len() + 256;
        if batch.len() == limits::PUSH || (bytes > limits::BODY / 2 && !batch.is_empty()) {
            break;
        }
        batch.extend(outgoing.next());
    }
    batch
}
