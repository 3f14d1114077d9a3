//! The API: HTTP/1.1 with keep-alive on loopback, the same 1 KiB of JSON for every request.

use std::convert::Infallible;
use std::io::{Read, Write};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;

const LENGTH: usize = 1024;

/// Prints its port, and ends with its standard input.
pub(crate) fn run() -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort(); // Nothing here is worth keeping.
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let answer = Bytes::from(document());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| {
                let answer = Full::new(answer.clone());
                async move {
                    let mut response = Response::new(answer);
                    let json = hyper::header::HeaderValue::from_static("application/json");
                    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                    Ok::<_, Infallible>(response)
                }
            });
            // A client that goes away is no matter here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A document of exactly the length, as an API would answer it.
fn document() -> String {
    let mut text = String::from("{\"object\":\"list\",\"data\":[");
    let mut number = 0;
    while text.len() < LENGTH - 96 {
        text.push_str(&format!("{{\"id\":\"item_{number:04}\",\"amount\":{},\"currency\":\"usd\"}},", 1000 + number));
        number += 1;
    }
    let pad = LENGTH - text.len() - "{\"pad\":\"\"}]}".len();
    text.push_str(&format!("{{\"pad\":\"{}\"}}]}}", "x".repeat(pad)));
    text
}
