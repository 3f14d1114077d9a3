//! Programs that send credentials only when asked: git, and others that wait for a 401.

use agentsecrets::{Client, GrantInfo};

/// Whether a grant of the project could put a value into `Authorization` for this origin.
pub(super) async fn worthwhile(client: &Client, scheme: &str, host: &str, port: u16) -> bool {
    let grants = client.grants(None).await.unwrap_or_default();
    grants.iter().any(|grant| opens_authorization(grant) && covers(&grant.rule, scheme, host, port))
}

fn opens_authorization(grant: &GrantInfo) -> bool {
    let opens = |slot: &String| matches!(slot.as_str(), "bearer" | "basic" | "header:authorization");
    grant.state == "active" && grant.slots.iter().any(opens)
}

/// Whether a rule in its canonical spelling reaches the origin. What it is asked for is a status, not a permission.
fn covers(rule: &str, scheme: &str, host: &str, port: u16) -> bool {
    let Some((said, rest)) = rule.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let default = if said == "https" { 443 } else { 80 };
    let (pattern, on) = match authority.rsplit_once(':') {
        Some((name, number)) if !number.ends_with(']') => (name, number.parse().unwrap_or(0)),
        _ => (authority, default),
    };
    let host = host.to_ascii_lowercase();
    let same = match pattern.strip_prefix('*') {
        Some(below) => host.len() > below.len() && host.ends_with(below),
        None => host == pattern,
    };
    said == scheme && on == port && same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reaches_its_origin_only() {
        for (rule, scheme, host, port) in [
            ("https://api.example.com", "https", "API.example.com", 443),
            ("https://api.example.com:8443/v1/*", "https", "api.example.com", 8443),
            ("https://*.example.com", "https", "a.b.example.com", 443),
            ("http://localhost:9000", "http", "localhost", 9000),
            ("https://[::1]:8443", "https", "[::1]", 8443),
        ] {
            assert!(covers(rule, scheme, host, port), "{rule}");
            assert!(
                !covers(rule, scheme, host, port + 1) && !covers(rule, scheme, "other.example.org", port),
                "{rule}"
            );
            assert!(!covers(rule, if scheme == "http" { "https" } else { "http" }, host, port), "{rule}");
        }
        assert!(!covers("https://*.example.com", "https", "example.com", 443));
    }
}
