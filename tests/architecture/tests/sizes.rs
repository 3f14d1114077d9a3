//! Files stay small enough to be read in one go.

use std::io::Write;

use agentsecrets_architecture::{TEST_MARKS, nothing_found, rust_sources};

const TOO_LONG: usize = 350;
const LONG: usize = 200;
const FACADE: usize = 80;

/// Files that say where to go, and do nothing themselves.
const FACADES: &[&str] = &[
    "core/src/lib.rs",
    "core/src/engine.rs",
    "cli/src/main.rs",
    "bindings/bridge/src/lib.rs",
    "bindings/python/src/lib.rs",
    "bindings/node/src/lib.rs",
];

/// Files with a budget of their own, and why.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("bindings/node/src/lib.rs", 90, "one attribute more, for builds without the registration"),
    ("core/src/redact/scanner.rs", 360, "the filter and its tables are read together"),
    ("core/src/redact/view.rs", 400, "one automaton: its states lose their sense apart"),
    ("core/src/store/vault.rs", 358, "one type and its promises; part of it is for tests alone"),
];

/// The lines before the first test module.
fn lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_module = |at: usize| lines.get(at + 1).is_some_and(|next| next.contains("mod ") && next.ends_with('{'));
    let begins = |line: &str| TEST_MARKS.iter().any(|mark| line.starts_with(mark));
    lines.iter().enumerate().position(|(at, line)| begins(line) && is_module(at)).unwrap_or(lines.len())
}

#[test]
fn files_keep_their_budgets() {
    let (mut findings, mut long) = (Vec::new(), Vec::new());
    for source in
        rust_sources(&["core/src/", "cli/src/", "bindings/", "server/src/", "xtask/src/", "tests/upstream/src/"])
    {
        let exception = EXCEPTIONS.iter().find(|(path, ..)| *path == source.path).map(|(_, budget, _)| *budget);
        let facade = FACADES.contains(&source.path.as_str()).then_some(FACADE);
        let budget = exception.or(facade).unwrap_or(TOO_LONG);
        let counted = if source.is_test() { 0 } else { lines(&source.text) };
        if counted > budget {
            findings.push(format!("{} has {counted} lines of {budget}", source.path));
        } else if counted > LONG {
            long.push(format!("{} has {counted} lines: think of two rooms", source.path));
        }
    }
    let _ = writeln!(std::io::stdout(), "{}", long.join("\n"));
    nothing_found("Files over their budget", &findings);
}

#[test]
fn a_test_module_does_not_count() {
    assert_eq!(lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    assert_eq!(lines("a\n    #[cfg(test)]\nb\n"), 3);
    assert_eq!(lines("#[cfg(test)]\nmod crash;\nb\n#[cfg(all(test, unix))]\nmod tests {\n}\n"), 3);
}
