//! How far one grant goes towards what a call wants.

use super::agent::Bound;
use super::check::Asked;
use super::grant::Grant;
use super::header;
use super::refusal::Wanted;
use crate::secret_ref::Label;

/// How far a grant goes towards a call; the furthest one makes the most helpful refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Another origin, or another agent's.
    Nowhere,
    /// The origin, in another environment.
    Origin,
    /// The environment, too late.
    Environment,
    /// In time, with another path.
    Unexpired,
    /// The path, with another method.
    Path,
    /// The method, in another place of the request.
    Method,
    /// All the way.
    Whole,
}

/// How far `grant` goes towards what is wanted.
pub(super) fn reach(grant: &Grant, wanted: &Wanted<'_>) -> Reach {
    let (terms, asked) = (&grant.terms, wanted.asked);
    let another = |bound: &Bound| asked.agent.is_none_or(|agent| agent.id != bound.id);
    if !terms.rule.covers_origin(asked.url.origin()) || terms.agent.as_ref().is_some_and(another) {
        return Reach::Nowhere;
    }
    if !is_in(grant, wanted.environment) {
        return Reach::Origin;
    }
    if grant.expired(asked.now) {
        return Reach::Environment;
    }
    if !terms.rule.covers(asked.url) {
        return Reach::Unexpired;
    }
    if !permits_methods(grant, asked) {
        return Reach::Path;
    }
    if terms.slots.iter().any(|slot| slot.takes(&wanted.injection.auth)) { Reach::Whole } else { Reach::Method }
}

/// Whether the grant holds in the environment.
pub(super) fn is_in(grant: &Grant, environment: &Label) -> bool {
    grant.terms.environment.as_ref().is_none_or(|only| only == environment)
}

/// The request's own method, and any that its query asks for instead.
fn permits_methods(grant: &Grant, asked: &Asked<'_>) -> bool {
    let methods = &grant.terms.methods;
    let named = |text: &str| methods.iter().any(|method| method.as_str().eq_ignore_ascii_case(text));
    methods.is_empty()
        || (named(asked.method.as_str()) && header::methods_in_query(asked.url.query()).all(|method| named(&method)))
}
