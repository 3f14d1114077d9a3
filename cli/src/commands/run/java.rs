//! What makes a Java program of the run: a trust store of its own kind, and options that every Java reads.

use std::ffi::OsString;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The variable whose options every JVM takes.
pub(super) const OPTIONS: &str = "JAVA_TOOL_OPTIONS";
/// A key store of Sun's: magic number, version 2 (`sun.security.provider.JavaKeyStore`).
const BEGINNING: [u8; 8] = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
/// An entry that is a certificate to trust.
const TRUSTED: u32 = 2;
/// Where the checksum over a password would stand; Java does not look at it where no password is given.
const NO_CHECKSUM: [u8; 20] = [0; 20];

/// The certificates of a PEM text as a Java trust store (JKS). It holds no secret and has no password.
pub(super) fn trust_store(pem: &[u8]) -> Vec<u8> {
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(pem).flatten().collect();
    let mut store = BEGINNING.to_vec();
    number(&mut store, certificates.len());
    for (at, certificate) in certificates.iter().enumerate() {
        store.extend(TRUSTED.to_be_bytes());
        text(&mut store, &format!("root-{at}"));
        // When it was added: nobody asks.
        store.extend([0; 8]);
        text(&mut store, "X.509");
        number(&mut store, certificate.len());
        store.extend_from_slice(certificate);
    }
    store.extend(NO_CHECKSUM);
    store
}

/// The options of the caller's, and ours after them: of two the later counts.
pub(super) fn options(before: Option<&OsString>, port: u16, store: &Path, without_proxy: &str) -> OsString {
    let direct: Vec<String> = without_proxy.split(',').filter(|host| !host.is_empty()).map(in_java).collect();
    let quoted = |name: &str, text: &str| format!("\"-D{name}={text}\"");
    let ours = [
        quoted("http.proxyHost", "127.0.0.1"),
        quoted("http.proxyPort", &port.to_string()),
        quoted("https.proxyHost", "127.0.0.1"),
        quoted("https.proxyPort", &port.to_string()),
        quoted("http.nonProxyHosts", &direct.join("|")),
        quoted("javax.net.ssl.trustStore", &store.display().to_string()),
        quoted("javax.net.ssl.trustStoreType", "JKS"),
        quoted("javax.net.ssl.trustStorePassword", ""),
    ];
    let mut all = before.cloned().unwrap_or_default();
    if !all.is_empty() {
        all.push(" ");
    }
    all.push(ours.join(" "));
    all
}

/// A host of `NO_PROXY` as Java's list has it: a leading dot is a star, an IPv6 address in brackets.
fn in_java(host: &str) -> String {
    match host.strip_prefix('.') {
        Some(rest) => format!("*.{rest}"),
        None if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        None => host.to_owned(),
    }
}

fn number(store: &mut Vec<u8>, value: usize) {
    store.extend(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
}

/// A text of ASCII as Java writes one: its length in two bytes, and its bytes.
fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_after_the_callers() {
        let before = OsString::from("-Xmx64m");
        let all = options(Some(&before), 4711, Path::new("/tmp/a b/roots.jks"), "127.0.0.1,::1,.corp.example");
        let all = all.into_string().expect("text");
        assert!(all.starts_with("-Xmx64m \"-Dhttp.proxyHost=127.0.0.1\" "), "{all}");
        assert!(all.contains("\"-Dhttp.nonProxyHosts=127.0.0.1|[::1]|*.corp.example\""), "{all}");
        assert!(all.contains("\"-Djavax.net.ssl.trustStore=/tmp/a b/roots.jks\""), "{all}");
        assert!(options(None, 1, Path::new("/x"), "").into_string().expect("text").starts_with("\"-D"));
    }

    #[test]
    fn a_store_without_certificates_is_whole_all_the_same() {
        assert_eq!(trust_store(b"no certificate"), [&BEGINNING[..], &[0; 4], &NO_CHECKSUM].concat());
    }
}
