//! Attacks on the URL that serves policy, resolution, connection and `Host` alike.

use super::SafeUrl;
use crate::fuzz::{Input, Target};

/// A URL is one thing to every reader, and shows no query value.
pub(crate) const URL: Target = Target { name: "url", attack: url, seeds, words: WORDS };

const WORDS: &[&str] =
    &["https://", "http://", "@", "\\", "//", "?a=", "&", "#", "%00", "[::1]", ":443", "..", "%2f", "xn--", "0x7f"];
/// What no host, path or name of an attack is likely to hold.
const HIDDEN: &str = "zq9hidden";

fn url(data: &[u8]) {
    let mut input = Input::new(data);
    let (text, location) = (input.text(), input.text());
    if text.to_ascii_lowercase().contains(HIDDEN) {
        return; // Found by comparison, and no secret any more.
    }
    let Ok(url) = SafeUrl::parse(text) else { return };
    one_thing(&url);
    let hidden = url.with_params([("a", HIDDEN)]);
    assert!(!hidden.to_string().contains(HIDDEN) && hidden.to_string().ends_with("a=\u{2026}"));
    // Behind a name comes an ellipsis and the next name; what has no name is one.
    for shown in [url.to_string(), format!("{url:?}")] {
        let rest = shown.strip_prefix(&format!("{}{}", url.origin(), url.path())).expect("where it goes is shown");
        for pair in rest.split('&').filter(|pair| !pair.is_empty()) {
            let value = pair.split_once('=').map_or(pair.trim_start_matches('?'), |(_, value)| value);
            assert_eq!(value, "\u{2026}", "a query value is shown");
        }
    }
    if let Ok(joined) = url.join(location) {
        one_thing(&joined);
    }
}

/// What is sent is read back as the same, by us and by the crate that sends it.
fn one_thing(url: &SafeUrl) {
    let wire = url.to_wire();
    assert_eq!(&SafeUrl::parse(&wire).expect("its own text"), url);
    assert!(wire.is_ascii() && !wire.bytes().any(|byte| byte.is_ascii_control() || byte == b' '), "{url}");
    let Ok(uri) = wire.parse::<http::Uri>() else {
        assert!(wire.len() > usize::from(u16::MAX) - 1, "only a long URL is no URI: {wire:?}");
        return;
    };
    assert_eq!(uri.authority().map(ToString::to_string), Some(url.origin().authority()));
    assert_eq!(uri.path_and_query().map(ToString::to_string), Some(url.target()));
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "https://API.example.com:443/a%20b?sig=a'b|c%2f&flag&x=1#part\0../x?y=1",
        "http://[::ffff:127.0.0.1]:8080/\0//other.example/x",
        "https://b\u{fc}cher.example/\u{e9}?q=\u{e9}\0https:/x",
        "http://0x7f000001:80/a/./../b;c\0\\\\x",
        "https://a/?k=somewhat-long-value\0?k=2",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
