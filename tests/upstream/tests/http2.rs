//! The upstream over HTTP/2, through hyper's client.

mod client;

use std::sync::Arc;
use std::time::Duration;

use agentsecrets_upstream::{Options, Outcome, Protocol, Upstream};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

async fn connect(upstream: &Upstream) -> SendRequest<Full<Bytes>> {
    let config = client::trusting(upstream.ca_pem(), &["h2", "http/1.1"]);
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", upstream.port())).await.expect("a listener");
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn request(upstream: &Upstream, path: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::post(upstream.url(path))
        .header("authorization", "Bearer not-a-real-one")
        .body(Full::new(Bytes::from(body)))
        .expect("a request")
}

#[tokio::test]
async fn requests_are_recorded_and_answered() {
    let upstream = Upstream::start(&Options::new().protocol(Protocol::Http2)).expect("an upstream");
    let mut sender = connect(&upstream).await;
    let answer = sender.send_request(request(&upstream, "/echo/raw?a=%2F", "a body")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "a body");
    let second = sender.send_request(request(&upstream, "/echo/header", "")).await.expect("an answer");
    assert_eq!(second.headers()["x-echo"], "Bearer not-a-real-one");
    let received = upstream.received();
    assert_eq!((received[0].version.as_str(), received[0].target.as_str()), ("HTTP/2", "/echo/raw?a=%2F"));
    assert_eq!(received[0].body, b"a body");
    assert_eq!(received[0].header("authorization"), Some(b"Bearer not-a-real-one".as_slice()));
    assert_eq!(received[0].connection, received[1].connection);
}

#[tokio::test]
async fn trailers_and_pieces_arrive() {
    let upstream = Upstream::start(&Options::new()).expect("an upstream");
    let mut sender = connect(&upstream).await;
    let answer = sender.send_request(request(&upstream, "/trailers", "")).await.expect("an answer");
    let whole = answer.into_body().collect().await.expect("a body");
    assert_eq!(whole.trailers().expect("trailers")["x-echo"], "not-a-real-one");
    let answer = sender.send_request(request(&upstream, "/bytes?n=3m", "")).await.expect("an answer");
    assert_eq!(answer.headers()["content-length"], "3145728");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes().len(), 3 << 20);
}

#[tokio::test]
async fn a_broken_stream_breaks_and_leaves_the_connection() {
    let upstream = Upstream::start(&Options::new()).expect("an upstream");
    let mut sender = connect(&upstream).await;
    let answer = sender.send_request(request(&upstream, "/drop?after=20", "")).await.expect("an answer");
    assert!(answer.into_body().collect().await.is_err());
    let answer = sender.send_request(request(&upstream, "/echo", "")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let received = upstream.received();
    assert_eq!(received[0].outcome, Outcome::BrokenOff);
    assert_eq!(received[0].connection, received[1].connection);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_call_is_noticed_while_the_connection_lives() {
    let upstream = Upstream::start(&Options::new()).expect("an upstream");
    let mut sender = connect(&upstream).await;
    for path in ["/hang", "/stall"] {
        let call = sender.send_request(request(&upstream, path, ""));
        if path == "/hang" {
            assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
        } else {
            let answer = call.await.expect("an answer");
            assert_eq!(upstream.last().map(|it| it.outcome), Some(Outcome::Running));
            drop(answer);
        }
        let closed = tokio::task::block_in_place(|| {
            upstream.wait_for(Duration::from_secs(10), |it| it.path() == path && it.outcome == Outcome::ClientClosed)
        });
        assert!(closed.is_some(), "{path}");
    }
    assert_eq!(upstream.state().open_connections, 1);
}
