//! Asks the server for what this home has not seen, and keeps of it what can be verified.

use std::collections::HashMap;

use agentsecrets_wire::chain::Role;
use agentsecrets_wire::{Changes, Code, Heartbeat, Record, Signed, limits};
use http::Method;
use jiff::Timestamp;

use super::chain::{Chain, Seen};
use super::folder::Known;
use super::{Sync, View};
use crate::crypto::Strict;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::in_background;

/// Pages of one refresh: with a thousand records each, more than a workspace holds. A server that never ends is cut off.
const PAGES: usize = 10_000;
/// How far ahead of this machine's clock a sign of life may be, in seconds.
const AHEAD: i64 = limits::SKEW;

impl Sync {
    /// Brings chain and records up to what the server shows. What came so far is kept, wherever it breaks off.
    ///
    /// # Errors
    /// `sync_unavailable`; `chain_forked`, `chain_rolled_back`, `chain_invalid`, `record_invalid`, after which this home is as
    /// it was.
    pub(crate) async fn refresh(&self) -> Result<View> {
        let mut view = self.view().await?;
        let mut again = true;
        for _ in 0..PAGES {
            let page = self.page(&view).await?;
            let behind;
            (view, behind) = self.is_behind(view, &page).await?;
            if behind {
                // A push of ours may have overtaken the answer. A server that rolls back gives the same again.
                if !std::mem::take(&mut again) {
                    return Err(rolled_back());
                }
                view = self.view().await?;
                continue;
            }
            let more = page.more;
            view = self.take(view, page).await?;
            if !more {
                return Ok(view);
            }
        }
        Err(Error::new(ErrorCode::SyncRefused, "the server's log of changes has no end"))
    }

    async fn page(&self, view: &View) -> Result<Changes> {
        let target = format!(
            "/v1/workspaces/{}/changes?since={}&after={}&limit={}",
            self.workspace,
            view.cursor(),
            view.chain.seq(),
            limits::PULL
        );
        match self.request(Method::GET, &target, None::<&()>).await {
            // Who is no member is told what one is told of a workspace that never was.
            Err(refused) if refused.code() == Some(Code::NotFound) => Err(left()),
            answered => Ok(answered?),
        }
    }

    /// Whether a page shows a name as it was before the version that this home has exchanged last.
    async fn is_behind(&self, view: View, page: &Changes) -> Result<(View, bool)> {
        let records: Vec<Record> = page.records.iter().filter_map(|signed| signed.parse().ok()).collect();
        let oldest = records.iter().map(|record| record.version).min();
        let (Some(oldest), true) = (oldest, view.chain.seq() > 0) else { return Ok((view, false)) };
        let this = self.clone();
        in_background(move || {
            let (_, shared) = this.vault.shared(this.workspace)?;
            let mut known = HashMap::new();
            // Only a name that is past the oldest of them can be one that is shown as it was.
            for one in shared {
                let Some(base) = one.base.filter(|base| base.version > oldest) else { continue };
                // A place that the policy names no more has no id here, and nothing of it is taken in.
                let Ok(scope) = view.ring.scope_of(one.place.project, &one.place.environment) else { continue };
                let id = view.ring.scope_key(view.ring.epoch(), scope)?.record_id(&one.name);
                known.insert((scope, id), base.version);
            }
            let behind = |record: &Record| {
                known.get(&(record.scope, record.record)).is_some_and(|version| record.version < *version)
            };
            let found = records.iter().any(behind);
            Ok((view, found))
        })
        .await
    }

    async fn take(&self, mut view: View, page: Changes) -> Result<View> {
        let this = self.clone();
        in_background(move || {
            let before = view.chain.seq();
            let known = accept(&mut view.chain, view.known.take(), page)?;
            let folder = this.folder();
            let longer = view.chain.seq() > before;
            if longer {
                folder.save_chain(this.workspace, view.chain.entries())?;
            }
            folder.save_known(&this.use_key, this.workspace, &known)?;
            if longer {
                this.chains.keep(this.workspace, &view.chain);
            }
            view.known = Some(known);
            if longer { this.opened(view) } else { Ok(view) }
        })
        .await
    }
}

/// Takes a page in, in memory: what is known then. On a refusal the chain is what it came to, and is to be dropped.
///
/// # Errors
/// `chain_forked`, `chain_rolled_back`, `chain_invalid`, `record_invalid`, `sync_refused`.
pub(super) fn accept(chain: &mut Chain, known: Option<Known>, page: Changes) -> Result<Known> {
    check_progress(chain, known.as_ref(), &page)?;
    follow(chain, &page)?;
    let mut known = known.unwrap_or_else(|| Known::new(page.head));
    for record in page.records {
        verify(chain, &record, page.more)?;
        known.waiting.push(record);
    }
    known.heard = heard(chain, page.heartbeat.as_ref(), known.heard, page.more)?;
    known.head = chain.head()?;
    known.cursor = page.cursor;
    known.asked = Timestamp::now();
    Ok(known)
}

