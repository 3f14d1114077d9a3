//! Whom we trust to name hosts: the platform's roots and the owner's, read by our own code.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` are never read: whoever sets a variable must not choose whom TLS believes.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, ErrorCode, Result};

/// Where Linux distributions and BSDs keep their bundle, most common first.
#[cfg(not(any(target_os = "macos", windows)))]
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The TLS settings of every connection: verification always, `h2` before `http/1.1` (RFC 7301).
pub(crate) fn client_config(trusted: &[String]) -> Result<Arc<ClientConfig>> {
    let mut roots = platform_roots();
    for pem in trusted {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| unusable("is not PEM"))?;
            roots.add(certificate).map_err(|_| unusable("is not a certificate that can sign"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::new(ErrorCode::Internal, "the TLS provider has no usable protocol version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same settings for connections that are to speak HTTP/1.1.
pub(crate) fn http1_alone(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(not(any(target_os = "macos", windows)))]
fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A bundle may hold certificates that webpki does not take; those that it takes are what is trusted.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&platform_bundle()).flatten());
    roots
}

/// The system's own list, through the crate that reads it there; none where that crate would heed a variable instead.
/// Untested here.
#[cfg(any(target_os = "macos", windows))]
fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some()) {
        return roots;
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The platform's roots as one PEM file holds them, for a child process that is to trust them and one more; empty where
/// they cannot be read.
#[cfg(not(any(target_os = "macos", windows)))]
#[must_use]
pub fn platform_bundle() -> Vec<u8> {
    BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default()
}

/// The system's own list as PEM. Untested here.
#[cfg(any(target_os = "macos", windows))]
#[must_use]
pub fn platform_bundle() -> Vec<u8> {
    use base64::Engine as _;
    let mut bundle = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        let text = base64::engine::general_purpose::STANDARD.encode(&certificate);
        bundle.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            bundle.push_str(std::str::from_utf8(line).unwrap_or_default());
            bundle.push('\n');
        }
        bundle.push_str("-----END CERTIFICATE-----\n");
    }
    bundle.into_bytes()
}

fn unusable(why: &'static str) -> Error {
    Error::new(ErrorCode::PolicyInvalid, format!("a root certificate of the policy {why}"))
        .with_hint("agentsecrets trust list")
}
