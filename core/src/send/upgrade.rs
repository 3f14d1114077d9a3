//! A WebSocket's handshake, over a connection of its own: HTTP/2 has another way of it (RFC 8441), which few upstreams know.

use http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;

use super::address::AddressScope;
use super::{RawResponse, Sender, Unsent, raw, request_of};
use crate::call::{Body, Handshake};
use crate::error::{Error, ErrorCode};
use crate::inject::ArmedRequest;
use crate::websocket::{Offered, Opened, strip};

/// A connection that became a WebSocket, before anybody has looked for values in it.
pub(crate) struct RawSocket {
    pub(crate) stream: hyper::upgrade::Upgraded,
    pub(crate) opened: Opened,
}

impl Sender {
    /// Sends a handshake, and waits for the head of the answer. An answer that is no WebSocket is one as to any call.
    pub(super) async fn upgrade(
        &self,
        armed: ArmedRequest,
        scope: AddressScope,
        asked: Handshake,
    ) -> Result<RawResponse, Unsent> {
        let connector = self.lanes(armed.origin(), scope).connector().with_tls(&self.http1);
        let mut request = request_of(armed)?;
        let offered = Offered::write(&asked, request.headers_mut())?;
        let stream = connector.connect(request.uri().clone()).await?;
        in_origin_form(&mut request);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|_| broke_off())?;
        // It ends with the answer's body, with the socket, or where nobody waits for the answer any more.
        drop(tokio::spawn(connection.with_upgrades()));
        let mut answer = sender.send_request(request).await.map_err(|_| broke_off())?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(raw(answer, false));
        }
        let opened = offered.read(&asked, answer.headers()).map_err(no_handshake)?;
        let stream = hyper::upgrade::on(&mut answer).await.map_err(|_| broke_off())?;
        let mut raw = raw(answer, true);
        strip(&mut raw.headers);
        Ok(RawResponse { socket: Some(Box::new(RawSocket { stream, opened })), ..raw })
    }
}

/// The target as an origin takes it (RFC 9112, section 3.2.1), and the host in a header.
fn in_origin_form(request: &mut Request<Body>) {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    let host = uri.authority.and_then(|authority| http::HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(target) = uri.path_and_query {
        *request.uri_mut() = Uri::from(target);
    }
}

fn broke_off() -> Unsent {
    Error::new(ErrorCode::UpstreamUnreachable, "the upstream broke off before it answered").into()
}

fn no_handshake(why: &'static str) -> Unsent {
    let why = format!("the upstream's handshake is no WebSocket's: {why}");
    Error::new(ErrorCode::UpstreamUnreachable, why).with_retryable(false).into()
}
