//! Attacks on what programs and web pages say to the local proxies.

use std::sync::OnceLock;

use agentsecrets::SafeUrl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, Uri};

use super::forward::Origin;
use super::guard::{Token, check_page};
use super::{explicit, reverse};
use crate::fuzz::{Input, Target};

/// What is said to the proxy goes no further, and no refusal repeats it.
pub(crate) const HEADERS: Target =
    Target { name: "proxy_headers", attack: headers, seeds: header_seeds, words: HEADER_WORDS };
/// One text names one place: to the proxy, to the policy, and to whoever compares it with a `Host`.
pub(crate) const PLACE: Target = Target { name: "proxy_place", attack: place, seeds: place_seeds, words: PLACE_WORDS };
/// Nobody is let in but under our own name and with the token.
pub(crate) const GUARD: Target = Target { name: "proxy_guard", attack: guard, seeds: guard_seeds, words: GUARD_WORDS };

const HEADER_WORDS: &[&str] = &[
    "x-as-target-url:https://api.example.com/\n",
    "x-as-method:",
    "x-as-inject-bearer:KEY\n",
    "x-as-inject-header-x-a:KEY\n",
    "x-as-inject-body-a.b:KEY\n",
    "x-as-inject:[{\"style\":\"",
    "\",\"name\":\"",
    "\",\"secret\":\"KEY\"}]",
    "connection:",
    MARK,
];
const PLACE_WORDS: &[&str] =
    &["~token/", "/", "?", "@", ":443", "[::1]", "[::ffff:7f00:1]", "%2f", "\\", "xn--", ".", "0x7f.1", "127.1"];
const GUARD_WORDS: &[&str] = &[
    "host:",
    "127.0.0.1:8765\n",
    "localhost:8765\n",
    "origin:null\n",
    "sec-fetch-site:none\n",
    "proxy-authorization:Basic ",
];
/// A text that stands in what is said.
const MARK: &str = "zq9said";
const PORT: u16 = 8765;

fn header_map(text: &[u8]) -> HeaderMap {
    let field = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        Some((HeaderName::from_bytes(&line[..at]).ok()?, HeaderValue::from_bytes(&line[at + 1..]).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in text.split(|byte| *byte == b'\n').take(64).filter_map(field) {
        headers.append(name, value);
    }
    headers
}

fn headers(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(method) = Method::from_bytes(input.piece()) else { return };
    let headers = header_map(input.rest());
    match explicit::read(&method, &headers) {
        Ok(explicit) => {
            let told = format!("{:?}", explicit.call);
            assert!(!told.contains("{\"x-as-") && !told.contains(", \"x-as-"), "what is said to us goes on: {told}");
            assert!(!told.contains(", \"host\": ") && !told.contains("{\"host\": "), "the caller names no host");
        }
        Err(why) => {
            let named = headers.keys().any(|name| name.as_str().contains(MARK));
            assert!(named || !format!("{why} {why:?}").contains(MARK), "a refusal repeats what was said");
        }
    }
}

fn place(data: &[u8]) {
    let mut input = Input::new(data);
    let (rest, said) = (input.text(), input.text());
    if let Ok(target) = reverse::parse(rest) {
        let after = rest.strip_prefix('~').and_then(|it| it.split_once('/')).map_or(rest, |(_, after)| after);
        let host = after.split(['/', '?']).next().unwrap_or_default();
        assert!(target.url.strip_prefix("https://").is_some_and(|url| url.starts_with(host)));
        if let Ok(url) = SafeUrl::parse(&target.url) {
            assert!(url.origin().is_https());
            let alone = SafeUrl::parse(&format!("https://{host}/")).expect("the same host by itself");
            assert_eq!(url.origin(), alone.origin(), "what follows the host moves it");
        }
    }
    let Ok(authority) = rest.parse::<Authority>() else { return };
    let origin = Origin { scheme: "https", authority };
    if !origin.is(said) {
        return;
    }
    let of = |authority: &str| SafeUrl::parse(&format!("https://{authority}/")).ok();
    if let (Some(connected), Some(named)) = (of(origin.authority.as_str()), of(said)) {
        assert_eq!(connected.origin(), named.origin(), "a Host for another place is taken for this one");
    }
}

fn guard(data: &[u8]) {
    static TOKEN: OnceLock<Token> = OnceLock::new();
    let token = TOKEN.get_or_init(|| Token::make().expect("random"));
    let mut input = Input::new(data);
    let Ok(uri) = Uri::try_from(input.piece()) else { return };
    let mut headers = header_map(input.rest());
    if check_page(&uri, &headers, PORT).is_ok() {
        let hosts: Vec<_> = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes).collect();
        let [host] = hosts[..] else { panic!("one host and no other") };
        let (name, port) = host.split_at(host.iter().rposition(|byte| *byte == b':').expect("a port"));
        assert!(name.eq_ignore_ascii_case(b"localhost") || name == b"127.0.0.1");
        let digits = port[1..].strip_prefix(b"+").unwrap_or(&port[1..]);
        assert_eq!(std::str::from_utf8(digits).map(str::parse), Ok(Ok(PORT)));
        assert!(!headers.contains_key(header::ORIGIN) && uri.authority().is_none());
    }
    assert!(!token.is_in(&headers) && !token.is_in_credentials(&headers), "a token that nobody was told");
    let user = headers.get("x-user").map_or_else(Vec::new, |user| user.as_bytes().to_vec());
    let pair = [&user[..], b":", token.text().as_bytes()].concat();
    let value = HeaderValue::from_str(&format!("basic {}", STANDARD.encode(pair))).expect("base64");
    headers.insert(header::PROXY_AUTHORIZATION, value);
    assert_eq!(token.is_in_credentials(&headers), !user.contains(&b':'), "whoever has the token is let in");
}

fn header_seeds() -> Vec<Vec<u8>> {
    let to = "x-as-target-url:https://api.example.com/v1?x=1\n";
    let texts = [
        format!("POST\0{to}x-as-inject-bearer:KEY\nx-as-session-token:{MARK}\naccept:*/*\nconnection:x-a\nx-a:1"),
        format!(
            "GET\0{to}x-as-inject:[{{\"style\":\"header\",\"name\":\"X-A\",\"secret\":\"KEY\",\"format\":\"Bot {{}}\"}}]\nhost:{MARK}"
        ),
        format!("GET\0{to}x-as-method:put\nx-as-inject-form-a:KEY\nx-as-inject-query-b:B\ncookie:a=1\ncookie:b=2"),
        format!("GET\0{to}x-as-agent-id:{MARK}\nx-as-inject:{{\"{MARK}\":1}}"),
    ];
    texts.map(String::into_bytes).to_vec()
}

fn place_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "~token/api.example.com:8443/v1/a%2Fb?q=1\0",
        "API.example.com:443\0api.example.com",
        "[::1]:8443/x\0[0:0:0:0:0:0:0:1]:8443",
        "127.0.0.1\x000127.0.0.1:443",
        "user@host:1\0host:1",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn guard_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "/proxy\0host:127.0.0.1:8765\nsec-fetch-site:none\nx-user:run",
        "/to/a\0host:localhost:8765\norigin:https://evil.example",
        "http://evil.example/\0host:localhost:8765\nhost:evil.example\nproxy-authorization:Basic cnVuOng=",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
