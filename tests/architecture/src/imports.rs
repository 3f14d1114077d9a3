//! The paths into the crate that a file names.

/// Every `crate::…` of the code as `room::item`, groups resolved, with its place. Wants text without comments.
#[must_use]
pub fn crate_paths(code: &str) -> Vec<(usize, String)> {
    const START: &str = "crate::";
    let mut found = Vec::new();
    for (at, _) in code.match_indices(START) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == '$') || inside_visibility(code, at) {
            continue;
        }
        let mut paths = Vec::new();
        tree(&code[at + START.len()..], "", &mut paths);
        found.extend(paths.into_iter().map(|path| (at, path)));
    }
    found
}

/// What a facade gives on: each name, and the room it comes from. Wants text without comments.
#[must_use]
pub fn given_on(facade: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, start) in facade.match_indices("pub use ") {
        let mut paths = Vec::new();
        tree(&facade[at + start.len()..], "", &mut paths);
        found.extend(paths.iter().filter_map(|path| {
            let (room, _) = path.split_once("::")?;
            Some((path.rsplit("::").next()?.to_owned(), room.to_owned()))
        }));
    }
    found
}

/// `pub(in crate::room)` gives, it does not take.
fn inside_visibility(code: &str, at: usize) -> bool {
    code[..at].ends_with("pub(in ")
}

/// Reads one use tree (or plain path) and returns how much of the text it took.
fn tree(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let lead = text.len() - text.trim_start().len();
    let rest = &text[lead..];
    if let Some(group) = rest.strip_prefix('{') {
        let mut taken = 1;
        loop {
            taken += tree(&group[taken - 1..], prefix, found);
            let next = &group[taken - 1..];
            let gap = next.len() - next.trim_start().len();
            taken += gap + 1;
            match next.trim_start().chars().next() {
                Some(',') if !group[taken - 1..].trim_start().starts_with('}') => {}
                Some(',') => return lead + taken + group[taken - 1..].find('}').map_or(0, |at| at + 1),
                _ => return lead + taken,
            }
        }
    }
    let name: String = rest.chars().take_while(|it| it.is_alphanumeric() || matches!(it, '_' | '*')).collect();
    let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}::{name}") };
    let after = &rest[name.len()..];
    if let Some(deeper) = after.strip_prefix("::") {
        return lead + name.len() + 2 + tree(deeper, &path, found);
    }
    let renamed = after.trim_start().strip_prefix("as ").map_or(0, |alias| {
        let word = alias.chars().take_while(|it| it.is_alphanumeric() || *it == '_').count();
        after.len() - alias.len() + word
    });
    if !name.is_empty() && !after.starts_with('!') {
        found.push(path);
    }
    lead + name.len() + renamed
}

/// How deep the module of a file lies: `lib.rs` 0, `call.rs` and `store/mod.rs` 1, `call/multipart.rs` 2.
#[must_use]
pub fn depth(inside_src: &str) -> usize {
    match inside_src {
        "lib.rs" | "main.rs" => 0,
        path => path.strip_suffix("/mod.rs").unwrap_or(path).split('/').count(),
    }
}

/// The places where a file goes up to the crate's root by `super`, past the rule that rooms are named from the root.
#[must_use]
pub fn reaches_root(code: &str, depth: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find("super::").map(|found| at + found) {
        let ups = code.as_bytes()[start..].chunks(7).take_while(|chunk| *chunk == b"super::").count();
        if depth > 0 && ups >= depth + modules_around(code, start) {
            found.push(start);
        }
        at = start + ups * 7;
    }
    found
}

/// How many modules written in this file lie around this place.
fn modules_around(code: &str, place: usize) -> usize {
    let mut open = Vec::new();
    let mut head = 0;
    for (at, byte) in code.as_bytes()[..place].iter().enumerate() {
        match byte {
            b'{' => {
                let words: Vec<&str> = code[head..at].split_whitespace().collect();
                open.push(words.len() >= 2 && words[words.len() - 2] == "mod");
                head = at + 1;
            }
            b'}' => {
                open.pop();
                head = at + 1;
            }
            b';' => head = at + 1,
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        crate_paths(code).into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn groups_renames_and_plain_paths_are_read() {
        assert_eq!(paths("use crate::error::{Error, Result};"), ["error::Error", "error::Result"]);
        assert_eq!(
            paths("use crate::{call::{self, Body}, send as s, store::file::*,};"),
            ["call::self", "call::Body", "send", "store::file::*"]
        );
        assert_eq!(paths("let x = crate::store::open(a); $crate::y; pub(in crate::store) fn f() {}"), ["store::open"]);
        assert_eq!(paths("crate::log_safe!(X)"), Vec::<String>::new());
    }

    #[test]
    fn a_facade_gives_names_of_rooms() {
        let given = given_on("mod call;\npub use call::{Auth, Body};\npub use error::Error;\n");
        let wanted = [("Auth", "call"), ("Body", "call"), ("Error", "error")];
        assert_eq!(given, wanted.map(|(name, room)| (name.to_owned(), room.to_owned())));
    }

    #[test]
    fn going_up_to_the_root_is_seen() {
        assert_eq!(depth("inject/mod.rs"), 1);
        assert_eq!(depth("inject/bearer.rs"), 2);
        assert_eq!(reaches_root("use super::Armed;", depth("inject/bearer.rs")), [0; 0]);
        assert_eq!(reaches_root("use super::store;", depth("inject/mod.rs")), [4]);
        assert_eq!(reaches_root("use super::super::store;", depth("inject/bearer.rs")), [4]);
        assert_eq!(reaches_root("mod a { use super::super::Armed; }", depth("inject/bearer.rs")), [0; 0]);
        assert_eq!(reaches_root("fn a() {} mod b {} use super::super::store;", depth("inject/bearer.rs")), [23]);
    }
}
