//! A client that writes and reads bytes over TLS by hand.

#![allow(dead_code)] // Each test file uses its part of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use agentsecrets_upstream::Upstream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) fn trusting(ca_pem: &str, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// The handshake alone, and why it failed.
pub(crate) fn handshake(upstream: &Upstream) -> Result<(), String> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = ClientConnection::new(Arc::new(trusting(upstream.ca_pem(), &[])), name).expect("TLS");
    let mut socket = TcpStream::connect(("127.0.0.1", upstream.port())).expect("a listener");
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Orderly,
    Abrupt,
}

pub(crate) struct Raw(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Raw {
    pub(crate) fn open(upstream: &Upstream) -> Self {
        let config = trusting(upstream.ca_pem(), &["http/1.1"]);
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("TLS");
        let socket = TcpStream::connect(("127.0.0.1", upstream.port())).expect("a listener");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self(StreamOwned::new(tls, socket))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("written");
        self.0.flush().expect("flushed");
    }

    /// One response with a `content-length`.
    pub(crate) fn response(&mut self) -> String {
        let mut text = String::new();
        let mut byte = [0];
        while !text.ends_with("\r\n\r\n") {
            self.0.read_exact(&mut byte).expect("a head");
            text.push(char::from(byte[0]));
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        text.push_str(&String::from_utf8_lossy(&body));
        text
    }

    /// Everything until the connection ends.
    pub(crate) fn rest(mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => (bytes, End::Orderly),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                (bytes, End::Abrupt)
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// One request on a connection of its own; the answer's head and body.
pub(crate) fn get(upstream: &Upstream, target: &str, headers: &str) -> (String, Vec<u8>, End) {
    exchange(upstream, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
}

pub(crate) fn post(upstream: &Upstream, target: &str, headers: &str, body: &str) -> (String, Vec<u8>, End) {
    let length = body.len();
    exchange(
        upstream,
        &format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ),
    )
}

fn exchange(upstream: &Upstream, request: &str) -> (String, Vec<u8>, End) {
    let mut raw = Raw::open(upstream);
    raw.send(request.as_bytes());
    let (bytes, end) = raw.rest();
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&bytes[..split]).into_owned(), bytes[split..].to_vec(), end)
}

/// The values of the chunks, and the lines after the last one.
pub(crate) fn chunks(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut found = Vec::new();
    loop {
        let at = body.windows(2).position(|window| window == b"\r\n").expect("a chunk size");
        let size = std::str::from_utf8(&body[..at]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        body = &body[at + 2..];
        if size == 0 {
            return (found, String::from_utf8_lossy(body).into_owned());
        }
        found.push(body[..size].to_vec());
        body = &body[size + 2..];
    }
}
