//! A path as the audit may keep it: what could be an id or a value is `{}`.

use std::fmt;

use crate::log_safe::LogSafe;

/// The longest segment kept where the rule says nothing.
const LONGEST: usize = 24;
/// The longest segment kept where the rule spells it out.
const LONGEST_LITERAL: usize = 64;
/// The longest run of letters taken for a word; app passwords of 16 letters are no words.
const LONGEST_WORD: usize = 14;
/// A template of more segments ends in `{}`.
const MOST_SEGMENTS: usize = 32;

/// The path of a call, without anything that could be a value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PathTemplate(String);

impl PathTemplate {
    /// Makes the template of `path` from the path itself and the pattern of the rule that permitted it.
    ///
    /// A segment that the rule spells out may be longer than another, but it too must read as words: a rule may have
    /// been written with a token in its path.
    pub(crate) fn new(path: &str, rule: Option<&str>) -> Self {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let mut text = String::with_capacity(path.len().min(256));
        for (index, segment) in segments.iter().enumerate().take(MOST_SEGMENTS) {
            let literal = rule.is_some_and(|rule| spelled_out(rule, &segments, index));
            text.push('/');
            text.push_str(if index + 1 < MOST_SEGMENTS && is_plain(segment, literal) { segment } else { "{}" });
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LogSafe for PathTemplate {}

/// Whether the rule spells this segment out: counted from the front before its first `**`, from the back after its last.
fn spelled_out(rule: &str, segments: &[&str], index: usize) -> bool {
    let same = |pattern: Option<&str>| pattern == segments.get(index).copied();
    let rule = rule.strip_prefix('/').unwrap_or(rule);
    let front = rule.split('/').take_while(|pattern| *pattern != "**");
    if same(front.clone().nth(index)) {
        return true;
    }
    let from_back = segments.len() - 1 - index;
    let back = || rule.rsplit('/').take_while(|pattern| *pattern != "**");
    rule.contains("**") && back().count() + front.count() <= segments.len() && same(back().nth(from_back))
}

/// Whether a segment reads as words and small versions: `v1`, `chat`, `sendMessage`, `2023-06-01`, `projects:batchGet`.
fn is_plain(segment: &str, literal: bool) -> bool {
    let longest = if literal { LONGEST_LITERAL } else { LONGEST };
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    if segment.len() > longest || segment == "." || segment == ".." {
        return false;
    }
    if is_date(segment.as_bytes()) {
        return true;
    }
    let mut tokens = segment.split(['-', '_', '.', ':', '~']);
    digits <= 3
        && tokens.all(is_plain_token)
        && (segment.is_empty() || segment.bytes().any(|b| b.is_ascii_alphabetic()))
}

fn is_date(text: &[u8]) -> bool {
    text.len() == 10
        && text.starts_with(b"20")
        && text
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
}

/// Letters with at most two digits behind them (`oauth2`), or `v1beta1`.
fn is_plain_token(token: &str) -> bool {
    let letters = token.trim_end_matches(|c: char| c.is_ascii_digit());
    let version = |tail: &str| {
        let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() < tail.len() && matches!(rest, "alpha" | "beta" | "preview")
    };
    if letters.strip_prefix('v').is_some_and(version) {
        return true;
    }
    token.len() - letters.len() <= 2 && (letters.is_empty() || is_words(letters))
}

/// One word, or words in camel case of at least two letters each.
fn is_words(letters: &str) -> bool {
    if !letters.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    if letters.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return letters.len() <= 5;
    }
    let humps = letters.bytes().skip(1).filter(u8::is_ascii_uppercase).count();
    humps <= 4 && humps_of(letters).all(|hump| is_word(hump, humps > 0))
}

fn humps_of(letters: &str) -> impl Iterator<Item = &str> {
    let mut rest = letters;
    std::iter::from_fn(move || {
        let after_first = rest.get(1..)?;
        let end = after_first.find(|c: char| c.is_ascii_uppercase()).map_or(rest.len(), |at| at + 1);
        let (hump, tail) = rest.split_at(end);
        rest = tail;
        Some(hump)
    })
}

/// Whether letters can be spoken: random ones mostly cannot.
fn is_word(word: &str, in_camel_case: bool) -> bool {
    let shortest = if in_camel_case { 3 } else { 1 };
    if word.len() < shortest || word.len() > LONGEST_WORD {
        return false;
    }
    let vowel = |byte: u8| matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let (mut vowels, mut run, mut longest_run) = (0, 0, 0);
    for byte in word.bytes() {
        if vowel(byte) {
            (vowels, run) = (vowels + 1, 0);
        } else {
            run += 1;
            longest_run = longest_run.max(run);
        }
    }
    let rare = word.bytes().filter(|byte| matches!(byte.to_ascii_lowercase(), b'j' | b'q' | b'x' | b'z')).count();
    word.len() <= 4 || (longest_run <= 4 && vowels * 6 >= word.len() && rare <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str, rule: Option<&str>) -> String {
        PathTemplate::new(path, rule).to_string()
    }

    #[test]
    fn words_and_versions_stay_and_ids_go() {
        for (path, rule, kept) in [
            ("/v1/charges", None, "/v1/charges"),
            ("/v1/charges/ch_3NxQ2eLkdIwHu7ix", None, "/v1/charges/{}"),
            ("/v1beta1/projects:batchGet", None, "/v1beta1/projects:batchGet"),
            ("/users/42/repos", None, "/users/{}/repos"),
            ("/api/chat.postMessage", None, "/api/chat.postMessage"),
            ("/2023-06-01/things/", None, "/2023-06-01/things/"),
            ("/", None, "/"),
            ("/a%20b/x", None, "/{}/x"),
            (
                "/organizations_members_invitations/7",
                Some("/organizations_members_invitations/*"),
                "/organizations_members_invitations/{}",
            ),
            ("/organizations_members_invitations/7", None, "/{}/{}"),
            (
                "/a/b/account_settings_and_preferences",
                Some("/**/account_settings_and_preferences"),
                "/a/b/account_settings_and_preferences",
            ),
        ] {
            assert_eq!(template(path, rule), kept);
        }
    }

    #[test]
    fn a_template_has_a_bounded_number_of_segments() {
        assert_eq!(template(&"/a".repeat(500), None).matches('/').count(), MOST_SEGMENTS);
        assert!(template(&"/a".repeat(500), None).ends_with("/{}"));
    }

    const HEX: &str = "0123456789abcdef";
    const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

    fn random(alphabet: &str, length: usize) -> String {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).expect("randomness");
        bytes.iter().map(|byte| char::from(alphabet.as_bytes()[usize::from(*byte) % alphabet.len()])).collect()
    }

    /// Prefix, alphabet and length of the random part, as vendors make them.
    const SHAPES: [(&str, &str, usize); 19] = [
        ("sk_live_", BASE62, 24),
        ("sk-proj-", BASE64, 48),
        ("sk-ant-api", BASE64, 40),
        ("ghp_", BASE62, 36),
        ("xoxb-", BASE62, 24),
        ("AKIA", BASE32, 16),
        ("AIza", BASE64, 35),
        ("SG.", BASE64, 22),
        ("glpat-", BASE64, 20),
        ("npm_", BASE62, 36),
        ("hf_", BASE62, 34),
        ("", HEX, 32),
        ("", HEX, 40),
        ("", BASE62, 20),
        ("", BASE64, 22),
        ("", LOWER, 16),
        ("eyJ", BASE64, 40),
        ("bot123456789:AA", BASE64, 33),
        ("", "0123456789", 9),
    ];

    #[test]
    fn a_value_of_a_vendors_shape_never_survives_spelled_out_or_not() {
        for (prefix, alphabet, length) in SHAPES {
            for _ in 0..500 {
                let value = format!("{prefix}{}", random(alphabet, length));
                let path = format!("/v1/{value}/send");
                for rule in [None, Some("/v1/*/send"), Some("/**"), Some(path.as_str())] {
                    assert_eq!(template(&path, rule), "/v1/{}/send", "a segment of shape {prefix}… was kept");
                }
            }
        }
    }
}
