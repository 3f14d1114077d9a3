//! A proxy that makes tunnels (CONNECT), honestly or not, and remembers what it saw.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use crate::certificate::{Authority, server_config};
use crate::options::{Options, Protocol};

const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const WANTS_LOGIN: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
Content-Length: 0\r\n\r\n";
const NO_ROUTE: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";

/// Which proxy to start. The default listens in cleartext, wants no login and knows no host.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    authority: Option<Authority>,
    login: Option<String>,
    routes: HashMap<String, u16>,
    lies: Option<(Vec<u8>, Vec<u8>)>,
    silent: bool,
}

impl ProxyOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// TLS to the proxy itself, under this authority.
    #[must_use]
    pub fn authority(mut self, authority: &Authority) -> Self {
        self.authority = Some(authority.clone());
        self
    }

    /// `user:password`, without which nothing is connected.
    #[must_use]
    pub fn login(mut self, login: impl Into<String>) -> Self {
        self.login = Some(login.into());
        self
    }

    /// `host:port` leads to this port of loopback.
    #[must_use]
    pub fn route(mut self, target: impl Into<String>, port: u16) -> Self {
        self.routes.insert(target.into(), port);
        self
    }

    /// Says `head` to every request, and `after` to the first bytes that come through the tunnel.
    #[must_use]
    pub fn lies(mut self, head: impl Into<Vec<u8>>, after: impl Into<Vec<u8>>) -> Self {
        self.lies = Some((head.into(), after.into()));
        self
    }

    /// Takes connections and says nothing.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

/// A request for a tunnel, and what went through it.
#[derive(Clone, Default)]
pub struct Tunnel {
    /// The request's head, as it came.
    pub head: Vec<u8>,
    /// What the client sent through.
    pub sent: Vec<u8>,
}

impl Tunnel {
    /// The request's first line.
    #[must_use]
    pub fn request(&self) -> String {
        String::from_utf8_lossy(&self.head).lines().next().unwrap_or_default().to_owned()
    }

    /// A header of the request.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

type Seen = Arc<Mutex<Vec<Tunnel>>>;

/// A listening proxy; dropping it closes every connection.
pub struct Proxy {
    port: u16,
    tls: bool,
    seen: Seen,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Starts listening on a free port of loopback.
    pub fn start(options: &ProxyOptions) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("proxy").enable_all().build()?;
        let listener = StdListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let http1 = Options::new().protocol(Protocol::Http1);
        let tls = match &options.authority {
            None => None,
            Some(authority) => {
                let config = server_config(authority, &http1).map_err(|why| io::Error::other(why.to_string()))?;
                Some(TlsAcceptor::from(Arc::new(config)))
            }
        };
        let (seen, options) = (Seen::default(), Arc::new(options.clone()));
        let kept = Arc::clone(&seen);
        let is_tls = tls.is_some();
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let (options, seen, tls) = (Arc::clone(&options), Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &options, &seen).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &options, &seen).await,
                            Err(why) => Err(why),
                        },
                    }
                });
            }
        });
        Ok(Self { port, tls: is_tls, seen, runtime: Some(runtime) })
    }

    /// `127.0.0.1:PORT`, or `localhost:PORT` where it speaks TLS.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", if self.tls { "localhost" } else { "127.0.0.1" }, self.port)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address())
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Tunnel> {
        lock(&self.seen).clone()
    }

    /// Forgets them.
    pub fn clear(&self) {
        lock(&self.seen).clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(seen: &Seen) -> std::sync::MutexGuard<'_, Vec<Tunnel>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, options: &ProxyOptions, seen: &Seen) -> io::Result<()> {
    let mut tunnel = Tunnel::default();
    while !tunnel.head.ends_with(b"\r\n\r\n") {
        tunnel.head.push(stream.read_u8().await?);
    }
    let request = tunnel.request();
    let target = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let shown = tunnel.header("proxy-authorization");
    let port = options.routes.get(target).copied();
    let at = {
        let mut seen = lock(seen);
        seen.push(tunnel);
        seen.len() - 1
    };
    if options.silent {
        return std::future::pending().await;
    }
    if let Some((head, after)) = &options.lies {
        stream.write_all(head).await?;
        let mut through = vec![0; 4096];
        let read = stream.read(&mut through).await?;
        keep(seen, at, &through[..read]);
        stream.write_all(after).await?;
        return stream.shutdown().await;
    }
    let wanted = options.login.as_ref().map(|login| format!("Basic {}", STANDARD.encode(login)));
    if wanted.is_some() && wanted != shown {
        return stream.write_all(WANTS_LOGIN).await;
    }
    let Some(port) = port else { return stream.write_all(NO_ROUTE).await };
    let mut upstream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(OPEN).await?;
    carry(&mut stream, &mut upstream, |bytes| keep(seen, at, bytes)).await
}

fn keep(seen: &Seen, at: usize, bytes: &[u8]) {
    if let Some(tunnel) = lock(seen).get_mut(at) {
        tunnel.sent.extend_from_slice(bytes);
    }
}

/// Carries bytes both ways until either side ends.
async fn carry(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    upstream: &mut TcpStream,
    keep: impl Fn(&[u8]),
) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                read => {
                    keep(&up[..read]);
                    upstream.write_all(&up[..read]).await?;
                }
            },
            read = upstream.read(&mut down) => match read? {
                0 => return Ok(()),
                read => client.write_all(&down[..read]).await?,
            },
        }
    }
}
