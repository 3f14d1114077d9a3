//! What a change of the policy makes possible, in the words the owner reads before signing it.

use super::grant::Grant;
use super::slot::{Slot, title_case};
use crate::secret_ref::SecretName;

/// A change and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the owner signs what this says"]
pub(crate) struct Change {
    /// A sentence for the owner's prompt.
    pub(crate) says: String,
    /// Whether anything differs from before.
    pub(crate) changed: bool,
}

impl Change {
    /// A change that is made.
    pub(super) fn made(says: impl Into<String>) -> Self {
        Self { says: says.into(), changed: true }
    }

    /// Nothing to do.
    pub(super) fn none(says: impl Into<String>) -> Self {
        Self { says: says.into(), changed: false }
    }
}

impl Grant {
    /// What the grant makes possible: `STRIPE_KEY may go to api.stripe.com as bearer, with any method`.
    pub(crate) fn sentence(&self) -> String {
        let terms = &self.terms;
        let mut text = format!("{} may go to {}", self.secret, terms.rule.short());
        if !terms.rule.is_https() {
            text.push_str(" in cleartext");
        }
        text.push_str(" as ");
        text.push_str(&either(&terms.slots.iter().map(in_words).collect::<Vec<_>>()));
        match &terms.methods[..] {
            [] => text.push_str(", with any method"),
            methods => text.push_str(&format!(", with {}", either(methods))),
        }
        if let Some(environment) = &terms.environment {
            text.push_str(&format!(", in {environment} only"));
        }
        if let Some(agent) = &terms.agent {
            text.push_str(&format!(", for the agent {} only", agent.name));
        }
        if terms.approve {
            text.push_str(", each call approved by a human");
        }
        if terms.private {
            text.push_str(", at private addresses too");
        }
        if !terms.permit_headers.is_empty() {
            let names: Vec<_> = terms.permit_headers.iter().map(title_case).collect();
            text.push_str(&format!(", with the caller's own {}", either(&names)));
        }
        if let Some(end) = terms.expires {
            text.push_str(&format!(", until {end:.0}"));
        }
        text
    }
}

fn in_words(slot: &Slot) -> String {
    match slot {
        Slot::Bearer => "bearer".to_owned(),
        Slot::Basic => "basic".to_owned(),
        Slot::Header(name) => format!("header {}", title_case(name)),
        Slot::Query(name) => format!("query parameter {}", shown(name)),
        Slot::Path => "a segment of the path".to_owned(),
        Slot::BodyField(path) => format!("body field {}", shown(path.as_str())),
        Slot::FormField(name) => format!("form field {}", shown(name)),
    }
}

/// A name as it may stand on a terminal: what is not plain is escaped.
pub(super) fn shown(name: &str) -> String {
    if name.chars().all(is_plain) { name.to_owned() } else { name.escape_default().to_string() }
}

/// Characters that neither move the cursor nor look like others' layout.
pub(super) fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// `a, b or c`.
fn either<T: std::fmt::Display>(list: &[T]) -> String {
    match list {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(T::to_string).collect();
            format!("{} or {last}", head.join(", "))
        }
    }
}
