//! Accepting connections, TLS, and the choice between HTTP/1.1 and HTTP/2.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::options::{Api, Options, Protocol};
use crate::record::Recorder;
use crate::routes::Router;
use crate::ticket::Connection;
use crate::{http1, http2};

const HANDSHAKE: Duration = Duration::from_secs(20);

/// Where an upstream listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) http: Option<u16>,
}

#[derive(Clone)]
struct Service {
    api: Api,
    protocol: Protocol,
    recorder: Recorder,
    tls: Option<TlsAcceptor>,
}

/// Binds every listener before it returns.
pub(crate) fn start(runtime: &Handle, options: &Options, tls: ServerConfig, recorder: &Recorder) -> io::Result<Ports> {
    let secure = Service {
        api: options.api,
        protocol: options.protocol,
        recorder: recorder.clone(),
        tls: Some(TlsAcceptor::from(Arc::new(tls))),
    };
    let mut https = 0;
    for address in &options.bind {
        https = listen(runtime, *address, &secure)?;
    }
    let mut http = None;
    if options.cleartext {
        let plain = Service { tls: None, ..secure.clone() };
        let address = SocketAddr::new(options.bind[0].ip(), 0);
        http = Some(listen(runtime, address, &plain)?);
    }
    Ok(Ports { https, http })
}

fn listen(runtime: &Handle, address: SocketAddr, service: &Service) -> io::Result<u16> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let _entered = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    let service = service.clone();
    runtime.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, service.clone()))),
                // Out of descriptors: the next accept would fail at once, so wait for some to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    Ok(port)
}

async fn connection(stream: TcpStream, service: Service) {
    // Small writes have to leave at once, or `/split` would not be split.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = &service.tls else {
        let connection = Connection::open(&service.recorder, None);
        http1::serve(stream, &Router::new(service.api, connection)).await;
        return;
    };
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        service.recorder.refused_handshake();
        return;
    };
    let session = stream.get_ref().1;
    let name = session.server_name().unwrap_or_default().to_owned();
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let router = Router::new(service.api, Connection::open(&service.recorder, Some(name)));
    if is_http2 {
        http2::serve(stream, router).await;
    } else if service.protocol != Protocol::Http2 {
        http1::serve(stream, &router).await;
    }
}
