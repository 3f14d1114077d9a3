//! Entries of the chain on their way to the server, and the chain as a list.

use agentsecrets_wire::chain::{Act, Entry};
use agentsecrets_wire::{Append, Appended, Code, Signed, Workspaces};
use http::Method;

use super::{Refused, Sync, View};
use crate::control::EntryInfo;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::in_background;

impl Sync {
    /// Gives the server the next entries, each after the one before, and follows the chain from there.
    ///
    /// # Errors
    /// `sync_conflict` where somebody was faster; `sync_refused`, and those of [`refresh`](Self::refresh).
    pub(crate) async fn append(&self, entries: &[Signed<Entry>]) -> Result<()> {
        for entry in entries {
            let first = entry.parse().is_ok_and(|entry| matches!(entry.act, Act::Genesis { .. }));
            let target =
                if first { "/v1/workspaces".to_owned() } else { format!("/v1/workspaces/{}/chain", self.workspace) };
            let append = Append { entry: entry.clone() };
            let answered: Result<Appended, Refused> = self.request(Method::POST, &target, Some(&append)).await;
            match answered {
                Ok(_) => {}
                Err(refused) if refused.code() == Some(Code::ChainMoved) => {
                    return Err(Error::new(
                        ErrorCode::SyncConflict,
                        "somebody changed the workspace in the same moment",
                    )
                    .with_retryable(true)
                    .with_hint("agentsecrets secrets pull  # then the same command again"));
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        let view = self.refresh().await?;
        let this = self.clone();
        in_background(move || this.take_policy(&view)).await
    }

    /// Follows a workspace from wherever this home stands; says whether its chain knows this home's device.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub(crate) async fn follow(&self) -> Result<bool> {
        let view = self.refresh().await?;
        let known = view.chain.state().device(&self.account.device).is_some();
        let this = self.clone();
        in_background(move || this.take_policy(&view)).await?;
        Ok(known)
    }

    /// The workspaces that the server has for this account.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn listed_by_server(&self) -> Result<Vec<uuid::Uuid>> {
        let listed: Workspaces = self.request(Method::GET, "/v1/workspaces", None::<&()>).await?;
        Ok(listed.workspaces.into_iter().map(|summary| summary.workspace).collect())
    }

    /// Ends the session at the server.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn end_session(&self) -> Result<()> {
        Ok(self.request::<Option<()>>(Method::DELETE, "/v1/sessions", None::<&()>).await.map(drop)?)
    }

    /// The entries as this home has verified them.
    ///
    /// # Errors
    /// `chain_invalid`, `chain_rolled_back`.
    pub(crate) fn log(&self) -> Result<Vec<EntryInfo>> {
        let view = self.view_now()?;
        let info = |(entry, seq): (&Entry, u64)| EntryInfo {
            seq,
            hash: view.chain.hash_at(seq).map(|hash| hash.to_string()).unwrap_or_default(),
            time: entry.time,
            author: self.name_of(&view, entry.author),
            says: self.says(&view, &entry.act),
        };
        Ok(view.chain.said().iter().zip(1..).map(info).collect())
    }

    fn says(&self, view: &View, act: &Act) -> String {
        let name = |account| self.name_of(view, account);
        match act {
            Act::Genesis { .. } => "the workspace begins".to_owned(),
            Act::Invite { invite } => {
                format!("an invitation as {}, until {}", super::members::role(invite.role), invite.expires)
            }
            Act::Withdraw { .. } => "an invitation is taken back".to_owned(),
            Act::Join { member, .. } => format!("{} joins", name(member.account)),
            Act::AddDevice { .. } => "another device".to_owned(),
            Act::RemoveDevice { .. } => "a device counts no more".to_owned(),
            Act::SetRole { account, role } => format!("{} is {}", name(*account), super::members::role(*role)),
            Act::Remove { account, epoch } => format!("{} leaves, and epoch {} begins", name(*account), epoch.number),
            Act::Rotate { epoch } => format!("epoch {} begins", epoch.number),
            Act::SetPolicy { version, .. } => format!("the policy's version {version}"),
        }
    }
}
