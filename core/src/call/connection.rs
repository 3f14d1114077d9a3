//! Headers that belong to a connection and not to the message it carries.

use http::header::{HeaderMap, HeaderName};

/// Headers that belong to the connection, the framing or the transport, and are set by us alone.
pub(crate) fn is_connection_header(name: &HeaderName) -> bool {
    const OURS: [&str; 12] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "proxy-connection",
        "agentsecrets-call",
    ];
    OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") || name.as_str().starts_with("agentsecrets-")
}

/// Takes out what concerns one connection only (RFC 9110, section 7.6.1), and what only the broker may say.
pub(crate) fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"] {
        headers.remove(name);
    }
    let own: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("agentsecrets-")).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_stays_there_and_the_rest_goes_on() {
        let said = [
            ("connection", "x-mine, keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("transfer-encoding", "chunked"),
            ("agentsecrets-tail", "{}"),
            ("x-other", "2"),
        ];
        let pair = |(name, value): (&'static str, &'static str)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        let mut headers: HeaderMap = said.into_iter().map(pair).collect();
        strip_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }
}
