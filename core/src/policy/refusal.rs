//! Refusals, each with the exact command by which the owner would permit what was asked.

use std::net::IpAddr;

use http::HeaderName;
use uuid::Uuid;

use super::change::{is_plain, shown};
use super::check::{Asked, Checked, Permitted};
use super::grant::Grant;
use super::reach::Reach;
use super::rule::Rule;
use super::slot::{Slot, title_case};
use crate::call::Injection;
use crate::error::{Error, ErrorCode};
use crate::secret_ref::{Label, SecretName};
use crate::send::address::{self, AddressScope};

/// One injection of a call, and where its name is looked up.
pub(super) struct Wanted<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) workspace: Uuid,
    pub(super) project: Uuid,
    pub(super) environment: &'a Label,
    pub(super) injection: &'a Injection,
    /// Why a server may read the path otherwise.
    pub(super) doubt: Option<&'static str>,
}

impl Wanted<'_> {
    /// The injection, permitted by `rule`.
    pub(super) fn checked(&self, rule: &Rule) -> Checked {
        Checked {
            workspace: self.workspace,
            project: self.project,
            environment: self.environment.clone(),
            secret: self.secret().clone(),
            rule: rule.clone(),
        }
    }

    /// The refusal where `closest` is the grant that went furthest, and reached `reach`.
    pub(super) fn refused(&self, reach: Reach, closest: Option<&Grant>) -> Error {
        let (secret, origin, slot) = (self.secret(), self.asked.url.origin(), self.slot());
        let Some(grant) = closest else {
            return destination(format!("no grant lets {secret} go to {origin}"), self.allow(self.new_rule(), vec![]));
        };
        let may = format!("{secret} may go to {origin}");
        match reach {
            Reach::Nowhere | Reach::Whole => destination(may, None),
            Reach::Origin => {
                let flags = vec![("--environment", self.environment.to_string())];
                destination(format!("{may}, but not in {}", self.environment), self.again(grant, flags))
            }
            Reach::Environment => {
                let end = grant.terms.expires.map_or_else(String::new, |end| format!(" at {end:.0}"));
                destination(format!("the grant of {secret} for {origin} expired{end}"), self.again(grant, vec![]))
            }
            Reach::Unexpired => self.wrong_path(&may, grant),
            Reach::Path => self.wrong_method(&may, grant),
            Reach::Method => {
                let message = format!("{may}, but not as {}", shown(&slot.to_string()));
                let flags = [vec![("--slot", slot.to_string())], kept(grant, true)].concat();
                let rule = if slot.in_body() && grant.terms.rule.path().is_none() {
                    Rule::of_path(self.asked.url)
                } else {
                    Some(grant.terms.rule.clone())
                };
                hinted(Error::new(ErrorCode::SlotNotAllowed, message), self.allow(rule, flags))
            }
        }
    }

    /// The refusal of what was denied, everywhere or by a rule.
    pub(super) fn denied(&self, rule: Option<&Rule>) -> Error {
        let secret = self.secret();
        let place = rule.map_or_else(|| "everywhere".to_owned(), |rule| format!("at {}", rule.short()));
        let mut words = vec!["allow".to_owned(), secret.to_string()];
        words.push(rule.map_or_else(|| Rule::of(self.asked.url.origin()).short(), Rule::short));
        words.extend(self.only_the_asker());
        destination(format!("{secret} has been denied {place}; the owner's allow lifts it"), self.command(&words))
    }

    /// The refusal of a caller's header.
    pub(super) fn bends(&self, name: &HeaderName, grant: &Grant) -> Error {
        let (secret, name) = (self.secret(), title_case(name));
        let message = format!("the call sets {name} itself, which no grant of {secret} permits beside its value");
        let mut flags = kept(grant, true);
        flags.push(("--permit-header", name));
        let hint = self.allow(Some(grant.terms.rule.clone()), flags);
        hinted(Error::new(ErrorCode::HeaderNotAllowed, message), hint)
    }

    fn wrong_path(&self, may: &str, grant: &Grant) -> Error {
        match self.doubt {
            Some(doubt) => destination(format!("{may} only under a path, and the URL's {doubt}"), None)
                .with_hint("write the path plainly: servers do not agree on what such a path means"),
            None => destination(
                format!("{may}, but not with this path"),
                self.allow(Rule::of_path(self.asked.url), kept(grant, true)),
            ),
        }
    }

    fn wrong_method(&self, may: &str, grant: &Grant) -> Error {
        let method = self.asked.method.as_str();
        if grant.terms.methods.iter().any(|own| own.as_str().eq_ignore_ascii_case(method)) {
            return destination(format!("{may}, but the query asks for another method"), None)
                .with_hint("leave the method parameter (_method) out of the query");
        }
        let flags = vec![("--method", method.to_ascii_uppercase())];
        destination(format!("{may}, but not with {}", shown(method)), self.again(grant, flags))
    }

    fn secret(&self) -> &SecretName {
        self.injection.secret.name()
    }

    fn slot(&self) -> Slot {
        Slot::of(&self.injection.auth)
    }

    /// The narrowest rule that a new grant would need: a body slot needs the path too.
    fn new_rule(&self) -> Option<Rule> {
        if self.slot().in_body() { Rule::of_path(self.asked.url) } else { Some(Rule::of(self.asked.url.origin())) }
    }

    /// The command that repeats a grant, with something added.
    fn again(&self, grant: &Grant, mut flags: Vec<(&'static str, String)>) -> Option<String> {
        let methods = flags.iter().all(|(flag, _)| *flag != "--method");
        let kept = kept(grant, methods).into_iter();
        let beside: Vec<_> = kept.filter(|(flag, _)| flags.iter().all(|(other, _)| flag != other)).collect();
        flags.extend(beside);
        let covers = grant.terms.rule.covers(self.asked.url);
        let rule = if covers { Some(grant.terms.rule.clone()) } else { self.new_rule() };
        self.allow(rule, flags)
    }

    fn allow(&self, rule: Option<Rule>, flags: Vec<(&'static str, String)>) -> Option<String> {
        let rule = rule.filter(Rule::is_grantable)?;
        let mut words = vec!["allow".to_owned(), self.secret().to_string(), rule.short()];
        let slot = self.slot();
        if !slot.is_default() && flags.iter().all(|(flag, _)| *flag != "--slot") {
            words.extend(["--slot".to_owned(), slot.to_string()]);
        }
        words.extend(self.only_the_asker());
        for (flag, value) in flags {
            words.push(flag.to_owned());
            words.extend((!value.is_empty()).then_some(value));
        }
        self.command(&words)
    }

    /// What keeps a new grant from other agents than the one that asked.
    fn only_the_asker(&self) -> impl Iterator<Item = String> {
        self.asked.agent.into_iter().flat_map(|agent| ["--agent".to_owned(), agent.name.to_string()])
    }

    /// A command line for a shell, or `None` where a name in it could do something to a terminal.
    fn command(&self, words: &[String]) -> Option<String> {
        let line: Option<Vec<String>> = words.iter().map(|word| quoted(word)).collect();
        let elsewhere = self.injection.secret.scope().project.as_ref().filter(|name| *name != self.asked.project_name);
        let project = elsewhere.map_or_else(String::new, |name| format!("AGENTSECRETS_PROJECT={name} "));
        Some(format!("{project}agentsecrets {}", line?.join(" ")))
    }
}

impl Permitted {
    /// The refusal of an address that the host turned out to have.
    pub(crate) fn refused_address(&self, ip: IpAddr, injections: &[Injection]) -> Error {
        let message = format!("{} leads to {ip}, {}", self.url().origin(), address::class(ip));
        let error = Error::new(ErrorCode::AddressRefused, message);
        let mends = self.scope() == AddressScope::PublicOnly && AddressScope::PrivateAllowed.permits(ip);
        let (Some(checked), Some(injection), true) = (self.checked().first(), injections.first(), mends) else {
            return error;
        };
        let slot = Slot::of(&injection.auth);
        let slot = if slot.is_default() {
            Some(String::new())
        } else {
            quoted(&slot.to_string()).map(|s| format!(" --slot {s}"))
        };
        let agent = self.agent.as_ref().map_or_else(String::new, |name| format!(" --agent {name}"));
        let hint = quoted(&checked.rule.short())
            .zip(slot)
            .map(|(rule, slot)| format!("agentsecrets allow {} {rule}{slot}{agent} --private", checked.secret));
        hinted(error, hint)
    }
}

/// The limits of a grant that a new one beside it should keep.
fn kept(grant: &Grant, methods: bool) -> Vec<(&'static str, String)> {
    let terms = &grant.terms;
    let mut flags = Vec::new();
    if methods {
        flags.extend(terms.methods.iter().map(|method| ("--method", method.to_string())));
    }
    flags.extend(terms.environment.iter().map(|environment| ("--environment", environment.to_string())));
    flags.extend(terms.approve.then(|| ("--approve", String::new())));
    flags.extend(terms.private.then(|| ("--private", String::new())));
    flags
}

/// A word as a POSIX shell takes it, or `None` where it holds something that does not belong on a terminal.
pub(super) fn quoted(word: &str) -> Option<String> {
    let tame = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match word {
        _ if !word.chars().all(is_plain) => None,
        _ if !word.is_empty() && word.chars().all(tame) => Some(word.to_owned()),
        _ => Some(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

fn destination(message: String, hint: Option<String>) -> Error {
    hinted(Error::new(ErrorCode::DestinationNotAllowed, message), hint)
}

fn hinted(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
