//! The certificates that upstream TLS trusts beside the platform's: read by anybody, added by the owner.

use serde::Serialize;

use super::policy_file;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::policy::TrustRoot;

/// A certificate that upstream TLS trusts besides the platform's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trusted {
    /// Its SHA-256, in hex.
    pub id: String,
    /// What it is called.
    pub subject: String,
}

/// The extra certificates of the signed policy. It needs no key, and works while the store is locked.
///
/// # Errors
/// `not_initialized`, `policy_invalid`.
pub fn trusted(home: &Home) -> Result<Vec<Trusted>> {
    let document = policy_file::load(home, &home.config()?)?;
    Ok(document.trust.into_iter().map(|root| Trusted { id: root.id, subject: root.subject }).collect())
}

/// The same certificates, in PEM.
///
/// # Errors
/// Those of [`trusted`].
pub(crate) fn trusted_roots(home: &Home) -> Result<Vec<String>> {
    let document = policy_file::load(home, &home.config()?)?;
    Ok(document.trust.into_iter().map(|root| root.pem).collect())
}

/// The certificates of a PEM text.
pub(super) fn trust_roots(pem: &str) -> Result<Vec<TrustRoot>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use sha2::{Digest, Sha256};
    let none = || {
        Error::new(ErrorCode::InvalidCall, "the file holds no certificate in PEM")
            .with_hint("agentsecrets trust add FILE.pem  # -----BEGIN CERTIFICATE-----")
    };
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| none())?;
        let mut store = rustls::RootCertStore::empty();
        store.add(certificate.clone()).map_err(|_| none())?;
        let id = crate::hex::lower(&Sha256::digest(&certificate));
        roots.push(TrustRoot { subject: format!("certificate {}", &id[..16]), id, pem: to_pem(&certificate) });
    }
    if roots.is_empty() { Err(none()) } else { Ok(roots) }
}

fn to_pem(certificate: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
