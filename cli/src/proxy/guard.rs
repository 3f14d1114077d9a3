//! Who is let in: whoever knows the token, and never a web page.

use agentsecrets::{Error, ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{self, HeaderMap};
use http::{StatusCode, Uri};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;

/// The header a token comes in, to the explicit and the reverse proxy.
pub(super) const SESSION_TOKEN: &str = "x-as-session-token";

/// The header by which an agent says who it is, for this request.
pub(super) const AGENT_TOKEN: &str = "x-as-agent-token";

/// The word that lets a program in: 256 random bits.
pub(crate) struct Token(String);

impl Token {
    /// A new one.
    pub(crate) fn make() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no randomness"))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The token itself, for whoever is to come in.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is it; how long that takes says nothing of where they differ.
    pub(super) fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }

    /// Whether the header has it.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(SESSION_TOKEN).is_some_and(|said| self.is(said.as_bytes()))
    }

    /// Whether `Proxy-Authorization` has it as a password (RFC 9110, section 11.7.2).
    pub(super) fn is_in_credentials(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(header::PROXY_AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let (scheme, rest) = said.split_at(said.iter().position(|byte| *byte == b' ').unwrap_or(0));
        let pair = STANDARD.decode(rest.trim_ascii()).unwrap_or_default();
        let password = pair.iter().position(|byte| *byte == b':').map(|at| &pair[at + 1..]);
        scheme.eq_ignore_ascii_case(b"basic") && password.is_some_and(|said| self.is(said))
    }
}

/// Refuses what a web page could have sent: under a name of its own (DNS rebinding), or from another origin.
pub(super) fn check_page(uri: &Uri, headers: &HeaderMap, port: u16) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) if uri.authority().is_none() => host,
        _ => "",
    };
    let ours = named.rsplit_once(':').is_some_and(|(host, said)| {
        (host == "127.0.0.1" || host.eq_ignore_ascii_case("localhost")) && said.parse() == Ok(port)
    });
    if !ours {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "host_refused",
            "the request came under another host than this proxy's",
            "call http://127.0.0.1 or http://localhost with the proxy's port",
        ));
    }
    // A navigation that somebody typed has `none`; there is nothing to see here for one either, but it is no attack.
    let fetched = headers.get("sec-fetch-site").is_some_and(|site| site != "none");
    if fetched || headers.contains_key(header::ORIGIN) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "origin_refused",
            "the request came from a web page",
            "web pages never reach this proxy; call it from a program",
        ));
    }
    Ok(())
}

/// What is said without the token.
pub(super) fn token_required() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "session_token_required",
        "the session token is missing or is not this proxy's",
        "agentsecrets proxy status --json",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn page(headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let pairs = headers.iter().map(|(name, value)| (name.parse().expect("name"), HeaderValue::from_static(value)));
        check_page(&Uri::from_static("/proxy"), &pairs.collect(), 8765)
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for host in ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765"] {
            assert!(page(&[("host", host)]).is_ok(), "{host}");
        }
        for host in
            ["127.0.0.1", "evil.example:8765", "127.0.0.1:8766", "localhost.evil.example:8765", "[::1]:8765", ""]
        {
            assert_eq!(page(&[("host", host)]).map_err(|refusal| refusal.code()), Err("host_refused"), "{host}");
        }
        assert!(page(&[]).is_err());
        let mut twice = HeaderMap::new();
        twice.append("host", HeaderValue::from_static("127.0.0.1:8765"));
        twice.append("host", HeaderValue::from_static("evil.example"));
        assert!(check_page(&Uri::from_static("/proxy"), &twice, 8765).is_err());
        let absolute = Uri::from_static("http://evil.example/proxy");
        assert!(
            check_page(
                &absolute,
                &HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("127.0.0.1:8765"))]),
                8765
            )
            .is_err()
        );
    }

    #[test]
    fn no_web_page_is_answered() {
        let host = ("host", "127.0.0.1:8765");
        for said in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8765"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert_eq!(page(&[host, said]).map_err(|refusal| refusal.code()), Err("origin_refused"), "{said:?}");
        }
        assert!(page(&[host, ("sec-fetch-site", "none")]).is_ok());
    }

    #[test]
    fn a_token_is_long_random_and_compared_whole() {
        let (one, other) = (Token::make().expect("token"), Token::make().expect("token"));
        assert!(one.text().len() == 43 && one.text() != other.text());
        assert!(one.is(one.text().as_bytes()) && !one.is(other.text().as_bytes()));
        assert!(!one.is(b"") && !one.is(&one.text().as_bytes()[..42]));
        let credentials = |pair: String| {
            let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).expect("value");
            one.is_in_credentials(&HeaderMap::from_iter([(header::PROXY_AUTHORIZATION, value)]))
        };
        assert!(credentials(format!("run:{}", one.text())));
        assert!(!credentials("run:".to_owned()) && !credentials(one.text().to_owned()));
        assert!(!one.is_in_credentials(&HeaderMap::new()));
    }
}
