//! The files of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{root, test_items, without_comments, without_tests};

/// A text file, by its path from the root.
pub struct Source {
    /// With slashes, from the root.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Whether another file includes it for tests alone.
    pub included_for_tests: bool,
}

impl Source {
    /// The text with comments, the contents of strings, and tests blanked; lines stay where they are.
    #[must_use]
    pub fn code(&self) -> String {
        if self.is_test() { String::new() } else { without_tests(&without_comments(&self.text)) }
    }

    /// Whether the file is compiled for tests alone.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let folders = ["/tests/", "/benches/", "/compile_fail/"];
        self.included_for_tests
            || name == "tests.rs"
            || self.text.contains("#![cfg(test)]")
            || folders.iter().any(|it| self.path.contains(it))
    }
}

/// Every file that is or would be committed; binary ones are read as far as they are text.
#[must_use]
pub fn tracked() -> Vec<Source> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output();
    let mut paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        // A source archive has no history.
        _ => {
            let mut found = Vec::new();
            walk(&root, &root, &mut found);
            found
        }
    };
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let bytes = fs::read(root.join(&path)).ok()?;
            Some(Source { path, text: String::from_utf8_lossy(&bytes).into_owned(), included_for_tests: false })
        })
        .collect()
}

/// The Rust files under one of the folders.
#[must_use]
pub fn rust_sources(folders: &[&str]) -> Vec<Source> {
    let mut sources = tracked();
    sources.retain(|it| it.path.ends_with(".rs") && folders.iter().any(|folder| it.path.starts_with(folder)));
    let for_tests: BTreeSet<String> = sources.iter().flat_map(modules_for_tests).collect();
    for source in &mut sources {
        source.included_for_tests = for_tests.contains(&source.path);
    }
    sources
}

/// The files named by `#[cfg(test)] mod name;` in this one.
fn modules_for_tests(source: &Source) -> Vec<String> {
    let code = without_comments(&source.text);
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let folder = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    };
    test_items(&code)
        .into_iter()
        .filter_map(|item| {
            let name = code[item].trim_end().strip_suffix(';')?.rsplit_once("mod ")?.1.trim().to_owned();
            Some([format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")])
        })
        .flatten()
        .collect()
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    const SKIPPED: [&str; 6] = ["target", "dist", "node_modules", ".venv", "__pycache__", ".git"];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(inside) = path.strip_prefix(root) {
            found.push(inside.to_string_lossy().into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_included_for_tests_alone_are_known() {
        let source =
            |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned(), included_for_tests: false };
        let text = "mod a;\n#[cfg(test)]\nmod crash;\n#[cfg(test)]\nmod tests { mod inner; }\n";
        assert_eq!(
            modules_for_tests(&source("core/src/store/mod.rs", text)),
            ["core/src/store/crash.rs", "core/src/store/crash/mod.rs"]
        );
        assert_eq!(modules_for_tests(&source("core/src/call.rs", text))[0], "core/src/call/crash.rs");
        assert_eq!(source("core/src/store/tests.rs", "fn a() {}").code(), "");
    }
}
