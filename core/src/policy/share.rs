//! Shares: sockets at which the broker is reached from beyond the home's user, and by whom.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::{Agent, Bound};
use super::change::{Change, shown};
use super::deny::DenyOverlay;
use super::document::Document;
use crate::error::{Error, ErrorCode, Result};

/// The longest path that fits `sockaddr_un` everywhere: a container reaches the socket by a path of its own, so that no
/// descriptor of the folder helps.
const MAX_PATH: usize = 100;

/// A socket that the owner opened to others than the home's user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Share {
    /// What names it: a socket that is shared again is another share.
    pub(crate) id: String,
    /// The socket's absolute path.
    pub(crate) path: String,
    /// The only agent that is served there; none named means every registered one.
    pub(crate) agent: Option<Bound>,
    /// The socket's mode.
    pub(crate) mode: u32,
    /// The socket's group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
}

impl Share {
    /// Whether it counts: neither over nor stopped.
    pub(crate) fn counts(&self, overlay: &DenyOverlay, now: Timestamp) -> bool {
        !self.is_over(now) && !overlay.revoked.contains(&self.id)
    }

    /// Whether its time has passed.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether an agent is served there.
    pub(crate) fn serves(&self, agent: &Agent) -> bool {
        self.agent.as_ref().is_none_or(|bound| bound.id == agent.id)
    }

    fn is_sound(&self) -> bool {
        Path::new(&self.path).is_absolute() && self.path.len() < MAX_PATH && self.mode & !0o666 == 0
    }
}

impl Document {
    /// Opens a socket, in place of what was shared at its path.
    ///
    /// # Errors
    /// `invalid_call` for a path that is relative or too long, and a mode that is no socket's.
    pub(crate) fn add_share(&mut self, share: Share) -> Result<Change> {
        if !share.is_sound() {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                format!(
                    "a shared socket has an absolute path of less than {MAX_PATH} bytes, and a mode like 0666 or 0660"
                ),
            )
            .with_hint("agentsecrets broker share --socket /run/user/1000/agentsecrets/bot.sock --agent bot"));
        }
        let says = self.share_sentence(&share);
        let now = share.created;
        self.shares.retain(|other| other.path != share.path && !other.is_over(now));
        self.shares.push(share);
        Ok(Change::made(says))
    }

    /// The share of this id.
    pub(crate) fn share(&self, id: &str) -> Option<&Share> {
        self.shares.iter().find(|share| share.id == id)
    }

    /// What the share makes possible, in the words the owner reads before signing it.
    fn share_sentence(&self, share: &Share) -> String {
        let who = match (&share.group, share.mode & 0o006) {
            (_, 0o006) => "Any user and container that reaches".to_owned(),
            (Some(group), _) => format!("Whoever is in the group {} and reaches", shown(group)),
            (None, _) => "Whoever may open".to_owned(),
        };
        let agent = match &share.agent {
            Some(bound) => format!("the agent {}", bound.name),
            None => "any registered agent".to_owned(),
        };
        let mut text = format!("{who} {} may call with a token of {agent}", shown(&share.path));
        if let Some(own) = share.agent.as_ref().and_then(|bound| self.agents.iter().find(|agent| agent.id == bound.id))
        {
            let mut names: Vec<String> = self.visible_to(own).iter().map(ToString::to_string).collect();
            names.sort();
            match names.is_empty() {
                true => text.push_str(", to which nothing is granted yet"),
                false => text.push_str(&format!(", which may use {}", names.join(", "))),
            }
        }
        if let Some(end) = share.expires {
            text.push_str(&format!(", until {end:.0}"));
        }
        text
    }

    /// Shares go with their agent.
    pub(super) fn delete_shares_of(&mut self, agent: Uuid) {
        self.shares.retain(|share| share.agent.as_ref().is_none_or(|bound| bound.id != agent));
    }

    /// Each share is of a path of its own, and for an agent that there is.
    pub(super) fn shares_are_sound(&self) -> bool {
        let known = |share: &Share| {
            share.agent.as_ref().is_none_or(|bound| self.agents.iter().any(|agent| agent.id == bound.id))
        };
        let sound = |(at, share): (usize, &Share)| {
            let same = |other: &Share| other.path == share.path || other.id == share.id;
            share.is_sound() && known(share) && !self.shares[..at].iter().any(same)
        };
        self.shares.iter().enumerate().all(sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_ref::Label;

    fn document() -> Document {
        let label = |text| Label::parse(text).expect("a label");
        let mut document = Document::new(Uuid::nil(), label("personal"), label("shop"), Timestamp::UNIX_EPOCH);
        let project = document.default_project;
        let _said = document.register_agent(project, &label("bot"), Timestamp::UNIX_EPOCH).expect("new");
        document
    }

    fn share(document: &Document, id: &str, path: &str) -> Share {
        let agent = document.agents.first().map(Bound::from);
        let (created, expires) = (Timestamp::UNIX_EPOCH, None);
        Share { id: id.into(), path: path.into(), agent, mode: 0o666, group: None, created, expires }
    }

    #[test]
    fn a_share_is_of_one_path_and_goes_with_its_agent() {
        let mut document = document();
        let first = document.add_share(share(&document, "a", "/run/bot.sock")).expect("sound");
        assert_eq!(
            first.says,
            "Any user and container that reaches /run/bot.sock may call with a token of the agent bot, to which nothing \
             is granted yet"
        );
        let _said = document.add_share(share(&document, "b", "/run/bot.sock")).expect("sound");
        assert_eq!((document.shares.len(), document.share("a").is_none()), (1, true));
        assert!(Document::parse(&document.to_bytes()).is_ok());
        let project = document.default_project;
        let _said = document.delete_agent(project, &Label::parse("bot").expect("a label")).expect("there");
        assert!(document.shares.is_empty());
    }

    #[test]
    fn an_unsound_share_is_refused() {
        let document = document();
        for (path, mode) in
            [("run/bot.sock", 0o666), ("/run/bot.sock", 0o777), (&*format!("/{}", "x".repeat(100)), 0o600)]
        {
            let unsound = Share { mode, ..share(&document, "a", path) };
            assert_eq!(document.clone().add_share(unsound.clone()).expect_err(path).code(), ErrorCode::InvalidCall);
            let mut altered = document.clone();
            altered.shares.push(unsound);
            assert!(Document::parse(&altered.to_bytes()).is_err());
        }
        let mut strange = share(&document, "a", "/run/bot.sock");
        strange.agent = strange.agent.map(|bound| Bound { id: Uuid::max(), ..bound });
        let mut altered = document.clone();
        altered.shares.push(strange);
        assert!(Document::parse(&altered.to_bytes()).is_err(), "of an agent that is not there");
    }

    #[test]
    fn a_share_ends_with_its_time_or_when_it_is_stopped() {
        let document = document();
        let hour = |hours: i64| Timestamp::from_second(hours * 3600).expect("a time");
        let share = Share { expires: Some(hour(1)), ..share(&document, "a", "/run/bot.sock") };
        let mut overlay = DenyOverlay::default();
        assert!(share.counts(&overlay, hour(0)) && !share.counts(&overlay, hour(1)));
        assert!(overlay.revoke("a"));
        assert!(!share.counts(&overlay, hour(0)));
    }
}
