//! The certificate authority of one run or of one proxy: its key is in this process's memory alone, and it is over in a
//! day.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentsecrets::{Error, ErrorCode, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How long before now certificates begin to hold, for clocks that are behind.
const EARLIER: Duration = Duration::from_secs(60 * 60);
/// How long they hold.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many hosts' certificates are kept.
const MAX_LEAVES: usize = 1024;

/// An authority that only the child of this run trusts, or who was handed its certificate.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all hosts: whoever had it would have this process.
    key: KeyPair,
    from: SystemTime,
    leaves: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    /// A new authority.
    pub(crate) fn make() -> Result<Self> {
        let from = SystemTime::now();
        let issuer_key = KeyPair::generate().map_err(failed)?;
        let mut params = params(from)?;
        params.distinguished_name.push(DnType::CommonName, "AgentSecrets authority of one day");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&issuer_key).map_err(failed)?.pem();
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Self { pem, issuer: Issuer::new(params, issuer_key), key, from, leaves: Mutex::default() })
    }

    /// The certificate that the child is to trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether its day is over, so that nobody believes it any more.
    pub(super) fn is_over(&self) -> bool {
        self.from.elapsed().is_ok_and(|passed| passed >= DAY)
    }

    /// The TLS side of `host`, a name or an address.
    pub(super) fn tls(&self, host: &str) -> Result<Arc<ServerConfig>> {
        let host = host.to_ascii_lowercase();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = leaves.get(&host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.config(self.leaf(&host)?)?);
        if leaves.len() >= MAX_LEAVES {
            leaves.clear();
        }
        leaves.insert(host, Arc::clone(&config));
        Ok(config)
    }

    /// A certificate as strict verifiers want it (RFC 5280, section 4.2): both key identifiers, basic constraints, key
    /// usage, and the name where it is looked for.
    fn leaf(&self, host: &str) -> Result<CertificateDer<'static>> {
        let mut params = params(self.from)?;
        params.distinguished_name.push(DnType::CommonName, "AgentSecrets proxy");
        let name = match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().map_err(failed)?),
        };
        params.subject_alt_names = vec![name];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params.signed_by(&self.key, &self.issuer).map_err(failed)?.der().clone())
    }

    fn config(&self, leaf: CertificateDer<'static>) -> Result<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![leaf], key))
            .map_err(|_| Error::new(ErrorCode::Internal, "the TLS of the proxy cannot be set up"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn params(from: SystemTime) -> Result<CertificateParams> {
    let since = from.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = epoch + since.saturating_sub(EARLIER);
    params.not_after = epoch + since + DAY;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// A positive number in its shortest form (RFC 5280, section 4.1.2.2): its first byte is neither zero nor negative.
fn serial() -> Result<SerialNumber> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no randomness"))?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn failed(_: rcgen::Error) -> Error {
    Error::new(ErrorCode::InvalidCall, "no certificate can be made for a host of this name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_certificate_and_whatever_is_no_host_has_none() {
        let authority = Authority::make().expect("an authority");
        for host in ["api.example.com", "127.0.0.1", "::1", "localhost", &format!("{}.example.com", "a".repeat(63))] {
            let (one, again) = (authority.tls(host).expect("a certificate"), authority.tls(&host.to_ascii_uppercase()));
            assert!(Arc::ptr_eq(&one, &again.expect("the same")), "{host}");
        }
        assert!(authority.tls("b\u{fc}cher.example").is_err());
    }

    #[test]
    fn a_serial_number_is_positive_and_short() {
        for _ in 0..1000 {
            let bytes = serial().expect("a number").to_bytes();
            assert!(bytes.len() == 16 && (0x40..0x80).contains(&bytes[0]), "{bytes:?}");
        }
    }

    #[test]
    fn its_day_ends() {
        let mut authority = Authority::make().expect("an authority");
        assert!(!authority.is_over());
        authority.from -= DAY;
        assert!(authority.is_over());
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        let authority = Authority::make().expect("an authority");
        for number in 0..=MAX_LEAVES {
            authority.tls(&format!("h{number}.example.com")).expect("a certificate");
        }
        assert_eq!(authority.leaves.lock().expect("whole").len(), 1);
    }
}
