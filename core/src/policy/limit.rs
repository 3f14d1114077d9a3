//! Budgets and rates: how many calls the owner lets a secret or an agent make in a time.
//!
//! A window begins with the first call in it and lasts its period; then the next call begins another. No window holds
//! more than its number of calls, so that two that touch hold twice as many at most.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::{Agent, Bound};
use super::change::Change;
use super::document::Document;
use super::door::Door;
use super::grant::Grant;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::SecretName;

/// The longest period, in seconds: a leap year.
const LONGEST: u64 = 366 * 86_400;
const UNITS: [(char, u64); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// What a limit is called, and how its refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitKind {
    /// So many calls in all.
    Calls,
    /// So fast.
    Rate,
}

/// `1000/1d`: a number of calls and a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    pub(crate) calls: u32,
    pub(crate) seconds: u64,
}

/// What is counted: the calls with a secret, those of an agent, or those of an agent with a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) project: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<SecretName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<Bound>,
}

/// A limit as the owner set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// What its count is kept under. A new number for the same window keeps it, so that raising does not reset.
    pub(crate) id: String,
    pub(crate) subject: Subject,
    pub(crate) kind: LimitKind,
    pub(crate) amount: Amount,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// When its first call was made, in milliseconds since 1970.
    pub(crate) began: i64,
    /// How many calls it holds.
    pub(crate) used: u32,
}

impl Amount {
    /// Parses `1000/1d`, `10/1m`, `5/30s`.
    ///
    /// # Errors
    /// `invalid_call` for anything else, none at all, and more than a year.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(calls, period)| {
            let unit = period.chars().last()?;
            let (_, seconds) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
            let number = &period[..period.len() - unit.len_utf8()];
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(calls) || !digits(number) {
                return None;
            }
            let seconds = number.parse::<u64>().ok()?.checked_mul(*seconds)?;
            Some(Self { calls: calls.parse().ok()?, seconds })
        });
        parsed.filter(|it| it.calls > 0 && (1..=LONGEST).contains(&it.seconds)).ok_or_else(|| {
            Error::new(ErrorCode::InvalidCall, "a limit is a number of calls and a period of s, m, h, d or w")
                .with_hint("write it as in --calls 1000/1d or --rate 10/1m")
        })
    }

    fn period_ms(self) -> i64 {
        i64::try_from(self.seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
    }

    /// The window after one call more.
    ///
    /// # Errors
    /// The first moment at which there is room again, in milliseconds since 1970.
    pub(crate) fn with_one_more(self, window: Window, now: i64) -> Result<Window, i64> {
        let end = window.began.saturating_add(self.period_ms());
        // A window that lies ahead was counted by a clock that was wrong then or is now; it is not believed.
        if window.used == 0 || now >= end || window.began > now {
            return Ok(Window { began: now, used: 1 });
        }
        if window.used < self.calls { Ok(Window { used: window.used + 1, ..window }) } else { Err(end) }
    }

    /// How many calls of the window still count.
    pub(crate) fn used(self, window: Window, now: i64) -> u32 {
        let over = now >= window.began.saturating_add(self.period_ms()) || window.began > now;
        if over { 0 } else { window.used }
    }
}

/// `1000/1d`, with the largest unit that fits.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, seconds): &&(char, u64)| self.seconds.is_multiple_of(*seconds);
        let (unit, seconds) = UNITS.iter().find(fits).unwrap_or(&('s', 1));
        write!(f, "{}/{}{unit}", self.calls, self.seconds / seconds)
    }
}

impl Limit {
    /// Whether a use is counted: one of the secret, by the agent, or both. The names come with their projects.
    pub(crate) fn counts(&self, names: &[(Uuid, &SecretName)], project: Uuid, agent: Option<&Agent>) -> bool {
        let subject = &self.subject;
        let by = subject.agent.as_ref().is_none_or(|bound| agent.is_some_and(|agent| agent.id == bound.id));
        let with = match &subject.secret {
            Some(secret) => names.contains(&(subject.project, secret)),
            None => project == subject.project,
        };
        by && with
    }

    /// The refusal of one call more.
    pub(crate) fn exceeded(&self, until: i64) -> Error {
        let (code, what) = match self.kind {
            LimitKind::Calls => (ErrorCode::BudgetExhausted, "the budget"),
            LimitKind::Rate => (ErrorCode::RateLimited, "the rate"),
        };
        let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
        Error::new(code, format!("{what} of {} for {} is used up until {until}", self.amount, self.subject.in_words()))
    }

