//! A grant: one secret bound to a destination, by the owner.

use http::{HeaderName, Method, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::Bound;
use super::rule::Rule;
use super::slot::{Slot, needs_path};
use super::text;
use crate::call::is_connection_header;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// The longest a grant may be made for: ten years. Without an expiry it has no end.
const LONGEST_SECONDS: i64 = 10 * 366 * 86_400;

/// One secret of one project, and where it may go. Several grants add up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// What the owner names to take the grant back.
    pub(crate) id: Uuid,
    /// The project the secret belongs to.
    pub(crate) project: Uuid,
    /// The secret.
    pub(crate) secret: SecretName,
    /// Where, how and how long.
    pub(crate) terms: Terms,
    /// When the owner made it.
    pub(crate) created: Timestamp,
    /// The serial of the document it was signed in.
    #[serde(default)]
    pub(crate) serial: u64,
}

/// Where a secret may go, how, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// The destination.
    pub(crate) rule: Rule,
    /// The places in the request.
    pub(crate) slots: Vec<Slot>,
    /// The methods, in upper case; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "text")]
    pub(crate) methods: Vec<Method>,
    /// The only environment, or `None` for every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Label>,
    /// The moment it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// Whether the named host may have a private address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) private: bool,
    /// The headers a caller may set beside the value that are refused otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "text")]
    pub(crate) permit_headers: Vec<HeaderName>,
    /// The only agent, or `None` for every caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<Bound>,
    /// Whether a human approves each call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) approve: bool,
}

impl Terms {
    /// The default terms for a destination: `Authorization` only, any method, every environment, no end.
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            slots: Slot::defaults(),
            methods: Vec::new(),
            environment: None,
            expires: None,
            private: false,
            permit_headers: Vec::new(),
            agent: None,
            approve: false,
        }
    }

    /// The terms with these slots in place of the default; none named leaves the default.
    pub(crate) fn with_slots(mut self, slots: Vec<Slot>) -> Self {
        if !slots.is_empty() {
            self.slots = slots;
        }
        self
    }

    /// Puts the terms in their one form, and refuses what would open too much or nothing.
    fn checked(mut self, secret: &SecretName) -> Result<Self> {
        if let (None, Some(slot)) = (self.rule.path(), self.slots.iter().find(|slot| slot.in_body())) {
            return Err(needs_path(secret, slot));
        }
        for method in &mut self.methods {
            *method = parse_method(method.as_str())?;
        }
        if let Some(name) = self.permit_headers.iter().find(|name| is_connection_header(name)) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("the header {name} is never a caller's to set")));
        }
        if self.permit_headers.contains(&header::AUTHORIZATION) {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                "a caller's own Authorization is never sent beside a value in it",
            )
            .with_hint("name another --slot for the secret, as in --slot header:X-Api-Key"));
        }
        dedup(&mut self.slots);
        dedup(&mut self.methods);
        dedup(&mut self.permit_headers);
        Ok(self)
    }
}

impl Grant {
    /// A grant made now.
    ///
    /// # Errors
    /// `invalid_call` for a body slot without a path, a method that is none, or a header that no one may set.
    pub(crate) fn new(project: Uuid, secret: SecretName, terms: Terms, now: Timestamp) -> Result<Self> {
        let terms = terms.checked(&secret)?;
        if terms.expires.is_some_and(|end| end <= now) {
            return Err(Error::new(ErrorCode::InvalidCall, "the grant would have expired already"));
        }
        Ok(Self { id: Uuid::now_v7(), project, secret, terms, created: now, serial: 0 })
    }

    /// Whether a signed grant opens a place, and none that only a path makes safe.
    pub(super) fn is_sound(&self) -> bool {
        let slots = &self.terms.slots;
        !slots.is_empty() && (self.terms.rule.path().is_some() || !slots.iter().any(Slot::in_body))
    }

    /// Whether it means the same in every home: an agent is registered in one.
    pub(super) fn is_portable(&self) -> bool {
        self.terms.agent.is_none()
    }

    /// Whether the grant has ended.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.terms.expires.is_some_and(|end| end <= now)
    }

    /// Whether both open the same thing, for however long and whoever approves: the later one is meant.
    pub(super) fn same_opening(&self, other: &Self) -> bool {
        let without_end = |grant: &Self| Terms { expires: None, approve: false, ..grant.terms.clone() };
        self.project == other.project && self.secret == other.secret && without_end(self) == without_end(other)
    }
}

/// Parses a method as a user types it, in any case.
///
/// # Errors
/// `invalid_call` where it is no token, or CONNECT or TRACE, which are never sent.
pub(crate) fn parse_method(text: &str) -> Result<Method> {
    match Method::from_bytes(text.to_ascii_uppercase().as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => {
            Err(Error::new(ErrorCode::InvalidCall, "CONNECT and TRACE are not sent"))
        }
        Ok(method) => Ok(method),
        Err(_) => Err(Error::new(ErrorCode::InvalidCall, "a method is one word, as in GET or POST")),
    }
}

/// Parses `30d`, `12h`, `90m`, `2w` and gives the moment that long from now.
///
/// # Errors
/// `invalid_call` for another unit, nothing, or more than ten years.
pub(crate) fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp> {
    let wrong = || {
        Error::new(ErrorCode::InvalidCall, "an expiry is a number and m, h, d or w, from one minute to ten years")
            .with_hint("write --expires 30d, 12h, 90m or 2w")
    };
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds)).ok_or_else(wrong)?;
    now.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| wrong())
}

fn dedup<T: PartialEq>(list: &mut Vec<T>) {
    let mut at = 0;
    while at < list.len() {
        if list[..at].contains(&list[at]) {
            list.remove(at);
        } else {
            at += 1;
        }
    }
}
