//! What the child finds in its environment: the proxy, whom to trust, and names where values would have been.

use std::ffi::OsString;

use agentsecrets::{GrantInfo, SecretName, SecretRef};

use super::bundle::Bundle;
use super::java;
use crate::surroundings::of_caller;

/// The variables by which programs find a proxy.
const PROXY: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables by which programs find the roots to trust.
const TRUST: [&str; 10] = [
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "npm_config_cafile",
];
/// This machine's own names. What a program asks of itself is no business of the proxy.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The environment of one run.
pub(super) struct Surroundings<'a> {
    pub(super) port: u16,
    pub(super) token: &'a str,
    pub(super) bundle: &'a Bundle,
    pub(super) names: &'a [SecretName],
    pub(super) direct: &'a [String],
}

impl Surroundings<'_> {
    /// The caller's variables, with ours in place of its own.
    pub(super) fn variables(&self, grants: &[GrantInfo]) -> Vec<(OsString, OsString)> {
        let placeholder = |name: &SecretName| {
            Some((name.to_string(), OsString::from(SecretRef::from(name.clone()).placeholder().ok()?)))
        };
        let mut ours: Vec<(String, OsString)> = self.names.iter().filter_map(placeholder).collect();
        let proxy = format!("http://run:{}@127.0.0.1:{}", self.token, self.port);
        ours.extend(PROXY.map(|name| (name.to_owned(), proxy.clone().into())));
        ours.extend(TRUST.map(|name| (name.to_owned(), self.bundle.file().into())));
        let without_proxy = self.without_proxy(grants);
        let before = of_caller().iter().find(|(name, _)| name == java::OPTIONS).map(|(_, options)| options);
        ours.push((java::OPTIONS.to_owned(), java::options(before, self.port, self.bundle.java(), &without_proxy)));
        ours.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), without_proxy.clone().into())));
        ours.push(("NODE_USE_ENV_PROXY".to_owned(), "1".into()));
        let kept = of_caller().iter().filter(|(name, _)| !ours.iter().any(|(own, _)| name == own.as_str())).cloned();
        kept.chain(ours.iter().map(|(name, value)| (name.into(), value.clone()))).collect()
    }

    /// The hosts that are reached without the proxy: those that were named, and this machine by each of its names that
    /// no grant leads to.
    fn without_proxy(&self, grants: &[GrantInfo]) -> String {
        let granted = |name: &str| grants.iter().any(|grant| host_of(&grant.rule) == name);
        let own = LOOPBACK.into_iter().filter(|name| !granted(name));
        own.chain(self.direct.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }
}

/// The host of a rule in its canonical spelling.
fn host_of(rule: &str) -> &str {
    let authority = rule.split_once("://").map_or(rule, |(_, rest)| rest).split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_rule_is_found() {
        for (rule, host) in [
            ("https://api.example.com/v1/*", "api.example.com"),
            ("http://localhost:9000", "localhost"),
            ("http://[::1]:9000/x", "::1"),
            ("https://*.example.com", "*.example.com"),
        ] {
            assert_eq!(host_of(rule), host);
        }
    }
}
