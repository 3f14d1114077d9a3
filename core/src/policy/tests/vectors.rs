//! `tests/vectors/policy/*.json`, read in place.

use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::kit::{Home, NOW, label, name, terms};
use crate::policy::{DenyEntry, PathPattern, Rule, Slot, parse_expiry};
use crate::send::address::{AddressScope, class};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    #[allow(dead_code)] // For people.
    about: String,
    cases: Vec<T>,
}

fn cases<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/policy").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let File { cases, .. } = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{file}: {why}"));
    cases
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    rule: String,
    canonical: Option<String>,
    #[serde(default)]
    refused: bool,
}

#[test]
fn rules() {
    for case in cases::<RuleCase>("rules.json") {
        let read = Rule::parse(&case.rule);
        assert_eq!(read.is_err(), case.refused, "{:?} gave {read:?}", case.rule);
        if let Ok(rule) = read {
            assert_eq!(Some(rule.to_string()), case.canonical, "{}", case.rule);
            assert_eq!(Rule::parse(&rule.short()).expect("its own spelling"), rule, "{}", case.rule);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathCase {
    pattern: String,
    path: String,
    covers: bool,
    touches: bool,
}

#[test]
fn paths() {
    for case in cases::<PathCase>("paths.json") {
        let pattern = PathPattern::parse(&case.pattern).unwrap_or_else(|why| panic!("{}: {why}", case.pattern));
        assert_eq!(pattern.covers(&case.path), case.covers, "{} covers {}", case.pattern, case.path);
        assert_eq!(pattern.touches(&case.path), case.touches, "{} touches {}", case.pattern, case.path);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressCase {
    ip: IpAddr,
    class: String,
    name: bool,
    private: bool,
    localhost: bool,
    literal: bool,
}

#[test]
fn addresses() {
    for AddressCase { ip, class: expected, name, private, localhost, literal } in cases("addresses.json") {
        assert_eq!(format!("{:?}", class(ip)), expected, "{ip}");
        assert_eq!(AddressScope::PublicOnly.permits(ip), name, "{ip} by name");
        assert_eq!(AddressScope::PrivateAllowed.permits(ip), private, "{ip} by --private");
        assert_eq!(AddressScope::Loopback.permits(ip), localhost, "{ip} by localhost");
        assert_eq!(AddressScope::Exactly(ip).permits(ip), literal, "{ip} by itself");
        let beside = "203.0.113.77".parse().expect("an address");
        assert!(!AddressScope::Exactly(beside).permits(ip), "{ip} by another address");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantCase {
    secret: Option<String>,
    rule: String,
    #[serde(default)]
    slots: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    environment: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    permit_headers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionCase {
    name: String,
    grants: Vec<GrantCase>,
    #[serde(default)]
    denies: Vec<Option<String>>,
    allowlist: Option<Vec<String>>,
    url: String,
    method: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    inject: Vec<(String, String)>,
    #[serde(default)]
    seconds_later: i64,
    verdict: String,
    hint: Option<String>,
    scope: Option<String>,
    path: Option<String>,
}

impl DecisionCase {
    fn home(&self) -> Home {
        let mut home = Home::new();
        for grant in &self.grants {
            let slots = grant.slots.iter().map(|text| Slot::parse(text).expect(text)).collect();
            let mut terms = terms(&grant.rule).with_slots(slots);
            terms.methods = grant.methods.iter().map(|text| text.parse().expect(text)).collect();
            terms.environment = grant.environment.as_deref().map(label);
            terms.expires = grant.expires.as_deref().map(|text| parse_expiry(text, NOW).expect(text));
            terms.private = grant.private;
            terms.permit_headers = grant.permit_headers.iter().map(|text| text.parse().expect(text)).collect();
            home = home.grant(grant.secret.as_deref().unwrap_or("STRIPE_KEY"), terms);
        }
        for rule in &self.denies {
            let rule = rule.as_deref().map(|text| Rule::read(text).expect(text));
            home.denies.deny(DenyEntry {
                project: home.project(),
                secret: name("STRIPE_KEY"),
                rule,
                serial: home.document.serial,
            });
        }
        let read = |rules: &Vec<String>| rules.iter().map(|text| Rule::read(text).expect(text)).collect();
        home.document.allowlist = self.allowlist.as_ref().map(read);
        home = self.headers.iter().fold(home, |home, name| home.header(name, "x"));
        home.environment = label(self.environment.as_deref().unwrap_or("development"));
        home.now = NOW + jiff::SignedDuration::from_secs(self.seconds_later);
        home.method(self.method.as_deref().unwrap_or("GET"))
    }

    fn expected_scope(&self, text: &str) -> AddressScope {
        match text {
            "public" => AddressScope::PublicOnly,
            "private" => AddressScope::PrivateAllowed,
            "localhost" => AddressScope::Loopback,
            ip => AddressScope::Exactly(ip.parse().unwrap_or_else(|why| panic!("{}: {why}", self.name))),
        }
    }
}

#[test]
fn decisions() {
    let cases = cases::<DecisionCase>("decisions.json");
    assert!(cases.iter().any(|case| case.verdict == "ok") && cases.iter().any(|case| case.verdict != "ok"));
    for case in cases {
        let inject: Vec<_> = case.inject.iter().map(|(secret, slot)| (secret.as_str(), slot.as_str())).collect();
        match case.home().ask(&case.url, &inject) {
            Ok(permitted) => {
                assert_eq!("ok", case.verdict, "{}", case.name);
                assert_eq!(permitted.checked().len(), inject.len(), "{}", case.name);
                let scope = case.scope.as_deref().map(|text| case.expected_scope(text));
                assert_eq!(scope.unwrap_or(permitted.scope()), permitted.scope(), "{}", case.name);
                let path = permitted.path_pattern().map(PathPattern::as_str);
                assert_eq!(case.path.as_deref().or(path), path, "{}", case.name);
            }
            Err(error) => {
                assert_eq!(error.code().as_str(), case.verdict, "{}: {error}", case.name);
                let hint = error.hint().unwrap_or_default();
                assert_eq!(case.hint.as_deref().unwrap_or(hint), hint, "{}", case.name);
                let shown = format!("{error} {hint}");
                assert!(shown.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{}: {shown:?}", case.name);
            }
        }
    }
}
