//! What a test may choose about its upstream.

use std::net::SocketAddr;

use crate::certificate::Authority;

/// The HTTP versions offered by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Both; the client chooses.
    #[default]
    Any,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone.
    Http2,
}

/// The certificate shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// Valid, under the authority of `ca_pem`.
    #[default]
    Valid,
    /// Under the right authority, but its time has passed.
    Expired,
    /// Under the right authority, but for another host.
    WrongName,
    /// For the right host, but under an authority nobody was told of.
    UnknownAuthority,
}

/// The routes served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Every route of `README.md`.
    #[default]
    Hostile,
    /// The small API of the demonstration: `/v1/account`, `/v1/charges` and a careless `/v1/echo`.
    Demo,
}

/// Which upstream to start. The default is HTTPS on a free port of loopback, either HTTP version, and no cleartext.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) api: Api,
    pub(crate) authority: Option<Authority>,
    pub(crate) bind: Vec<SocketAddr>,
    pub(crate) certificate: Certificate,
    pub(crate) cleartext: bool,
    pub(crate) names: Vec<String>,
    pub(crate) protocol: Protocol,
    pub(crate) recording: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api: Api::default(),
            authority: None,
            bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            certificate: Certificate::default(),
            cleartext: false,
            names: ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec(),
            protocol: Protocol::default(),
            recording: true,
        }
    }
}

impl Options {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The routes served.
    #[must_use]
    pub fn api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// An authority shared with another upstream, so that one `ca_pem` trusts both.
    #[must_use]
    pub fn authority(mut self, authority: &Authority) -> Self {
        self.authority = Some(authority.clone());
        self
    }

    /// Where to listen instead of a free port of 127.0.0.1.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = vec![address];
        self
    }

    /// The certificate shown.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    /// A second port that speaks HTTP/1.1 without TLS.
    #[must_use]
    pub fn cleartext(mut self, cleartext: bool) -> Self {
        self.cleartext = cleartext;
        self
    }

    /// A further host name or address of the certificate.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// The HTTP versions offered.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Whether requests are remembered; off for measurements.
    #[must_use]
    pub fn recording(mut self, recording: bool) -> Self {
        self.recording = recording;
        self
    }
}
