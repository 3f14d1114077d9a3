//! The reverse way: `/to/HOST[:PORT]/…`, for libraries that take a base URL. Always https.

use agentsecrets::{Error, ErrorCode, Result};

/// Where a path of ours leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The token, where the path has it: `/to/~TOKEN/HOST/…`.
    pub(super) token: Option<&'a str>,
    /// The whole URL, its path and query byte for byte as they came.
    pub(super) url: String,
}

/// Reads what follows `/to/`.
///
/// # Errors
/// `invalid_call` where no host follows.
pub(super) fn parse(rest: &str) -> Result<Target<'_>> {
    let (token, rest) = match rest.strip_prefix('~') {
        Some(after) => match after.split_once('/') {
            Some((token, rest)) => (Some(token), rest),
            None => return Err(malformed()),
        },
        None => (None, rest),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if !is_authority(authority) {
        return Err(malformed());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Target { token, url: format!("https://{authority}{slash}{path}") })
}

/// A host and perhaps a port, and nothing that a URL parser could read as anything else.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text.ends_with(']') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    !host.is_empty()
        && (named || address.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok()))
        && port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

fn malformed() -> Error {
    Error::new(ErrorCode::InvalidCall, "the path names no host").with_hint("/to/api.example.com/v1/items")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(rest: &str) -> Option<(Option<&str>, String)> {
        parse(rest).ok().map(|target| (target.token, target.url))
    }

    #[test]
    fn the_path_is_kept_byte_for_byte() {
        for (rest, token, url) in [
            ("api.example.com/v1/a%2Fb?q=%20#x", None, "https://api.example.com/v1/a%2Fb?q=%20#x"),
            ("api.example.com", None, "https://api.example.com/"),
            ("api.example.com?q=1", None, "https://api.example.com/?q=1"),
            ("~abc/localhost:8443//x", Some("abc"), "https://localhost:8443//x"),
            ("[::1]:8443/x", None, "https://[::1]:8443/x"),
        ] {
            assert_eq!(target(rest), Some((token, url.to_owned())), "{rest}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for rest in [
            "",
            "/x",
            "~abc",
            "~abc/",
            "user@host/x",
            "http:host/x",
            "a b/x",
            "host:port/",
            "host:99999/",
            "h\\x/",
            "[x]/",
        ] {
            assert_eq!(target(rest), None, "{rest}");
        }
    }

    proptest! {
        /// Whatever follows, the host of the URL is the text before the first slash and nothing else.
        #[test]
        fn the_host_is_what_stands_first(rest in "\\PC{0,40}") {
            if let Ok(target) = parse(&rest) {
                let after = rest.strip_prefix('~').and_then(|it| it.split_once('/')).map_or(&*rest, |(_, it)| it);
                let said = after.split(['/', '?']).next().unwrap_or_default();
                let url = target.url.strip_prefix("https://").expect("https");
                prop_assert!(url.starts_with(said) && url[said.len()..].starts_with('/'));
                prop_assert!(!said.contains(['@', '\\', '%', '#', ' ']));
            }
        }

        #[test]
        fn hosts_of_every_form_are_read(host in "[a-z0-9]{1,8}(\\.[a-z0-9-]{1,8}){0,3}", port in proptest::option::of(1_u16..), path in "(/[a-z%0-9]{0,6}){0,3}") {
            let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            let url = parse(&format!("{authority}{path}")).expect("a target").url;
            let slash = if path.is_empty() { "/" } else { "" };
            prop_assert_eq!(url, format!("https://{}{}{}", authority, slash, path));
        }
    }
}
