//! Where values may be looked at, and by whom.

use agentsecrets_architecture::{Source, line_of, nothing_found, rust_sources, tracked};

const REASON: &str = "// EXPOSE: ";
/// A statement may be broken over lines below its comment.
const REACH: usize = 3;
/// The types that hold a value.
const HOLDERS: &[&str] = &["SecretValue", "SecretInput", "SecretBuf", "UseKey", "SubKey", "OwnerKey"];
const FORBIDDEN_TRAITS: &[&str] = &["Clone", "Debug", "Display", "Serialize", "Deref"];

/// The lines of one file where a value is exposed without a reason above.
fn unexplained(source: &Source) -> Vec<String> {
    let code = source.code();
    let lines: Vec<&str> = source.text.lines().collect();
    code.match_indices(".expose")
        .map(|(at, _)| line_of(&code, at))
        .filter(|line| {
            let above = &lines[line.saturating_sub(1 + REACH)..line - 1];
            !above.iter().any(|it| it.trim().strip_prefix(REASON).is_some_and(|why| why.trim().len() > 8))
        })
        .map(|line| format!("{}:{line} exposes without `{REASON}why`", source.path))
        .collect()
}

#[test]
fn every_exposure_has_its_reason_and_lies_in_the_core() {
    let mut findings = Vec::new();
    let mut seen = 0;
    for source in rust_sources(&["core/src/"]) {
        findings.extend(unexplained(&source));
        seen += source.code().matches(".expose").count();
    }
    assert!(seen > 0, "the rule looks at no exposure at all");
    for source in rust_sources(&["cli/", "bindings/", "server/"]) {
        for (at, _) in source.code().match_indices(".expose") {
            findings.push(format!("{}:{} exposes outside the core", source.path, line_of(&source.text, at)));
        }
    }
    nothing_found("Exposures", &findings);
}

#[test]
fn an_exposure_without_its_reason_is_found() {
    let source =
        |text: &str| Source { path: "core/src/a.rs".to_owned(), text: text.to_owned(), included_for_tests: false };
    assert_eq!(unexplained(&source("fn a() {\n    let b = c.expose();\n}\n")).len(), 1);
    assert_eq!(unexplained(&source("fn a() {\n    // EXPOSE: short\n    let b = c.expose();\n}\n")).len(), 1);
    let explained =
        "fn a() {\n    // EXPOSE: the wire takes the bytes themselves.\n    let b = c\n        .expose();\n}\n";
    assert_eq!(unexplained(&source(explained)).len(), 0);
}

/// Ways in which a holder could show what it holds.
fn shown(source: &Source) -> Vec<String> {
    let code = source.code();
    let lines: Vec<&str> = code.lines().collect();
    let mut findings = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        for holder in HOLDERS {
            if declares(line, holder) {
                let derives: String = lines[..number]
                    .iter()
                    .rev()
                    .take_while(|it| !it.trim().is_empty() && !it.contains('}'))
                    .copied()
                    .collect();
                let derived =
                    FORBIDDEN_TRAITS.iter().filter(|name| derives.contains("derive") && derives.contains(**name));
                findings
                    .extend(derived.map(|name| format!("{}:{} derives {name} for {holder}", source.path, number + 1)));
            }
            // `Debug` by hand may say the type's name; these may not be written at all.
            for name in ["Clone", "Display", "Serialize", "Deref"] {
                if line.contains(&format!("{name} for {holder} ")) {
                    findings.push(format!("{}:{} implements {name} for {holder}", source.path, number + 1));
                }
            }
        }
    }
    findings
}

fn declares(line: &str, name: &str) -> bool {
    let Some((before, after)) = line.split_once("struct ") else { return false };
    let next = after.strip_prefix(name).and_then(|rest| rest.chars().next());
    before.trim_start().len() < 16 && next.is_some_and(|it| !it.is_alphanumeric() && it != '_')
}

#[test]
fn holders_of_values_cannot_be_shown_or_copied() {
    let findings: Vec<String> = rust_sources(&["core/src/"]).iter().flat_map(shown).collect();
    nothing_found("Holders of values", &findings);
}

#[test]
fn a_holder_that_can_be_shown_is_found() {
    let source =
        |text: &str| Source { path: "core/src/a.rs".to_owned(), text: text.to_owned(), included_for_tests: false };
    assert_eq!(shown(&source("#[derive(Clone, Debug)]\npub(crate) struct SecretValue {\n}\n")).len(), 2);
    assert_eq!(shown(&source("impl fmt::Display for SecretInput {\n}\n")).len(), 1);
    assert_eq!(shown(&source("#[derive(Clone)]\nstruct Name(u8);\n\nstruct SecretValue(u8);\n")).len(), 0);
}

#[test]
fn no_function_records_its_arguments() {
    let mut findings = Vec::new();
    for source in tracked().iter().filter(|source| source.path.ends_with(".rs")) {
        let code = source.code();
        for (at, found) in code.match_indices("instrument") {
            let after = code[at + found.len()..].chars().next();
            let before = code[..at].chars().next_back();
            let word = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
            if !word(after) && !word(before) {
                findings.push(format!("{}:{} uses `instrument`", source.path, line_of(&code, at)));
            }
        }
    }
    nothing_found("Spans name their fields one by one", &findings);
}
