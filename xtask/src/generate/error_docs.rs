//! `docs/errors/`: a page for each code, and the table of them all.

use std::fmt::Write;

use crate::errors::{ErrorCode, Stage};

use super::{Generated, wrap};

pub(super) const FOLDER: &str = "docs/errors";

const NOTE: &str = "<!-- Written by `cargo xtask generate` from core/src/error.rs. -->";

pub(super) fn generate() -> Vec<Generated> {
    let mut files = vec![Generated::new(format!("{FOLDER}/README.md"), table())];
    files.extend(ErrorCode::ALL.iter().map(|code| Generated::new(format!("{FOLDER}/{code}.md"), page(*code))));
    files
}

fn table() -> String {
    let mut text = format!("{NOTE}\n\n# Errors\n\n");
    text.push_str(
        "Every error has a stable **code**, the **stage** that refused or failed, whether the same call may succeed later\n\
         (**retryable**), and mostly a **hint**: the command that mends it. The codes are the same on the command line, in\n\
         Rust, in Python and in Node, and never hold a value. Codes are only ever added.\n\n\
         | code | stage | retryable | exit code | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let _ = writeln!(
            text,
            "| [`{code}`]({code}.md) | `{}` | {} | {} | {} |",
            code.stage(),
            yes(code.retryable()),
            code.exit_code(),
            code.explanation()
        );
    }
    text.push_str("\n## Stages\n\nIn the order of the way of a request:\n\n");
    for stage in Stage::ALL {
        let _ = writeln!(text, "- `{stage}`");
    }
    text
}

fn page(code: ErrorCode) -> String {
    let class = code.class_name();
    let mut text =
        format!("{NOTE}\n\n# `{code}`\n\n{}\n\n| | |\n| --- | --- |\n", wrap(code.explanation(), 118).join("\n"));
    let hint = match code.hint() {
        Some(hint) => format!("`{hint}`"),
        None => "depends on the call: the error's own hint, where it has one, names the command".to_owned(),
    };
    let _ = writeln!(text, "| stage | `{}`, unless the error names another |", code.stage());
    let _ = writeln!(text, "| retryable | {} |", yes(code.retryable()));
    let _ = writeln!(text, "| exit code of `agentsecrets` | {} |", code.exit_code());
    let _ = writeln!(text, "| what mends it | {hint} |");
    let _ = writeln!(text, "| Rust | `ErrorCode::{class}` |");
    let _ = writeln!(text, "| Python | `agentsecrets.errors.{class}` |");
    let _ = writeln!(text, "| Node | `{class}`, or `error.is(\"{code}\")` |");
    text.push_str("\n[All errors](README.md)\n");
    text
}

fn yes(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
