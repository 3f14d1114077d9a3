//! Attacks on rules, paths and the documents that hold them.

use http::{HeaderMap, Method};
use jiff::Timestamp;
use uuid::Uuid;

use super::path::ambiguity;
use super::{Asked, DenyEntry, DenyOverlay, Document, Grant, PathPattern, Policy, Rule, Slot, Terms, parse_expiry};
use crate::call::{Auth, Injection};
use crate::fuzz::{Input, Target};
use crate::log_safe::SafeUrl;
use crate::secret_ref::{Label, SecretName, SecretRef};

/// A rule means what it prints, and a deny of it reaches whatever a grant of it does.
pub(crate) const RULE: Target = Target { name: "policy_rule", attack: rule, seeds: rule_seeds, words: RULE_WORDS };
/// A path is matched as the plainest reading says, and leads nowhere else.
pub(crate) const PATH: Target = Target { name: "policy_path", attack: path, seeds: path_seeds, words: PATH_WORDS };
/// What is read of a policy is written so again, and every question to it has an answer.
pub(crate) const DOCUMENT: Target =
    Target { name: "policy_document", attack: document, seeds: document_seeds, words: DOCUMENT_WORDS };

const RULE_WORDS: &[&str] = &[
    "https://",
    "http://",
    "*.",
    ".example.com",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0x7f.1",
    ":443",
    "/v1/*",
    "%2e",
    "xn--",
];
const PATH_WORDS: &[&str] = &["/", "..", "%2e", "%2F", "%5c", "%25", "//", ";", "*", "**", "/*", "%c0%af", "v1", "\\"];
const DOCUMENT_WORDS: &[&str] =
    &["\"serial\":", "\"rule\":", "\"slots\":", "\"agents\":[", "\"limits\":[", "null", "[]"];
const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn rule(data: &[u8]) {
    let mut input = Input::new(data);
    let (text, url) = (input.text(), input.text());
    if let Ok(slot) = Slot::parse(text) {
        assert_eq!(Slot::parse(&slot.to_string()).expect("its own spelling"), slot);
    }
    let _ = parse_expiry(text, NOW);
    let Ok(rule) = Rule::read(text) else { return };
    assert_eq!(Rule::read(&rule.to_string()).expect("its own spelling"), rule);
    if rule.path().is_none() {
        assert_eq!(Rule::read(&rule.short()).expect("its short spelling"), rule);
    }
    let Ok(url) = SafeUrl::parse(url) else { return };
    if rule.covers(&url) {
        assert!(rule.touches(&url), "a deny reaches whatever a grant of the same rule does");
        assert!(rule.covers_origin(url.origin()) && rule.is_https() == url.origin().is_https());
        assert_eq!(ambiguity(url.path()).filter(|_| rule.path().is_some()), None);
    }
    let exact = Rule::of(url.origin());
    assert!(exact.covers(&url) && exact.touches(&url), "the rule of an origin covers it");
}

fn path(data: &[u8]) {
    let mut input = Input::new(data);
    let (pattern, path) = (input.text(), input.text());
    if let Ok(read) = PathPattern::parse(pattern) {
        assert_eq!(PathPattern::parse(read.as_str()).expect("its own spelling"), read);
        let plain = ambiguity(path).is_none() && plainly(read.as_str().as_bytes(), path.as_bytes());
        assert_eq!(read.covers(path), plain);
        assert!(!read.covers(path) || read.touches(path), "a deny reaches whatever a grant of the same path does");
    }
    let Ok(url) = SafeUrl::parse(&format!("https://api.example.com/v1{path}")) else { return };
    let below = PathPattern::parse("/v1/*").expect("a pattern");
    if !below.covers(url.path()) {
        return;
    }
    // However often a server decodes it, and whatever it takes for a slash, it stays below.
    let mut read = url.path().to_owned();
    for _ in 0..3 {
        read = percent_encoding::percent_decode_str(&read).decode_utf8_lossy().replace('\\', "/");
        assert!(read.starts_with("/v1/") && !read.contains("//") && !read.contains(';'), "{read}");
        assert!(!read.split('/').any(|segment| matches!(segment, "." | "..")), "{read}");
    }
}

