//! Rust text without what is not code.

/// Blanks comments and the contents of strings and characters; every line keeps its place.
#[must_use]
pub fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            [b'/', b'*', ..] => comment_end(bytes, at),
            [b'"', ..] => string_end(bytes, at),
            [b'r', b'"' | b'#', ..] if !is_word(bytes, at) => raw_end(bytes, at).unwrap_or(at + 1),
            [b'\'', ..] => char_end(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            blank(&mut out[at..end]);
        }
        at = end;
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// How an item that is compiled for tests alone begins.
pub const TEST_MARKS: [&str; 3] = ["#[cfg(test)]", "#[cfg(all(test,", "#[cfg(any(test, fuzzing))]"];

/// The items compiled for tests alone, from their attribute to their end. Wants text without comments.
#[must_use]
pub fn test_items(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = TEST_MARKS.iter().filter_map(|mark| code[from..].find(mark)).min().map(|at| from + at) {
        let attribute = code[start..].find(']').map_or(code.len(), |at| start + at + 1);
        from = item_end(code.as_bytes(), attribute);
        found.push(start..from);
    }
    found
}

/// Blanks what is compiled for tests alone. Wants text without comments.
#[must_use]
pub fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for item in test_items(code) {
        blank(&mut out[item]);
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// The number of the line at this byte, from 1.
#[must_use]
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

/// Whether the byte before belongs to a name, so that `r` is its last letter and no prefix.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b' || bytes[at - 1] == b'_')
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    Some(find(bytes, open + 1, &close).map_or(bytes.len(), |at| at + close.len()))
}

/// A character ends at its quote; a lifetime has none.
fn char_end(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        return find(bytes, start + 3, b"'").map_or(bytes.len(), |at| at + 1);
    }
    // One character of up to four bytes.
    let close = (start + 2..=start + 5).find(|at| bytes.get(*at) == Some(&b'\''));
    match close {
        Some(at) if at == start + 2 || !bytes[start + 1].is_ascii() => at + 1,
        _ => start + 1,
    }
}

/// The end of the item after an attribute: its closing brace, or its semicolon.
fn item_end(code: &[u8], start: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_tests_are_blanked_and_code_is_not() {
        let text = "let a = \"x // y\\\" z\"; // gone\n/* a /* b */ c */ let b = r#\"q\"w\"#;\nfn f<'a>(c: &'a str) { '\"'; 'é'; '\\''; }\n";
        let code = without_comments(text);
        assert_eq!(code.len(), text.len());
        for gone in ["x", "gone", " c ", "q", "w", "é"] {
            assert!(!code.replace("fn f<'a>(c:", "").contains(gone), "{gone}: {code}");
        }
        for kept in ["let a =", "let b =", "fn f<'a>(c: &'a str) {", "}"] {
            assert!(code.contains(kept), "{kept}: {code}");
        }
        let code = without_tests(
            "a();\n#[cfg(test)]\nmod tests { fn t() { b(); } }\nc();\n#[cfg(test)]\nmod tests;\nd();\n#[cfg(all(test, unix))]\nmod b { b(); }\n",
        );
        assert!(code.contains("a()") && code.contains("c()") && code.contains("d()") && !code.contains("b()"));
    }
}
