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

#[cfg(not(any(target_os = "macos", windows)))]
fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if let Some(bundle) = BUNDLES.iter().find_map(|path| std::fs::read(path).ok()) {
        // A bundle may hold certificates that webpki does not take; those that it takes are what is trusted.
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
    }
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

fn unusable(why: &'static str) -> Error {
    Error::new(ErrorCode::PolicyInvalid, format!("a root certificate of the policy {why}"))
        .with_hint("agentsecrets trust list")
}
