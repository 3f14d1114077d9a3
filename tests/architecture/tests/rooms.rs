//! Who may import whom inside the core.

use std::collections::BTreeMap;

use agentsecrets_architecture::{crate_paths, depth, given_on, line_of, nothing_found, reaches_root, rust_sources};

/// Rooms that everyone may enter: names, errors, what is said and answered.
const OPEN: &[&str] = &["call", "context", "error", "hex", "log_safe", "response", "secret_ref"];

/// A room, and the rooms it may enter besides its own and the open ones. A stage knows the proof of the stage before.
/// `home` is where the folders are, `control` what is asked besides calls: names only, but no business of a stage.
const ROOMS: &[(&str, &[&str])] = &[
    ("control", &[]),
    ("home", &[]),
    ("policy", &[]),
    ("resolve", &["policy", "store", "crypto"]),
    ("inject", &["resolve"]),
    // The protocol of sockets knows nothing of values, and nobody who does.
    ("websocket", &[]),
    ("send", &["inject", "websocket"]),
    ("redact", &["send", "inject", "websocket"]),
    ("audit", &[]),
    ("store", &["crypto", "home"]),
    ("crypto", &[]),
    // The doors: a value leaves to a child or a provider, behind a grant, and what comes back is searched.
    ("release", &["policy", "resolve", "redact", "control"]),
    ("owner", &["policy", "audit", "resolve", "release", "store", "crypto", "home", "control", "sync"]),
    // What members share: verified against the chain, and opened with the device's keys.
    ("sync", &["policy", "resolve", "send", "store", "crypto", "home", "control", "owner"]),
    // Carries messages between the owner's child, which has no network, and the server.
    ("account", &["client", "owner", "send", "sync", "home"]),
    (
        "engine",
        &["policy", "resolve", "inject", "send", "redact", "websocket", "release", "audit", "home", "control", "sync"],
    ),
    (
        "broker",
        &["client", "engine", "release", "owner", "policy", "audit", "resolve", "store", "crypto", "home", "control"],
    ),
    (
        "client",
        &["broker", "engine", "release", "owner", "policy", "audit", "resolve", "store", "crypto", "home", "control"],
    ),
    ("logs", &["audit", "home", "control", "owner"]),
    ("measure", &["audit", "redact"]),
    // Lists the attacks that lie in the rooms, and is compiled for them alone.
    ("fuzz", &[]),
];

/// Single doors: the files (by the beginning of their path), what they may enter, and why.
const DOORS: &[(&str, &str, &str)] = &[
    ("control", "audit::LogsQuery", "the log is asked for beyond the home as everything else is"),
    ("client/", "logs", "the log is asked for beyond the home as everything else is"),
    ("client", "logs::Anchor", "where the audit's chain stands is asked like everything else"),
    ("resolve/", "control::MemoryReport", "how much memory is locked is told as it is measured"),
    ("resolve/", "send::AddressScope", "the proof of the policy is carried on to `send`"),
    ("store/", "resolve::value", "what rests comes in and goes out as a value"),
    ("store/", "resolve::input", "what a human hands over goes straight to rest"),
    ("store/", "resolve::SecretInput", "what a human hands over goes straight to rest"),
    ("crypto/", "resolve::value", "sealing takes a value, opening makes one"),
    ("redact/", "resolve::value", "needles are made from values"),
    ("policy/", "send::address", "a rule names the address scope that `send` checks"),
    ("broker/", "send::timed_out", "a deadline is told in the same words on both sides of the socket"),
    ("engine/", "store", "opening a home, listing and deleting names; the order of the stages stays in engine.rs"),
    ("engine/", "crypto::UseKey", "opening a home opens its use key"),
    ("engine/", "owner", "the owner's room verifies the policy that the engine loads"),
];

#[test]
fn rooms_enter_what_the_table_allows() {
    let mut findings = Vec::new();
    let sources = rust_sources(&["core/src/"]);
    let facade = sources.iter().find(|source| source.path == "core/src/lib.rs").expect("the facade").code();
    let facade: BTreeMap<String, String> = given_on(&facade).into_iter().collect();
    for source in &sources {
        let inside = &source.path["core/src/".len()..];
        let room = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let code = source.code();
        for at in reaches_root(&code, depth(inside)) {
            findings.push(format!("{}:{} goes up to the root by `super`", source.path, line_of(&code, at)));
        }
        let Some(allowed) = allowed(room) else {
            findings.push(format!("{} lies in a room that has no row in ROOMS", source.path));
            continue;
        };
        for (at, path) in crate_paths(&code) {
            let first = path.split("::").next().unwrap_or_default();
            let target = facade.get(first).map_or(first, String::as_str);
            let ok = target == room || OPEN.contains(&target) || allowed.contains(&target) || has_door(inside, &path);
            if !ok {
                findings.push(format!("{}:{} enters crate::{path}", source.path, line_of(&code, at)));
            }
        }
    }
    nothing_found("Imports that the table does not allow", &findings);
}

fn allowed(room: &str) -> Option<&'static [&'static str]> {
    if OPEN.contains(&room) {
        return Some(&[]);
    }
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed)
}

fn has_door(file: &str, path: &str) -> bool {
    DOORS.iter().any(|(from, to, _)| file.starts_with(from) && (path == *to || path.starts_with(&format!("{to}::"))))
}

#[test]
fn the_table_keeps_the_promises_that_matter_most() {
    // Said again in words, so that a new row cannot quietly take them back.
    for room in ["policy", "redact", "audit"] {
        let allowed = allowed(room).expect("a row");
        assert!(!allowed.contains(&"store") && !allowed.contains(&"crypto"), "{room} reaches what rests");
    }
    let engine = ROOMS.iter().filter(|(_, allowed)| allowed.contains(&"engine")).map(|(room, _)| *room);
    assert_eq!(engine.collect::<Vec<_>>(), ["broker", "client"], "only these two may know the whole order");
    assert!(!has_door("audit/log.rs", "resolve::value::SecretValue") && !has_door("policy/mod.rs", "send::Armed"));
    assert!(!has_door("engine.rs", "store::Vault"), "the file of the six lines reaches what rests");
    assert!(has_door("store/file.rs", "resolve::value::SecretValue"));
}
