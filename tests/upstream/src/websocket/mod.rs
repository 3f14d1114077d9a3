//! WebSockets, friendly and hostile. The plain echo is a library's, so that two implementations meet; what has to be
//! compressed, cut or wrong on purpose is written by hand.

mod frame;

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use crate::message::Request;
use crate::record::Outcome;
use crate::source;
use frame::{Codec, Frame};

/// What is joined to a key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The code a socket is closed with that was asked to close.
const CLOSE: u16 = 4001;

/// Whether a request asks for a WebSocket here.
pub(crate) fn is_asked_for(request: &Request) -> bool {
    request.path().starts_with("/ws/") && request.header("sec-websocket-key").is_some() && !request.flag("refuse")
}

/// Answers the handshake, and talks until one side ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, mut request: Request) {
    let deflate = request.param("deflate").filter(|_| offers_deflate(&request));
    let head = answer(&request, deflate.as_deref());
    if stream.write_all(head.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    let path = request.path().to_owned();
    let talked = match path.as_str() {
        "/ws/echo" => echo(stream, &mut request).await,
        "/ws/deflate" => compressed(&mut stream, &mut request, deflate.is_some()).await,
        "/ws/frames" => cut(&mut stream, &mut request, deflate.is_some()).await,
        _ => raw(&mut stream, &mut request).await,
    };
    request.ticket.body_ended();
    // Dropped otherwise, the ticket says that the client went away.
    if talked.is_ok() {
        request.ticket.finish(Outcome::Answered);
    }
}

fn offers_deflate(request: &Request) -> bool {
    request.header("sec-websocket-extensions").is_some_and(|it| it.starts_with(b"permessage-deflate"))
}

/// `?accept=wrong`, `?protocol=INDEX`, `?protocol_text=`, `?deflate=PARAMS`, `?extension=` and `?in=…&header=1`.
fn answer(request: &Request, deflate: Option<&str>) -> String {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let mut accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    if request.param("accept").is_some() {
        accept = STANDARD.encode("wrong");
    }
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    let offered = String::from_utf8_lossy(request.header("sec-websocket-protocol").unwrap_or_default()).into_owned();
    let chosen = request.param("protocol").and_then(|at| offered.split(',').nth(at.parse().ok()?).map(str::to_owned));
    if let Some(chosen) = chosen.or(request.param("protocol_text")) {
        head.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", chosen.trim()));
    }
    if let Some(params) = deflate {
        let params = if params == "1" { String::new() } else { format!("; {params}") };
        head.push_str(&format!("Sec-WebSocket-Extensions: permessage-deflate{params}\r\n"));
    }
    if let Some(extension) = request.param("extension") {
        head.push_str(&format!("Sec-WebSocket-Extensions: {extension}\r\n"));
    }
    if request.flag("header") {
        let credential = source::credential(request).unwrap_or_default();
        head.push_str(&format!("X-Echo: {}\r\n", String::from_utf8_lossy(&credential)));
    }
    head + "\r\n"
}

/// Gives every message back, by a library. `credential` is answered with the credential, `ping` with a ping that holds it,
/// `close` with a close frame whose reason does; `drop` breaks off.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S, request: &mut Request) -> io::Result<()> {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let credential = source::credential(request).unwrap_or_default();
    let text = || Utf8Bytes::from(String::from_utf8_lossy(&credential).into_owned());
    while let Some(message) = socket.next().await {
        let message = message.map_err(io::Error::other)?;
        if message.is_text() || message.is_binary() {
            request.ticket.body(&message.clone().into_data());
        }
        let sent = match &message {
            Message::Text(said) if *said == "credential" => socket.send(Message::Text(text())).await,
            Message::Text(said) if *said == "ping" => {
                socket.send(Message::Ping(Bytes::copy_from_slice(&credential))).await
            }
            Message::Text(said) if *said == "close" => {
                socket.close(Some(CloseFrame { code: CLOSE.into(), reason: text() })).await
            }
            Message::Text(said) if *said == "drop" => return Err(io::ErrorKind::Interrupted.into()),
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Pong(payload) => {
                request.ticket.body(payload);
                Ok(())
            }
            Message::Close(_) | Message::Ping(_) | Message::Frame(_) => Ok(()),
        };
        // A close frame is answered by the library itself.
        let _ = sent;
    }
    Ok(())
}

/// Gives every message back compressed, where that was agreed, through one window.
async fn compressed<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &mut Request,
    deflate: bool,
) -> io::Result<()> {
    let mut codec = Codec::new(request);
    while let Some(message) = codec.message(stream).await? {
        request.ticket.body(&message.payload);
        let message = if message.opcode == frame::TEXT && message.payload == b"credential" {
            Frame { payload: source::credential(request).unwrap_or_default(), ..message }
        } else {
            message
        };
        stream.write_all(&codec.frames(&message, usize::MAX, deflate).concat()).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// `?every=N&as=FORM&prefix=…&suffix=…&pause_ms=M&ping=1&repeat=N`: the credential in messages cut into frames of N bytes, a
/// ping with it between each two; then reads what comes.
async fn cut<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &mut Request,
    deflate: bool,
) -> io::Result<()> {
    let mut codec = Codec::new(request);
    let credential = source::credential(request).unwrap_or_default();
    let form = crate::form::apply(&request.param("as").unwrap_or_default(), &credential).unwrap_or_default();
    let affix = |name: &str| request.param(name).unwrap_or_default().into_bytes();
    let payload = [affix("prefix"), form, affix("suffix")].concat();
    let every = usize::try_from(request.number("every", 1)).unwrap_or(1).max(1);
    let pause = Duration::from_millis(request.number("pause_ms", 0));
    let kind = if request.flag("binary") { frame::BINARY } else { frame::TEXT };
    for _ in 0..request.number("repeat", 1) {
        for piece in codec.frames(&Frame { opcode: kind, payload: payload.clone() }, every, deflate) {
            stream.write_all(&piece).await?;
            if request.flag("ping") {
                stream.write_all(&frame::head(0x80 | frame::PING, credential.len().min(125))).await?;
                stream.write_all(&credential[..credential.len().min(125)]).await?;
            }
            stream.flush().await?;
            tokio::time::sleep(pause).await;
        }
    }
    listen(stream, request).await
}

/// `?send=HEX`: these bytes as they are, and then whatever comes is kept.
async fn raw<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &mut Request) -> io::Result<()> {
    let bytes = hex::decode(request.param("send").unwrap_or_default()).map_err(io::Error::other)?;
    let repeat = request.number("repeat", 1);
    for _ in 0..repeat {
        stream.write_all(&bytes).await?;
    }
    stream.flush().await?;
    if request.flag("drop") {
        return Err(io::ErrorKind::Interrupted.into());
    }
    listen(stream, request).await
}

async fn listen<S: AsyncRead + Unpin>(stream: &mut S, request: &mut Request) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => request.ticket.body(&buffer[..read]),
        }
    }
}

/// What is left of a connection after a head: what was read too far, and the rest.
pub(crate) fn joined<R: AsyncRead, W: AsyncWrite>(
    read: bytes::BytesMut,
    from: R,
    to: W,
) -> impl AsyncRead + AsyncWrite {
    tokio::io::join(io::Cursor::new(read).chain(from), to)
}
