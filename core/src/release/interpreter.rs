//! Programs that run whatever they are told: pinned with the script they run, or not at all.

use std::path::Path;

use crate::error::{Error, ErrorCode, Result};

/// Programs that run a script.
const INTERPRETERS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "bun",
    "csh",
    "dash",
    "deno",
    "fish",
    "gawk",
    "groovy",
    "ipython",
    "irb",
    "julia",
    "ksh",
    "lua",
    "luajit",
    "mawk",
    "mksh",
    "nawk",
    "node",
    "nodejs",
    "osascript",
    "perl",
    "php",
    "pwsh",
    "pypy",
    "python",
    "pythonw",
    "rbash",
    "rscript",
    "ruby",
    "sh",
    "tclsh",
    "tcsh",
    "ts-node",
    "tsx",
    "wish",
    "yash",
    "zsh",
];

/// Programs that run the command among their own arguments, which is then found by name and not pinned.
const WRAPPERS: &[&str] = &[
    "doas", "env", "expect", "find", "flock", "gdb", "ionice", "nice", "nohup", "npx", "parallel", "script", "setpriv",
    "setsid", "ssh", "stdbuf", "strace", "su", "sudo", "taskset", "time", "timeout", "unshare", "uvx", "watch",
    "xargs",
];

/// Options before a script that name no code: unbuffered or unset, trace, no bytecode.
const HARMLESS: &[&str] = &["-u", "-x", "-B"];

/// Programs that open a script by its real path, whatever they were given, or may: a copy in memory has none.
const BY_REAL_PATH: &[&str] = &[
    "bun",
    "deno",
    "groovy",
    "ipython",
    "irb",
    "julia",
    "node",
    "nodejs",
    "osascript",
    "php",
    "pwsh",
    "rscript",
    "ruby",
    "tclsh",
    "ts-node",
    "tsx",
    "wish",
];

/// Whether a program finds a script only where it really lies.
pub(super) fn asks_for_real_path(program: &Path) -> bool {
    BY_REAL_PATH.contains(&file_name(program).as_str())
}

/// Refuses a command whose code is not a file among its words. `words` begins with the program, and `is_file` tells
/// which of them name one.
///
/// # Errors
/// `invalid_call`, with what to write instead.
pub(super) fn check(program: &Path, words: &[String], is_file: &dyn Fn(usize) -> bool) -> Result<()> {
    let names = [file_name(Path::new(&words[0])), file_name(program)];
    if let Some(name) = names.iter().find(|name| WRAPPERS.contains(&name.as_str())) {
        return Err(refused(format!("{name} runs whatever it is told"), "name the program itself after --"));
    }
    if names.iter().any(|name| name == "busybox" || name == "toybox") && names[0] == names[1] && words.len() > 1 {
        return applet(words, is_file);
    }
    match names.iter().find(|name| INTERPRETERS.contains(&name.as_str())) {
        Some(name) => script(name, words, is_file),
        None => Ok(()),
    }
}

/// `busybox sh SCRIPT` is what its first argument is.
fn applet(words: &[String], is_file: &dyn Fn(usize) -> bool) -> Result<()> {
    check(Path::new(&words[1]), &words[1..], &|at| is_file(at + 1))
}

fn script(name: &str, words: &[String], is_file: &dyn Fn(usize) -> bool) -> Result<()> {
    let mut at = 1;
    let takes_f = matches!(name, "awk" | "gawk" | "mawk" | "nawk");
    let takes_run = matches!(name, "deno" | "bun");
    if (takes_f && words.get(at).is_some_and(|word| word == "-f"))
        || (takes_run && words.get(at).is_some_and(|word| word == "run"))
    {
        at += 1;
    } else if takes_f {
        return Err(refused(format!("{name} runs the program text it is given"), "put it in a file: awk -f SCRIPT"));
    }
    while words.get(at).is_some_and(|word| HARMLESS.contains(&word.as_str())) {
        at += 1;
    }
    match words.get(at) {
        Some(word) if word.starts_with('-') => Err(refused(
            format!("{name} with an option before its script may run code that is in no file"),
            "put the code in a script, and name the script first: -- INTERPRETER SCRIPT ARG…",
        )),
        Some(_) if is_file(at) => Ok(()),
        Some(_) => Err(refused(
            format!("{name} is not followed by a script that exists"),
            "name an existing script: -- INTERPRETER SCRIPT ARG…",
        )),
        None => Err(refused(
            format!("{name} without a script runs whatever stands on its stdin"),
            "name an existing script: -- INTERPRETER SCRIPT ARG…",
        )),
    }
}

/// A program's name without its version: `python3.11` is `python`.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.trim_end_matches(".exe");
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if bare.is_empty() { name.to_owned() } else { bare.to_owned() }
}

fn refused(message: String, hint: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> bool {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        check(Path::new(&words[0]), &words, &|at| words[at].contains('/') || words[at].contains(".f")).is_ok()
    }

    #[test]
    fn an_interpreter_needs_its_script_first() {
        for fine in [
            "bash ./deploy.sh now",
            "python3.11 -u /srv/a.py -c x",
            "node ./a.js",
            "awk -f ./a.awk",
            "deno run ./a.ts",
            "busybox sh ./a.sh",
            "busybox wget x",
            "stripe listen -e production",
            "printenv KEY",
            "python3 ./x.py -m y",
        ] {
            assert!(verdict(fine), "{fine}");
        }
        for refused in [
            "bash",
            "sh -c env",
            "python3 -c pass",
            "python3.11 -m http.server",
            "python -",
            "node -e 1",
            "node --eval 1",
            "node -p 1",
            "perl -ne print",
            "ruby -e 1",
            "php -r 1",
            "lua -e 1",
            "awk BEGIN{}",
            "env printenv",
            "bash -s",
            "busybox sh -c env",
            "busybox env printenv",
            "sudo printenv",
            "bash missing",
            "node -r ./a.js ./b.js",
            "zsh --rcs ./a",
            "deno eval 1",
            "bun -e 1",
            "xargs ./a.sh",
            "bash -xc env",
            "dash",
        ] {
            assert!(!verdict(refused), "{refused}");
        }
    }
}
