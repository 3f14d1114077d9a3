//! What the house rules look at: the files of the repository, and the code in them without comments and tests.

mod code;
mod files;
mod imports;

pub use code::{TEST_MARKS, line_of, test_items, without_comments, without_tests};
pub use files::{Source, rust_sources, tracked};
pub use imports::{crate_paths, depth, given_on, reaches_root};

use std::path::PathBuf;

/// The root of the repository; tests run in their package's folder.
#[must_use]
pub fn root() -> PathBuf {
    std::env::current_dir().expect("a current folder").join("../..").canonicalize().expect("the root of the repository")
}

/// Fails with every finding at once, each on its line.
pub fn nothing_found(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}\n", findings.join("\n  "));
}