    /// `1000/1d calls`, or `rate 10/1m`.
    pub(crate) fn in_words(&self) -> String {
        match self.kind {
            LimitKind::Calls => format!("{} calls", self.amount),
            LimitKind::Rate => format!("rate {}", self.amount),
        }
    }
}

impl Subject {
    fn in_words(&self) -> String {
        match (&self.secret, &self.agent) {
            (Some(secret), Some(agent)) => format!("{secret} by the agent {}", agent.name),
            (Some(secret), None) => secret.to_string(),
            (None, Some(agent)) => format!("the agent {}", agent.name),
            (None, None) => "nothing".to_owned(),
        }
    }
}

impl Document {
    /// Sets a limit, in place of one of the same kind and period.
    pub(crate) fn set_limit(&mut self, subject: Subject, kind: LimitKind, amount: Amount) -> Change {
        let who = match &subject.agent {
            Some(_) => "",
            None => ", by all callers together",
        };
        let says = format!("At most {} ({}) for {}{who}", amount, word(kind), subject.in_words());
        let same = |limit: &&mut Limit| {
            limit.subject == subject && limit.kind == kind && limit.amount.seconds == amount.seconds
        };
        match self.limits.iter_mut().find(same) {
            Some(limit) if limit.amount == amount => return Change::none(format!("{says}, as it is already")),
            Some(limit) => limit.amount = amount,
            None => {
                let id = Uuid::new_v4().simple().to_string()[..12].to_owned();
                self.limits.push(Limit { id, subject, kind, amount });
            }
        }
        Change::made(says)
    }

    /// Removes a limit.
    ///
    /// # Errors
    /// `invalid_call` where none of the project has this id.
    pub(crate) fn remove_limit(&mut self, project: Uuid, id: &str) -> Result<Change> {
        let named = |limit: &Limit| limit.subject.project == project && limit.id == id;
        let Some(limit) = self.limits.iter().find(|limit| named(limit)) else {
            return Err(Error::new(ErrorCode::InvalidCall, "no limit of the project has this id")
                .with_hint("agentsecrets limit list  # the ids there are"));
        };
        let says = format!("{} for {} is limited no more", limit.in_words(), limit.subject.in_words());
        self.limits.retain(|limit| !named(limit));
        Ok(Change::made(says))
    }

    /// The limits that calls under a grant count under, in words.
    pub(crate) fn limits_of(&self, grant: &Grant, asking: Option<&Agent>) -> Vec<String> {
        self.limits_on(grant.project, &grant.secret, grant.terms.agent.as_ref(), asking)
    }

    /// The limits that the uses of a door count under, in words.
    pub(crate) fn limits_of_door(&self, door: &Door, asking: Option<&Agent>) -> Vec<String> {
        self.limits_on(door.project, &door.secret, None, asking)
    }

    fn limits_on(
        &self,
        project: Uuid,
        secret: &SecretName,
        granted_to: Option<&Bound>,
        asking: Option<&Agent>,
    ) -> Vec<String> {
        let own = |limit: &&Limit| {
            let Subject { project: its, secret: name, agent: by } = &limit.subject;
            let binds = by.is_none() || granted_to.is_none_or(|bound| Some(bound) == by.as_ref());
            // An agent does not learn whom else a limit binds.
            let told = Bound::is_told_to(by.as_ref(), asking);
            *its == project && binds && told && name.as_ref().is_none_or(|name| name == secret)
        };
        let words = |limit: &Limit| match &limit.subject.agent {
            Some(agent) => format!("{} by {}", limit.in_words(), agent.name),
            None => limit.in_words(),
        };
        self.limits.iter().filter(own).map(words).collect()
    }

    /// Limits are of known projects and agents, and limit something.
    pub(super) fn limits_are_sound(&self) -> bool {
        self.limits.iter().all(|limit| {
            let Subject { project, secret, agent } = &limit.subject;
            let known = |bound: &Bound| self.agents.iter().any(|it| it.id == bound.id && it.project == *project);
            (secret.is_some() || agent.is_some()) && agent.as_ref().is_none_or(known) && limit.amount.calls > 0
        })
    }
}

fn word(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Calls => "calls",
        LimitKind::Rate => "rate",
    }
}
