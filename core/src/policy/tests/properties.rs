//! What holds for every rule, host and path.

use proptest::prelude::*;

use super::kit::{Home, terms};
use crate::log_safe::SafeUrl;
use crate::policy::path::ambiguity;
use crate::policy::{PathPattern, Rule, Slot};

fn domain() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["a", "b", "api", "example", "x-y", "stripe"]);
    let end = prop::sample::select(vec!["com", "co.uk", "github.io", "internal", "example.com", "s3.amazonaws.com"]);
    (prop::collection::vec(word, 0..4), end).prop_map(|(mut words, end)| {
        words.push(end);
        words.join(".")
    })
}

fn segment() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "v1", "admin", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "%", "%25", "%41", ";", "", "%C3%A9", "%20",
        "é", "*", "~", "A", "%c0%af", "%3b", "@",
    ]);
    prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "v1", "*", "**", "ad*", "*b", "a*b", "admin"]);
    prop::collection::vec(piece, 1..4).prop_map(|pieces| format!("/{}", pieces.join("/")))
}

/// What a pattern means, written as slowly and plainly as can be.
fn plainly(pattern: &str, path: &str) -> bool {
    let below = pattern.strip_suffix("/*").map(|body| format!("{body}/**"));
    fn go(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            ([b'*', b'*', rest @ ..], _) => go(rest, path) || (!path.is_empty() && go(pattern, &path[1..])),
            ([b'*', rest @ ..], _) => {
                go(rest, path) || (path.first().is_some_and(|byte| *byte != b'/') && go(pattern, &path[1..]))
            }
            ([own, rest @ ..], [byte, after @ ..]) => own == byte && go(rest, after),
            _ => false,
        }
    }
    go(below.as_deref().unwrap_or(pattern).as_bytes(), path.as_bytes())
}

proptest! {
    #[test]
    fn a_rule_prints_as_it_is_read(
        http: bool, wild: bool, host in domain(), port in prop::option::of(1_u16..), path in prop::option::of(pattern()),
    ) {
        let scheme = if http { "http" } else { "https" };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let text = format!("{scheme}://{}{host}{port}{}", if wild { "*." } else { "" }, path.unwrap_or_default());
        let read = Rule::read(&text).expect("well formed");
        for spelling in [read.to_string(), read.short(), text.to_uppercase().replacen("HTTP", "http", 1)] {
            let again = Rule::read(&spelling).expect("its own spelling");
            if read.path().is_none() || spelling == read.to_string() {
                prop_assert_eq!(&again, &read);
                prop_assert_eq!(again.to_string(), read.to_string());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Ok(rule) = Rule::parse(&text) {
            prop_assert_eq!(Rule::parse(&rule.to_string()).expect("its own spelling"), rule);
        }
        let _ = Slot::parse(&text).map(|slot| assert_eq!(Slot::parse(&slot.to_string()).expect("its own"), slot));
    }

    #[test]
    fn a_rule_reaches_no_host_outside_it(wild: bool, own in domain(), host in domain(), port in prop::option::of(1_u16..)) {
        let text = format!("{}{own}", if wild { "*." } else { "" });
        let Ok(rule) = Rule::parse(&text) else { return Ok(()) };
        let url = SafeUrl::parse(&format!("https://{host}{}/", port.map_or_else(String::new, |p| format!(":{p}")))).expect("a URL");
        if rule.covers(&url) {
            prop_assert!(url.origin().port() == 443);
            let inside = if wild { host.ends_with(&format!(".{own}")) } else { host == own };
            prop_assert!(inside);
            // Both belong to one registrant.
            prop_assert_eq!(!wild || psl::domain_str(&host) == psl::domain_str(&own), true);
            prop_assert!(rule.touches(&url), "a deny reaches whatever a grant of the same rule does");
        }
    }

    #[test]
    fn patterns_mean_what_they_say(pattern in pattern(), path in "/[abv1/]{0,12}") {
        let read = PathPattern::parse(&pattern).expect("well formed");
        prop_assert_eq!(read.covers(&path), ambiguity(&path).is_none() && plainly(&pattern, &path), "{} {}", pattern, path);
        prop_assert!(!read.covers(&path) || read.touches(&path));
    }

    #[test]
    fn junk_never_leads_out_of_a_path_rule(junk in path()) {
        let Ok(url) = SafeUrl::parse(&format!("https://api.example.com/v1{junk}")) else { return Ok(()) };
        let home = Home::new().grant("KEY", terms("https://api.example.com/v1/*"));
        if home.ask(&format!("https://api.example.com/v1{junk}"), &[("KEY", "bearer")]).is_ok() {
            // However often a server decodes it, and whatever it takes for a slash, it stays below.
            let mut read = url.path().to_owned();
            for _ in 0..3 {
                read = percent_encoding::percent_decode_str(&read).decode_utf8_lossy().replace('\\', "/");
                prop_assert!(read.starts_with("/v1/"), "{}", read);
                prop_assert!(!read.split(['/', ';']).any(|s| matches!(s, "." | "..")), "{}", read);
                prop_assert!(!read.contains("//") && !read.contains(';'), "{}", read);
            }
        }
    }

    #[test]
    fn a_deny_of_a_path_is_not_talked_around(junk in path()) {
        let home = Home::new().grant("KEY", terms("api.example.com")).deny("KEY", Some("https://api.example.com/admin/*"));
        let Ok(url) = SafeUrl::parse(&format!("https://api.example.com{junk}")) else { return Ok(()) };
        let read = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().to_lowercase();
        if read.starts_with("/admin/") {
            prop_assert!(home.ask(&format!("https://api.example.com{junk}"), &[("KEY", "bearer")]).is_err(), "{}", read);
        }
    }

    #[test]
    fn a_pattern_spells_what_the_url_parser_sends(text in "[!-~&&[^*?#%;\\\\./]]{1,8}") {
        let url = SafeUrl::parse(&format!("https://api.example.com/{text}")).expect("a URL");
        let pattern = PathPattern::parse(&format!("/{text}")).expect("a pattern");
        prop_assert!(pattern.covers(url.path()), "{} {}", pattern, url.path());
    }
}
