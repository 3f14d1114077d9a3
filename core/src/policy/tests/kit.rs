//! Short ways to say a document, a call and a verdict.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use uuid::Uuid;

use crate::call::{Auth, Injection};
use crate::error::{Error, Result};
use crate::log_safe::SafeUrl;
use crate::policy::{Asked, DenyEntry, DenyOverlay, Document, Grant, Permitted, Policy, Rule, Slot, Terms};
use crate::secret_ref::{Label, SecretName, SecretRef};

pub(super) const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

pub(super) fn label(text: &str) -> Label {
    Label::parse(text).expect(text)
}

pub(super) fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect(text)
}

pub(super) fn rule(text: &str) -> Rule {
    Rule::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

pub(super) fn terms(text: &str) -> Terms {
    Terms::new(rule(text))
}

pub(super) fn auth(text: &str) -> Auth {
    match Slot::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")) {
        Slot::Bearer => Auth::Bearer,
        Slot::Basic => Auth::Basic,
        Slot::Header(name) => Auth::Header(name),
        Slot::Query(name) => Auth::Query(name),
        Slot::BodyField(path) => Auth::BodyField(path),
        Slot::FormField(name) => Auth::FormField(name),
        Slot::Path => panic!("no style injects into the path"),
    }
}

/// A home and a call in it.
pub(super) struct Home {
    pub(super) document: Document,
    pub(super) denies: DenyOverlay,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) environment: Label,
    pub(super) now: Timestamp,
    /// Which of the document's agents asks.
    pub(super) agent: Option<usize>,
}

impl Home {
    pub(super) fn new() -> Self {
        Self {
            document: Document::new(Uuid::now_v7(), label("personal"), label("shop"), NOW),
            denies: DenyOverlay::default(),
            method: Method::GET,
            headers: HeaderMap::new(),
            environment: label("development"),
            now: NOW,
            agent: None,
        }
    }

    pub(super) fn project(&self) -> Uuid {
        self.document.default_project
    }

    pub(super) fn grant(mut self, secret: &str, terms: Terms) -> Self {
        let grant = Grant::new(self.project(), name(secret), terms, NOW).expect("a legal grant");
        assert!(self.document.add_grant(grant).expect("a known project").changed);
        self.document.advance(NOW);
        self
    }

    pub(super) fn deny(mut self, secret: &str, rule: Option<&str>) -> Self {
        self.denies.deny(self.denial(secret, rule));
        self
    }

    pub(super) fn denial(&self, secret: &str, rule: Option<&str>) -> DenyEntry {
        let rule = rule.map(|rule| Rule::read(rule).expect("a rule"));
        DenyEntry { project: self.project(), secret: name(secret), rule, serial: self.document.serial }
    }

    pub(super) fn method(mut self, method: &str) -> Self {
        self.method = method.parse().expect(method);
        self
    }

    pub(super) fn header(mut self, name: &str, value: &'static str) -> Self {
        self.headers.append(name.parse::<HeaderName>().expect(name), HeaderValue::from_static(value));
        self
    }

    pub(super) fn policy(&self) -> Policy {
        // Through bytes, as every policy comes.
        let document = Document::parse(&self.document.to_bytes()).expect("what was written is read");
        let denies = DenyOverlay::parse(&self.denies.to_bytes()).expect("what was written is read");
        Policy::new(&document, &denies)
    }

    /// Asks for each `(secret, slot)`.
    pub(super) fn ask(&self, url: &str, injections: &[(&str, &str)]) -> Result<Permitted> {
        let injection = |(secret, slot): &(&str, &str)| Injection {
            auth: auth(slot),
            secret: SecretRef::new(secret).expect("a reference"),
        };
        let injections: Vec<Injection> = injections.iter().map(injection).collect();
        let project_name = label("shop");
        self.policy().check(&Asked {
            project: self.project(),
            project_name: &project_name,
            environment: &self.environment,
            method: &self.method,
            url: &SafeUrl::parse(url).unwrap_or_else(|why| panic!("{url}: {why}")),
            headers: &self.headers,
            injections: &injections,
            agent: self.agent.and_then(|at| self.document.agents.get(at)),
            now: self.now,
        })
    }

    /// The code and hint of a refusal.
    pub(super) fn refusal(&self, url: &str, injections: &[(&str, &str)]) -> (String, String) {
        let error: Error = self.ask(url, injections).expect_err("a refusal");
        (error.code().to_string(), error.hint().unwrap_or_default().to_owned())
    }
}
