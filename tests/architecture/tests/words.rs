//! What no file of the repository may hold: keys, places of one machine, sources other than the public ones.

use agentsecrets_architecture::{line_of, nothing_found, root, tracked};

/// The shapes of vendors' keys: how they begin, and how many key characters follow at least.
const SHAPES: &[(&str, usize)] = &[
    ("sk_live_", 12),
    ("sk_test_", 12),
    ("rk_live_", 12),
    ("whsec_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("SG.", 40),
    ("npm_", 30),
    ("pypi-Ag", 30),
    ("hf_", 30),
    ("dop_v1_", 30),
    ("shpat_", 20),
];

fn keys(text: &str) -> Vec<usize> {
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for (prefix, least) in SHAPES {
        for (at, _) in text.match_indices(prefix) {
            let rest = &bytes[at + prefix.len()..];
            let length = rest.iter().take_while(|byte| is_key(byte)).count();
            let starts = at == 0 || !is_key(&bytes[at - 1]);
            // A run of one letter or a name in words is an example; a key has digits and letters.
            let body = &rest[..length];
            let mixed = body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_alphabetic);
            if starts && length >= *least && mixed {
                found.push(at);
            }
        }
    }
    found
}

#[test]
fn no_file_holds_what_looks_like_a_key() {
    let mut findings = Vec::new();
    for source in tracked() {
        findings.extend(keys(&source.text).iter().map(|at| format!("{}:{}", source.path, line_of(&source.text, *at))));
    }
    nothing_found("Keys are made at run time, never written down", &findings);
}

#[test]
fn keys_are_found() {
    let body = "a1B2c3D4".repeat(6);
    for (prefix, _) in SHAPES {
        assert_eq!(keys(&format!("x = \"{prefix}{body}\"")).len(), 1, "{prefix}");
    }
    assert_eq!(keys("sk_live_ is how they begin; ghp_xxxxxxxxxxxxxxxxxxxxxxxxxx is an example").len(), 0);
}

/// Beginnings of paths that exist on one machine only, joined here so that this file does not hold them.
fn places() -> Vec<String> {
    let mut places = [["/ro", "ot/"], ["/Us", "ers/"], ["/ho", "me/"]].map(|parts| parts.concat()).to_vec();
    places.extend(["main/", "wt/", "shared/", "briefs/"].map(|folder| ["/wo", "rk/", folder].concat()));
    // Where the repository lies right now, unless that is a short place such as a container's only folder.
    places.extend(Some(format!("{}/", root().display())).filter(|place| place.matches('/').count() > 2));
    places
}

/// Homes that documents use as examples.
const EXAMPLES: &[&str] = &["you", "user", "me", "USER", "alice", "bob", "agent", "runner"];

fn machine_paths(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for place in places() {
        for (at, _) in text.match_indices(&place) {
            let before = text[..at].chars().next_back();
            let path = before.is_none_or(|it| !it.is_alphanumeric() && !"_-.~}>)]*/:".contains(it));
            let name: String = text[at + place.len()..].chars().take_while(|it| it.is_alphanumeric()).collect();
            if path && !EXAMPLES.contains(&name.as_str()) {
                found.push(at);
            }
        }
    }
    found
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let mut findings = Vec::new();
    for source in tracked() {
        let places = machine_paths(&source.text);
        findings.extend(places.iter().map(|at| format!("{}:{}", source.path, line_of(&source.text, *at))));
    }
    nothing_found("Paths of one machine", &findings);
}

#[test]
fn places_are_found() {
    for place in places() {
        assert!(!machine_paths(&format!("see {place}thing")).is_empty(), "{place}");
        assert_eq!(machine_paths(&format!("see target{place}thing")).len(), 0, "{place}");
    }
}

/// Lock and requirement files, how a line with a source begins, and how the source has to go on.
const SOURCES: &[(&str, &str, &str)] = &[
    ("Cargo.lock", "source = \"", "registry+https://github.com/rust-lang/crates.io-index\""),
    ("package-lock.json", "\"resolved\": \"", "https://registry.npmjs.org/"),
    ("uv.lock", "source = { registry = \"", "https://pypi.org/simple\""),
];

fn foreign(path: &str, text: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut found = Vec::new();
    for (file, start, source) in SOURCES.iter().filter(|(file, ..)| *file == name) {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix(start)) {
            if !line.starts_with(source) {
                found.push(format!("{path}: {file} has another source than the public one"));
            }
        }
    }
    let options = ["--index-url", "--extra-index-url", "--find-links"];
    if path.contains("requirements") && options.iter().any(|option| text.contains(option)) {
        found.push(format!("{path} names an index"));
    }
    found
}

#[test]
fn packages_come_from_the_public_registries() {
    let findings: Vec<String> = tracked().iter().flat_map(|source| foreign(&source.path, &source.text)).collect();
    nothing_found("Sources of packages", &findings);
    assert_eq!(foreign("node/package-lock.json", "  \"resolved\": \"https://elsewhere.test/a.tgz\",\n").len(), 1);
    assert_eq!(foreign("xtask/requirements/a.txt", "--index-url https://elsewhere.test\n").len(), 1);
    assert_eq!(foreign("Cargo.lock", "source = \"registry+https://elsewhere.test\"\n").len(), 1);
}
