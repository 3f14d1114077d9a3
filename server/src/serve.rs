//! Listening, TLS, and an end that lets what runs finish.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Connection, router};
use crate::config::Options;
use crate::limits::SPAN;
use crate::routes;
use crate::verify::now;

/// How long the head of a request, or a handshake, may take to come.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS: usize = 10_000;

/// Serves until a signal ends it.
pub(crate) async fn serve(options: Options) -> Result<(), String> {
    let tls = options
        .tls_cert
        .as_deref()
        .zip(options.tls_key.as_deref())
        .map(|(cert, key)| acceptor(cert, key))
        .transpose()?;
    let app = App::open(&options).await?;
    let listener = listen(options.listen).await?;
    let (stop, stopped) = watch::channel(false);
    if let Some(address) = options.metrics_listen {
        let metrics = routes::metrics_alone(&app);
        tokio::spawn(accept(listen(address).await?, metrics, None, stopped.clone(), options.grace));
    }
    tokio::spawn(sweep(app.clone()));
    let main =
        tokio::spawn(accept(listener, router(&app, options.metrics_listen.is_none()), tls, stopped, options.grace));
    ended().await?;
    tracing::info!("stopping");
    let _ = stop.send(true);
    main.await.map_err(|why| format!("the listener failed: {why}"))?;
    app.storage.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await.map_err(|why| format!("{address}: {why}"))?;
    let address = listener.local_addr().map_err(|why| format!("{address}: {why}"))?;
    tracing::info!(%address, "listening");
    Ok(listener)
}

async fn ended() -> Result<(), String> {
    let told = |why: std::io::Error| format!("signals: {why}");
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(told)?, signal(SignalKind::interrupt()).map_err(told)?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Takes connections until it is told to stop, then waits for what runs.
async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
    grace: u64,
) {
    let (graceful, slots) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            _ = stopped.changed() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(why) => {
                    // Out of descriptors, mostly: what runs gives some back.
                    tracing::warn!(kind = ?why.kind(), "a connection was not taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopped.changed() => break,
        };
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _slot = slot;
            let _ = stream.set_nodelay(true);
            match tls {
                None => converse(stream, peer, router, watcher).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
                        converse(stream, peer, router, watcher).await;
                    }
                }
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(grace), graceful.shutdown()).await;
}

/// Serves the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100).keep_alive_interval(Duration::from_secs(30));
    let service = TowerToHyperService::new(router.layer(axum::Extension(Connection(peer))));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // How a client's connection ends is the client's affair.
    let _ = watcher.watch(connection).await;
}

/// Forgets what is of the past, now and then.
async fn sweep(app: Arc<App>) {
    loop {
        tokio::time::sleep(Duration::from_secs(600)).await;
        let _ = app.storage.forget_before(now() / SPAN - 1, now()).await;
    }
}

fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let told = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|why| told(cert, &why))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|why| told(key, &why))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|why| told(cert, &why))?.with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.map_err(|why| told(cert, &why))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