/// What a pattern means: for each beginning of it, the beginnings of the path that it matches.
fn plainly(pattern: &[u8], path: &[u8]) -> bool {
    let below = pattern.strip_suffix(b"/*").map(|body| [body, b"/**"].concat());
    let mut pattern = below.as_deref().unwrap_or(pattern);
    let mut matched = vec![false; path.len() + 1];
    matched[0] = true;
    while let Some((first, rest)) = pattern.split_first() {
        let across = *first == b'*' && rest.first() == Some(&b'*');
        if *first == b'*' {
            for at in 0..path.len() {
                matched[at + 1] |= matched[at] && (across || path[at] != b'/');
            }
        } else {
            for at in (0..path.len()).rev() {
                matched[at + 1] = matched[at] && path[at] == *first;
            }
            matched[0] = false;
        }
        pattern = if across { &rest[1..] } else { rest };
    }
    matched[path.len()]
}

fn document(data: &[u8]) {
    let mut input = Input::new(data);
    let (text, overlay) = (input.piece(), input.piece());
    let overlay = DenyOverlay::parse(overlay).unwrap_or_default();
    assert_eq!(DenyOverlay::parse(&overlay.to_bytes()).expect("its own bytes"), overlay);
    let Ok(document) = Document::parse(text) else { return };
    let written = document.to_bytes();
    assert_eq!(Document::parse(&written).expect("its own bytes").to_bytes(), written);
    let policy = Policy::new(&document, &overlay);
    let url = SafeUrl::parse("https://api.example.com/v1/x").expect("a URL");
    let injection = Injection { auth: Auth::Bearer, secret: SecretRef::new("KEY").expect("a name") };
    for project in &document.projects {
        let permitted = policy.check(&Asked {
            project: project.id,
            project_name: &project.name,
            environment: &Label::parse("development").expect("a label"),
            method: &Method::GET,
            url: &url,
            headers: &HeaderMap::new(),
            injections: std::slice::from_ref(&injection),
            agent: None,
            now: NOW,
        });
        let granted = |grant: &Grant| grant.project == project.id && grant.terms.rule.covers(&url);
        assert!(permitted.is_err() || document.grants.iter().any(granted), "nothing is permitted that no grant says");
        assert!(permitted.is_err() || document.agents.iter().all(|agent| agent.project != project.id));
    }
}

fn rule_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "api.example.com\0https://API.example.com:443/v1",
        "https://*.example.com/v1/*\0https://a.b.example.com/v1/x?y",
        "http://localhost:9000\0http://localhost:9000/",
        "http://[::1]:80/x/**/y\0http://[::1]/x/a/y",
        "header:X-Api-Key\0",
        "body:/a~1b/0\x000",
        "https://b\u{fc}cher.example\0https://xn--bcher-kva.example./",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn path_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "/v1/*\0/v1/a/b",
        "/v1/*/x/**/y\0/v1/a/x/b/c/y",
        "/\0/..%2fadmin",
        "/a*b\0/aab;x",
        "/%C3%A9\0/\u{e9}",
        "/**\0/%2e%2e/%c0%af",
        "/*\0//",
        "/a**b*c\0/axxbxxc",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn document_seeds() -> Vec<Vec<u8>> {
    let label = |text| Label::parse(text).expect("a label");
    let name = SecretName::parse("KEY").expect("a name");
    let mut document = Document::new(Uuid::nil(), label("personal"), label("shop"), NOW);
    let project = document.default_project;
    let rule = Rule::parse("https://api.example.com/v1/*").expect("a rule");
    let grant = Grant::new(project, name.clone(), Terms::new(rule.clone()), NOW).expect("a grant");
    let _ = document.add_grant(grant).expect("a known project");
    let mut overlay = DenyOverlay::default();
    overlay.deny(DenyEntry { project, secret: name, rule: Some(rule), serial: 0 });
    let with = |overlay: &DenyOverlay| [document.to_bytes(), overlay.to_bytes()].join(&0);
    vec![with(&DenyOverlay::default()), with(&overlay)]
}