/// A page goes on from what was seen; a shorter chain is refused before anything of it is read.
fn check_progress(chain: &Chain, known: Option<&Known>, page: &Changes) -> Result<()> {
    if page.head.seq < chain.seq() || page.cursor < known.map_or(0, |known| known.cursor) {
        return Err(Error::new(
            ErrorCode::ChainRolledBack,
            "the server shows an older state of the workspace than this home has seen",
        )
        .with_hint("tell the one who runs the server: a backup was restored, or somebody turned it back"));
    }
    if page.entries.len() > limits::ENTRIES || page.records.len() > limits::PULL {
        return Err(Error::new(ErrorCode::SyncRefused, "the server answers with more than was asked for"));
    }
    if page.more && page.entries.is_empty() && page.records.is_empty() {
        return Err(Error::new(ErrorCode::SyncRefused, "the server says that there is more, and gives nothing"));
    }
    Ok(())
}

/// The chain with the page's entries, whose end is the one that the page names where there are no more.
fn follow(chain: &mut Chain, page: &Changes) -> Result<()> {
    let next = page.entries.first().map(|entry| entry.parse()).transpose();
    if let Ok(Some(next)) = next
        && next.seq == chain.seq() + 1
        && next.prev != chain.hash_at(chain.seq())
    {
        return Err(forked());
    }
    chain.extend(page.entries.clone())?;
    let complete = chain.seq() == page.head.seq;
    if complete && chain.head()? != page.head {
        return Err(forked());
    }
    if !page.more && !complete {
        return Err(Error::new(ErrorCode::ChainInvalid, "the server withholds entries of the membership chain"));
    }
    Ok(())
}

fn rolled_back() -> Error {
    Error::new(ErrorCode::RecordInvalid, "the server shows an older version of a name than this home has seen")
        .with_hint("nothing was taken in; tell the one who runs the server")
}

fn left() -> Error {
    Error::new(ErrorCode::NotAMember, "the server knows this account as no member of the workspace")
        .with_hint("ask an admin for: agentsecrets workspace invite")
}

fn forked() -> Error {
    Error::new(ErrorCode::ChainForked, "the server shows another membership chain than the one this home has seen")
        .with_hint("compare with a teammate: agentsecrets workspace log --json  # trust neither until you know why")
}

/// Whether a record counts: whose it is, that they were there, and under which key.
pub(super) fn verify(chain: &Chain, signed: &Signed<Record>, more: bool) -> Result<()> {
    let refused = |why: &'static str| Error::new(ErrorCode::RecordInvalid, why);
    let record = signed.parse().map_err(|_| refused("a record of the server is not of the form that was agreed on"))?;
    let state = chain.state();
    // A first one has none before it, and every one can have one after it.
    let placed = (1..u64::MAX).contains(&record.version) && (record.version == 1) == record.prev.is_none();
    if record.v != 1 || record.workspace != state.workspace() || !placed {
        return Err(refused("a record of the server belongs to another workspace, or has no place in a history"));
    }
    match chain.compare(record.head)? {
        Seen::Here => {}
        Seen::Further if more => return Err(refused("a record of the server comes before the chain that it names")),
        Seen::Further => {
            return Err(Error::new(
                ErrorCode::ChainRolledBack,
                "a member has seen more of the membership chain than the server shows this home",
            )
            .with_hint("compare with a teammate: agentsecrets workspace log --json"));
        }
    }
    let seq = record.head.seq;
    let device = state.device_at(&record.device, seq).filter(|device| device.account == record.author);
    let device = device.ok_or_else(|| refused("a record of the server is by a device that was no member's then"))?;
    let author = state.member_at(&record.author, seq);
    if author.is_none_or(|author| author.role == Role::Machine) {
        return Err(refused("a record of the server is by somebody who may not write"));
    }
    if record.epoch != state.epoch_at(seq) {
        return Err(refused("a record of the server is under the key of another time"));
    }
    if !signed.is_signed_by(&device.key, &Strict) {
        return Err(refused("a record of the server is not signed by its author"));
    }
    Ok(())
}

/// The newest sign of life of an admin. An older one than was heard changes nothing, and one that is no admin's counts not.
pub(super) fn heard(
    chain: &Chain,
    signed: Option<&Signed<Heartbeat>>,
    before: Option<Timestamp>,
    more: bool,
) -> Result<Option<Timestamp>> {
    let Some(signed) = signed else { return Ok(before) };
    let refused = || Error::new(ErrorCode::ChainInvalid, "the server's sign of life is by nobody who may give one");
    let beat = signed.parse().map_err(|_| refused())?;
    let seen = chain.compare(beat.head)?;
    // Its author saw entries that come with a later page, which gives it again.
    if more && seen == Seen::Further {
        return Ok(before);
    }
    let device = chain.state().device_at(&beat.device, beat.head.seq).filter(|device| device.account == beat.author);
    let by_admin = chain.state().member_at(&beat.author, beat.head.seq).is_some();
    let valid = beat.v == 1 && beat.workspace == chain.state().workspace() && seen == Seen::Here && by_admin;
    if !valid || !device.is_some_and(|device| signed.is_signed_by(&device.key, &Strict)) {
        return Err(refused());
    }
    // Who is no admin any more, or is none yet, vouches for nothing.
    if chain.state().member(&beat.author).is_none_or(|author| author.role != Role::Admin) {
        return Ok(before);
    }
    // A clock that runs ahead must not make a view fresh for longer than it is.
    if beat.time.as_second() > Timestamp::now().as_second() + AHEAD {
        return Ok(before);
    }
    Ok(before.max(Some(beat.time)))
}
