//! Files made from others: written by `cargo xtask generate`, compared by `--check` and by the suite `check`.

mod error_docs;
mod node_errors;
mod python_errors;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::workspace;

/// One file, by its path from the root.
pub(crate) struct Generated {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Generated {
    fn new(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), text }
    }
}

/// Folders that hold generated files alone: whatever else lies there is left over.
const OWNED: &[&str] = &[error_docs::FOLDER];

fn all() -> Vec<Generated> {
    let mut files = error_docs::generate();
    files.push(python_errors::generate());
    files.push(node_errors::generate());
    files
}

/// `cargo xtask generate [--check]`.
pub(crate) fn command(check: bool) -> ExitCode {
    match if check { stale() } else { write() } {
        Ok(paths) if paths.is_empty() => {
            tell(&mut io::stdout(), "every generated file is up to date", ExitCode::SUCCESS)
        }
        Ok(paths) if check => {
            let told = format!("not what `cargo xtask generate` writes:\n  {}", paths.join("\n  "));
            tell(&mut io::stderr(), &told, ExitCode::FAILURE)
        }
        Ok(paths) => tell(&mut io::stdout(), &format!("written:\n  {}", paths.join("\n  ")), ExitCode::SUCCESS),
        Err(error) => tell(&mut io::stderr(), &error.to_string(), ExitCode::FAILURE),
    }
}

fn tell(out: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(out, "{text}");
    code
}

/// The files that differ from what would be written, missing and left-over ones included.
pub(crate) fn stale() -> io::Result<Vec<String>> {
    let root = workspace::root();
    let mut found: Vec<String> = all()
        .into_iter()
        .filter(|file| std::fs::read_to_string(root.join(&file.path)).ok().as_ref() != Some(&file.text))
        .map(|file| file.path.display().to_string())
        .collect();
    found.extend(left_over(root)?.iter().map(|path| path.display().to_string()));
    Ok(found)
}

fn write() -> io::Result<Vec<String>> {
    let root = workspace::root();
    let written = stale()?;
    for path in left_over(root)? {
        std::fs::remove_file(root.join(path))?;
    }
    for file in all() {
        let path = root.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(path, file.text)?;
    }
    Ok(written)
}

fn left_over(root: &Path) -> io::Result<Vec<PathBuf>> {
    let wanted: BTreeSet<PathBuf> = all().into_iter().map(|file| file.path).collect();
    let mut found = Vec::new();
    for folder in OWNED.iter().filter(|folder| root.join(folder).is_dir()) {
        for entry in std::fs::read_dir(root.join(folder))? {
            let path = Path::new(folder).join(entry?.file_name());
            if !wanted.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Text broken into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_a_class_in_python_and_a_class_in_node() {
        let files = all();
        let text = |end: &str| files.iter().find(|file| file.path.ends_with(end)).map(|file| file.text.as_str());
        let (python, node) = (text("errors.py").expect("a file"), text("errors.ts").expect("a file"));
        for code in crate::errors::ErrorCode::ALL {
            assert!(text(&format!("{code}.md")).is_some(), "{code}");
            assert!(python.contains(&format!("class {}(AgentSecretsError):", code.class_name())), "{code}");
            assert!(node.contains(&format!("export class {} extends AgentSecretsError", code.class_name())), "{code}");
        }
    }

    #[test]
    fn lines_are_no_longer_than_asked() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("immovable", 3), ["immovable"]);
    }
}
