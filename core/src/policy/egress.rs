//! The way out: straight, or through a proxy that the owner named.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Host;
use uuid::Uuid;

use super::change::Change;
use super::document::Document;
use super::host::HostPattern;
use super::text::serde_by_text;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::{Origin, SafeUrl};
use crate::secret_ref::{Label, SecretName};
use crate::send::address::{self, AddressScope};

/// The most hosts that go past the proxy by name.
const MOST_BYPASSED: usize = 256;
/// How a proxy is named together with what opens it.
const WITH_LOGIN: &str =
    "agentsecrets secrets set PROXY_LOGIN  # user:password; then: agentsecrets egress proxy set URL --auth PROXY_LOGIN";

/// The proxy that public calls leave by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Egress {
    /// Where it listens.
    pub(crate) proxy: ProxyUrl,
    /// Hosts that are called straight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) bypass: Vec<HostPattern>,
    /// The secret that opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Login>,
}

/// A stored secret of the form `user:password`, and where it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The project.
    pub(crate) project: Uuid,
    /// The environment.
    pub(crate) environment: Label,
    /// The secret.
    pub(crate) secret: SecretName,
}

/// `http://host:port` or `https://host:port` of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyUrl(Origin);

impl ProxyUrl {
    /// Parses the URL of a proxy. What was typed is never repeated: it may hold a password.
    ///
    /// # Errors
    /// `invalid_call` for another scheme, a user name or password, a path, or an address that no proxy has.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.contains('@') {
            return Err(wrong(
                "a proxy's URL carries no user name and no password: what was typed is in your shell's \
                              history now",
            )
            .with_hint(WITH_LOGIN));
        }
        if !["http://", "https://"].iter().any(|scheme| starts_with(text, scheme)) {
            return Err(wrong(
                "a proxy's URL begins with http:// or https://; others than HTTP proxies are not spoken to",
            )
            .with_hint("agentsecrets egress proxy set http://proxy.example.com:3128"));
        }
        let url =
            SafeUrl::parse(text).map_err(|why| Error::new(why.code(), format!("of the proxy, {}", why.message())))?;
        if url.path() != "/" || text.contains(['?', '#']) {
            return Err(wrong("a proxy's URL ends after its port"));
        }
        match url.origin().address() {
            Some(ip) if !AddressScope::Exactly(ip).permits(ip) => {
                Err(wrong(format!("{ip} is {}, which no proxy has", address::class(ip))))
            }
            _ => Ok(Self(url.origin().clone())),
        }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &Origin {
        &self.0
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

serde_by_text!(ProxyUrl, ProxyUrl::parse);
serde_by_text!(HostPattern, HostPattern::read);

impl Egress {
    /// A proxy and who goes past it, as typed.
    ///
    /// # Errors
    /// `invalid_call`.
    pub(crate) fn parse(proxy: &str, bypass: &[String], login: Option<Login>) -> Result<Self> {
        if bypass.len() > MOST_BYPASSED {
            return Err(wrong(format!("at most {MOST_BYPASSED} hosts go past the proxy by name")));
        }
        let read = |host: &String| {
            let more = host.contains(['/', '@', '?', '#', '\\']) || (host.contains(':') && !host.ends_with(']'));
            let read = if more { None } else { HostPattern::read(host).ok() };
            read.ok_or_else(|| {
                wrong("a host that goes past the proxy is a name or an address, without scheme, port or path")
                    .with_hint("--bypass api.example.com,*.example.net,[::1]")
            })
        };
        let mut hosts: Vec<HostPattern> = Vec::new();
        for host in bypass {
            let host = read(host)?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(Self { proxy: ProxyUrl::parse(proxy)?, bypass: hosts, login })
    }

    /// Whether calls to this host go past the proxy.
    pub(crate) fn bypasses(&self, host: &Host<Arc<str>>) -> bool {
        self.bypass.iter().any(|pattern| pattern.touches(host))
    }

    /// What it makes possible, for the owner's prompt.
    fn sentence(&self) -> String {
        let mut text = format!(
            "Calls to public hosts leave by the proxy {}, which resolves their names and reads what is sent in cleartext",
            self.proxy
        );
        if let Some(login) = &self.login {
            let clear = if self.proxy.0.is_https() { "" } else { ", in cleartext" };
            text.push_str(&format!("; it is given {} ({}){clear}", login.secret, login.environment));
        }
        if !self.bypass.is_empty() {
            let hosts: Vec<String> = self.bypass.iter().map(ToString::to_string).collect();
            text.push_str(&format!("; calls to {} go past it", hosts.join(", ")));
        }
        text
    }
}

impl Document {
    /// Names the proxy that public calls leave by, in place of another.
    ///
    /// # Errors
    /// `invalid_call` where its login is linked to another manager, `project_not_found`.
    pub(crate) fn set_egress(&mut self, egress: Egress) -> Result<Change> {
        if let Some(login) = &egress.login {
            if self.project(login.project).is_none() {
                return Err(Error::new(ErrorCode::ProjectNotFound, "the policy has no such project"));
            }
            if self.source(login.project, &login.environment, &login.secret).is_some() {
                return Err(wrong(format!("{} is linked to another manager; a proxy's login is stored", login.secret))
                    .with_hint("agentsecrets secrets set PROXY_LOGIN"));
            }
        }
        if self.egress.as_ref() == Some(&egress) {
            return Ok(Change::none(format!("Calls leave by the proxy {} already", egress.proxy)));
        }
        let says = egress.sentence();
        self.egress = Some(egress);
        Ok(Change::made(says))
    }

    /// Takes the proxy away.
    pub(crate) fn remove_egress(&mut self) -> Change {
        match self.egress.take() {
            Some(egress) => {
                Change::made(format!("Calls go straight to their hosts: the proxy {} is taken away", egress.proxy))
            }
            None => Change::none("Calls go straight to their hosts already"),
        }
    }

    /// Whether the proxy's login is of a project that there is.
    pub(super) fn egress_is_sound(&self) -> bool {
        let login = self.egress.as_ref().and_then(|egress| egress.login.as_ref());
        login.is_none_or(|login| self.project(login.project).is_some())
    }
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}
