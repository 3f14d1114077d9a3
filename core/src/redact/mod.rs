//! Stage 5: takes values out of what comes back.
//!
//! A [`Scanner`] is built once per set of values and shared; a [`Redactor`] carries one body through it. Every form of a
//! value is looked for in the plain text and, around `%`, `\` and `&`, in the text those characters decode to. What is
//! redacted is a function of the text alone, and when bytes are released a function of lengths and line feeds alone.

#![expect(
    clippy::cast_possible_truncation,
    reason = "places in what is held fit its length, and bytes are cut out of wider numbers on purpose"
)]

mod body;
mod encodings;
mod escapes;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod messages;
#[cfg(any(test, fuzzing))]
mod oracle;
mod scanner;
mod search;
mod stream;
mod table;
mod view;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use body::{Head, RedactedBody, Socket, redact};
pub(crate) use messages::Messages;
pub(crate) use scanner::Scanner;
pub(crate) use stream::Redactor;

use crate::secret_ref::SecretName;

/// A value to look for.
pub(crate) struct Known<'a> {
    /// The name to show in its place; `None` where the caller may not list it.
    pub label: Option<SecretName>,
    /// The value.
    pub value: &'a [u8],
}

/// What was found so far: names in the order they were first seen, and whether a nameless value was among them.
#[derive(Clone, Default)]
pub(crate) struct Found {
    names: Vec<SecretName>,
    unnamed: bool,
}

impl Found {
    /// Whether anything was redacted.
    pub(crate) fn any(&self) -> bool {
        self.unnamed || !self.names.is_empty()
    }

    /// The names, in the order they were first seen.
    pub(crate) fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.names.iter()
    }

    /// Whether a value was found whose name the caller may not list.
    pub(crate) fn unnamed(&self) -> bool {
        self.unnamed
    }

    /// Adds what another search found.
    pub(crate) fn merge(&mut self, other: &Self) {
        for name in &other.names {
            self.add(Some(name));
        }
        self.unnamed |= other.unnamed;
    }

    fn add(&mut self, label: Option<&SecretName>) {
        match label {
            None => self.unnamed = true,
            Some(name) if self.names.contains(name) => {}
            Some(name) => self.names.push(name.clone()),
        }
    }
}
