//! The owner's act that opens a socket to others than the home's user.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::acts::id_of;
use super::policy_file;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::policy::{Bound, Change, Document, Share, parse_expiry};
use crate::secret_ref::Label;

/// A socket to be shared, as typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewShare {
    id: String,
    path: PathBuf,
    /// The project and the agent; none is every registered agent of the home.
    agent: Option<(Label, Label)>,
    mode: u32,
    group: Option<String>,
    expires: Option<String>,
}

impl NewShare {
    /// A share of a socket for one agent, or for every registered one where the broker is a user of its own.
    ///
    /// # Errors
    /// `invalid_call` for a malformed expiry.
    pub fn new(path: PathBuf, agent: Option<(Label, Label)>, expires: Option<String>) -> Result<Self> {
        expires.as_deref().map(|text| parse_expiry(text, Timestamp::now())).transpose()?;
        let id = crate::hex::lower(&crate::crypto::make_random::<6>()?);
        Ok(Self { id, path, agent, mode: 0o666, group: None, expires })
    }

    /// With another mode than 0666, or 0660 where there is a group; and for a group, by its name or number.
    #[must_use]
    pub fn open_to(mut self, mode: Option<u32>, group: Option<String>) -> Self {
        self.mode = mode.unwrap_or(if group.is_some() { 0o660 } else { 0o666 });
        self.group = group;
        self
    }

    /// What names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn apply(&self, document: &mut Document, now: Timestamp) -> Result<Change> {
        let bound =
            |(project, agent): &(Label, Label)| document.agent(id_of(document, project)?, agent).map(Bound::from);
        let agent = self.agent.as_ref().map(bound).transpose()?;
        let path = self.path.to_str().map(str::to_owned);
        let path = path.ok_or_else(|| Error::new(ErrorCode::InvalidCall, "a socket's path is UTF-8"))?;
        let expires = self.expires.as_deref().map(|text| parse_expiry(text, now)).transpose()?;
        let (id, mode, group) = (self.id.clone(), self.mode, self.group.clone());
        document.add_share(Share { id, path, agent, mode, group, created: now, expires })
    }
}

/// A socket that the signed policy shares with every registered agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemSocket {
    /// Its path.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Its group.
    pub group: Option<String>,
}

/// The socket for every registered agent, where the owner signed one. It needs no key.
///
/// # Errors
/// `not_initialized`, `policy_invalid`.
pub fn system_socket(home: &Home) -> Result<Option<SystemSocket>> {
    let document = policy_file::load(home, &home.config()?)?;
    let now = Timestamp::now();
    let mut shares = document.shares.into_iter().filter(|share| share.agent.is_none() && !share.is_over(now));
    let last = shares.next_back();
    Ok(last.map(|share| SystemSocket { path: PathBuf::from(share.path), mode: share.mode, group: share.group }))
}
