//! A throwaway authority and the certificates it signs.

use std::fmt;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::options::{Certificate, Options, Protocol};

/// A certificate authority made for one test run.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<Inner>,
}

struct Inner {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn make() -> Result<Self, rcgen::Error> {
        Self::named("Loopback test authority")
    }

    fn named(name: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { inner: Arc::new(Inner { pem, issuer: Issuer::new(params, key) }) })
    }

    /// The certificate a client has to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.inner.pem
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// The TLS side of an upstream: a fresh leaf for its names, and the ALPN answer.
pub(crate) fn server_config(
    authority: &Authority,
    options: &Options,
) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let key = KeyPair::generate()?;
    let names = match options.certificate {
        Certificate::WrongName => vec!["another-host.test".to_owned()],
        _ => options.names.clone(),
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Loopback upstream");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if options.certificate == Certificate::Expired {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    // Another name as well: a client finds no issuer at all instead of a wrong signature.
    let stranger = Authority::named("Unknown authority")?;
    let signer = if options.certificate == Certificate::UnknownAuthority { &stranger } else { authority };
    let leaf = params.signed_by(&key, &signer.inner.issuer)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)?;
    config.alpn_protocols = match options.protocol {
        Protocol::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}
