//! WebSockets: the handshake is a call like any other, and what goes over the connection is searched both ways.

use std::time::Duration;

use agentsecrets::logs::Outcome;
use agentsecrets::{Auth, Call, Client, Error, ErrorCode, Response, SecretRef, Upgraded};
use agentsecrets_upstream::{Received, Upstream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::kit::{Home, LEVELS, PATIENCE, canary, contains, mark, refused, seen, shared, upstreams};

type Socket = WebSocketStream<Upgraded>;

/// A handshake, as a library writes it that compresses where it can.
fn handshake(url: &str, headers: &[(&str, &str)]) -> Call {
    let mut call = Call::new(Method::GET, url).expect("a URL");
    let usual = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
    ];
    for (name, value) in usual.iter().chain(headers) {
        call.header(name, value.as_bytes()).expect("a header");
    }
    call.websocket().expect("a handshake");
    call
}

pub(crate) async fn answered(client: &Client, url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    let mut call = handshake(url, headers);
    call.inject(Auth::Bearer, SecretRef::new("KEY").expect("a name")).expect("a place");
    client.send(call).await
}

async fn open(client: &Client, url: &str) -> Socket {
    let answer = answered(client, url, &[]).await.expect("an answer");
    assert_eq!(answer.status(), 101, "{url}");
    socket(answer).await
}

async fn socket(answer: Response) -> Socket {
    WebSocketStream::from_raw_socket(answer.upgrade().expect("a connection"), Role::Client, None).await
}

async fn next(socket: &mut Socket) -> Option<Message> {
    let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("something comes");
    next.and_then(Result::ok)
}

async fn text(socket: &mut Socket) -> String {
    match next(socket).await {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("no text but {other:?}"),
    }
}

/// What came to an upstream once it has ended.
async fn over(upstream: &Upstream, mark: &str) -> Received {
    seen(upstream, mark, |one| one.body_sha256.is_some()).await
}

/// The code of the masked close frame that an upstream was sent, and nothing before it.
fn code_at_upstream(frame: &[u8]) -> Option<u16> {
    let (key, payload) = frame.strip_prefix(b"\x88")?.get(1..)?.split_first_chunk::<4>()?;
    Some(u16::from_be_bytes([payload.first()? ^ key[0], payload.get(1)? ^ key[1]]))
}

#[tokio::test]
async fn messages_go_both_ways_and_the_value_one_way_only() {
    let shared = shared();
    for client in shared.clients().await {
        let mark = mark();
        let mut socket = open(&client, &shared.http1.url(&format!("/ws/echo?m={mark}"))).await;
        for message in [
            Message::text("hello"),
            Message::text(""),
            Message::binary(vec![0xff; 300]),
            Message::text("é".repeat(400_000)),
        ] {
            socket.send(message.clone()).await.expect("sent");
            assert!(next(&mut socket).await == Some(message), "it came back as it went");
        }
        socket.send(Message::text("credential")).await.expect("sent");
        assert_eq!(text(&mut socket).await, "[REDACTED:KEY]");
        socket.send(Message::text("ping")).await.expect("sent");
        assert_eq!(next(&mut socket).await, Some(Message::Ping("[REDACTED:KEY]".into())));
        // Whoever holds names cannot have it: it is taken out on its way out too, and a placeholder stays a text.
        socket.send(Message::text(format!("leak {} AS_SECRET_KEY", shared.key))).await.expect("sent");
        assert_eq!(text(&mut socket).await, "leak [REDACTED:KEY] AS_SECRET_KEY");
        socket.send(Message::text("close")).await.expect("sent");
        let Some(Message::Close(Some(close))) = next(&mut socket).await else { panic!("no close") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "[REDACTED:KEY]"));
        assert!(next(&mut socket).await.is_none(), "and then it ends");
        let got = over(&shared.http1, &mark).await;
        assert_eq!(got.header("authorization"), Some(format!("Bearer {}", shared.key).as_bytes()));
        assert!(
            contains(&got.body, b"leak [REDACTED:KEY] AS_SECRET_KEY") && !contains(&got.body, shared.key.as_bytes())
        );
    }
}

#[tokio::test]
async fn a_value_is_found_over_frames_compressed_or_not() {
    let shared = shared();
    for client in shared.clients().await {
        for (every, form) in [(1, "raw"), (3, "base64"), (7, "hex"), (5, "percent"), (1000, "json")] {
            for deflate in ["", "&deflate=1", "&deflate=server_no_context_takeover"] {
                for more in ["", "&ping=1", "&binary=1"] {
                    let path = format!("/ws/frames?prefix=a&suffix=.&repeat=2&every={every}&as={form}{deflate}{more}");
                    let mut socket = open(&client, &shared.http1.url(&path)).await;
                    let mut left = 2;
                    while left > 0 {
                        match next(&mut socket).await.expect("it goes on") {
                            Message::Ping(payload) => assert_eq!(payload, "[REDACTED:KEY]"),
                            message => {
                                assert_eq!(message.is_binary(), more == "&binary=1");
                                assert_eq!(message.into_data(), "a[REDACTED:KEY].", "{path}");
                                left -= 1;
                            }
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_compressed_comes_back_whole_whatever_was_agreed() {
    let shared = shared();
    let [_, client] = shared.clients().await;
    for params in [
        "1",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "client_no_context_takeover;%20server_no_context_takeover",
        "client_max_window_bits=9;%20server_max_window_bits=10",
        "client_max_window_bits=8",
    ] {
        let mut socket = open(&client, &shared.http1.url(&format!("/ws/deflate?deflate={params}"))).await;
        for round in 0..4_u32 {
            let long: String = (0..20_000_u32).map(|at| char::from(b'a' + (at * at % 19) as u8)).collect();
            for said in [String::new(), "short".to_owned(), long, "z".repeat(70_000 * round as usize)] {
                socket.send(Message::text(said.clone())).await.expect("sent");
                assert!(text(&mut socket).await == said, "{params}");
            }
        }
        socket.send(Message::text("credential")).await.expect("sent");
        assert_eq!(text(&mut socket).await, "[REDACTED:KEY]");
        socket.close(None).await.expect("closed");
    }
}

#[tokio::test]
async fn the_answer_to_a_handshake_is_ours_and_is_searched() {
    let shared = shared();
    for client in shared.clients().await {
        let url = shared.http1.url("/ws/echo?header=1&deflate=1&protocol=1");
        let answer = answered(&client, &url, &[("sec-websocket-protocol", "one, two")]).await.expect("an answer");
        let header =
            |name: &str| answer.headers().get(name).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        assert_eq!(header("x-echo").as_deref(), Some("[REDACTED:KEY]"));
        // The key of RFC 6455, section 1.3, and its answer: upstream and program have keys of their own.
        assert_eq!(header("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(header("sec-websocket-extensions").as_deref(), Some("permessage-deflate"));
        assert_eq!(header("sec-websocket-protocol").as_deref(), Some("two"));
        let sent = shared.http1.last().expect("a request");
        assert_ne!(sent.header("sec-websocket-key"), Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
        // An upstream that does not want to talk answers as to any call.
        let refused = answered(&client, &shared.http1.url("/ws/echo?refuse=1"), &[]).await.expect("an answer");
        assert_eq!(refused.status(), 404);
        assert!(refused.upgrade().is_err_and(|why| why.code() == ErrorCode::InvalidCall));
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let shared = shared();
    for client in shared.clients().await {
        for query in ["accept=wrong", "extension=permessage-bzip", "deflate=window=1", "protocol_text=unasked"] {
            let answered = answered(&client, &shared.http1.url(&format!("/ws/echo?{query}")), &[]).await;
            let why = refused(answered.map(drop), ErrorCode::UpstreamUnreachable, &[&shared.key]);
            assert!(!why.retryable(), "{query}");
        }
    }
    let mut call = Call::new(Method::GET, "https://api.example.com/").expect("a URL");
    assert!(call.websocket().is_err_and(|why| why.code() == ErrorCode::InvalidCall), "there is no key");
    let mut call = Call::new(Method::POST, "https://api.example.com/").expect("a URL");
    assert!(call.websocket().is_err(), "it is no GET");
}

#[tokio::test]
async fn a_name_in_a_subprotocol_counts_where_it_is_granted_and_is_told_back_as_a_name() {
    let (upstream, _) = upstreams();
    let home = Home::new();
    home.trust(&upstream);
    let value = canary();
    home.set("KEY", value.as_bytes());
    home.allow("KEY", &[&upstream.base_url()]);
    let offered = [("sec-websocket-protocol", "realtime, openai-insecure-api-key.AS_SECRET_KEY")];
    let call = || {
        let mut call = handshake(&upstream.url("/ws/echo?protocol=1&in=header:sec-websocket-protocol"), &offered);
        call.placeholders(true);
        call
    };
    for level in LEVELS {
        let client = home.client(level).await;
        let why = refused(client.send(call()).await.map(drop), ErrorCode::SlotNotAllowed, &[&value]);
        assert!(why.hint().is_some_and(|hint| hint.to_lowercase().contains("sec-websocket-protocol")), "{why:?}");
    }
    // A key of a shape that a subprotocol may have (RFC 6455, section 4.1: a token).
    let value = uuid::Uuid::new_v4().simple().to_string();
    home.set("KEY2", value.as_bytes());
    home.allow("KEY2", &[&upstream.base_url(), "--slot", "header:Sec-WebSocket-Protocol"]);
    for level in LEVELS {
        let client = home.client(level).await;
        let offered = [("sec-websocket-protocol", "realtime, openai-insecure-api-key.AS_SECRET_KEY2")];
        let mut call = handshake(&upstream.url("/ws/echo?protocol=1&in=header:sec-websocket-protocol"), &offered);
        call.placeholders(true);
        let answer = client.send(call).await.expect("an answer");
        let chosen = answer.headers().get("sec-websocket-protocol").expect("chosen");
        assert_eq!(chosen, "openai-insecure-api-key.AS_SECRET_KEY2");
        let sent = upstream.last().expect("a request");
        let wanted = format!("realtime, openai-insecure-api-key.{value}");
        assert_eq!(sent.header("sec-websocket-protocol"), Some(wanted.as_bytes()));
        let mut socket = socket(answer).await;
        socket.send(Message::text("credential")).await.expect("sent");
        assert_eq!(text(&mut socket).await, "realtime, openai-insecure-api-key.[REDACTED:KEY2]");
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_the_protocol_is_told_so_and_the_program_too() {
    let shared = shared();
    for client in shared.clients().await {
        for (bytes, code) in [
            ("c10161", 1002),
            ("830161", 1002),
            ("0900", 1002),
            ("8001ff", 1002),
            ("818100000000ff", 1002),
            ("827e0005", 1002),
            ("880103", 1002),
            ("880203ed", 1002),
            ("8102c328", 1007),
            ("880403e8c328", 1007),
        ] {
            let mark = mark();
            let mut socket = open(&client, &shared.http1.url(&format!("/ws/raw?send={bytes}&m={mark}"))).await;
            let Some(Message::Close(Some(close))) = next(&mut socket).await else { panic!("no close for {bytes}") };
            assert_eq!(u16::from(close.code), 1011, "{bytes}");
            assert_eq!(code_at_upstream(&over(&shared.http1, &mark).await.body), Some(code), "{bytes}");
        }
        let record = shared.home.wait_for_record(|record| {
            let why = (record.outcome, record.reason.as_deref(), record.status);
            why == (Some(Outcome::Failed), Some("undecodable_response"), Some(101))
        });
        record.await;
    }
}

#[tokio::test]
async fn a_program_that_breaks_the_protocol_is_told_so() {
    let shared = shared();
    for client in shared.clients().await {
        let mark = mark();
        let answer = answered(&client, &shared.http1.url(&format!("/ws/raw?m={mark}")), &[]).await.expect("an answer");
        let mut stream = answer.upgrade().expect("a connection");
        stream.write_all(b"\x81\x05Hello").await.expect("written");
        let mut said = [0; 4];
        stream.read_exact(&mut said).await.expect("told");
        assert!(said[0] == 0x88 && said[2..] == [3, 234], "a mask was missing: {said:?}");
        drop(stream);
        assert_eq!(code_at_upstream(&over(&shared.http1, &mark).await.body), Some(1001));
    }
}

#[tokio::test]
async fn whoever_goes_away_ends_it_for_the_other() {
    let shared = shared();
    for client in shared.clients().await {
        let mut socket = open(&client, &shared.http1.url("/ws/echo")).await;
        socket.send(Message::text("drop")).await.expect("sent");
        assert!(next(&mut socket).await.is_none(), "the upstream has gone, and said nothing");
        let ended = |outcome: Outcome, reason: &'static str, path: String| {
            shared.home.wait_for_record(move |record| {
                record.outcome == Some(outcome)
                    && record.reason.as_deref() == Some(reason)
                    && record.path.as_ref().is_some_and(|it| it.contains(&path))
            })
        };
        ended(Outcome::Failed, "upstream_unreachable", "/ws/echo".to_owned()).await;
        let mark = mark();
        let socket = open(&client, &shared.http1.url(&format!("/ws/raw?m={mark}"))).await;
        drop(socket);
        over(&shared.http1, &mark).await;
        ended(Outcome::Cancelled, "cancelled", "/ws/raw".to_owned()).await;
    }
}

#[tokio::test]
async fn an_idle_socket_outlives_the_calls_deadline() {
    let shared = shared();
    for client in shared.clients().await {
        let mut call = handshake(&shared.http1.url("/ws/echo"), &[]);
        call.inject(Auth::Bearer, SecretRef::new("KEY").expect("a name")).expect("a place");
        call.timeout(Duration::from_millis(700));
        let mut socket = socket(client.send(call).await.expect("an answer")).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        socket.send(Message::text("still here")).await.expect("sent");
        assert_eq!(text(&mut socket).await, "still here");
    }
}

#[tokio::test]
async fn a_broker_that_ends_says_so_to_both() {
    for how in ["broker stop", "lock"] {
        let (upstream, _) = upstreams();
        let home = Home::new();
        home.trust(&upstream);
        home.set("KEY", canary().as_bytes());
        home.allow("KEY", &[&upstream.base_url()]);
        let client = home.client(agentsecrets::Isolation::Broker).await;
        let mark = mark();
        let mut socket = open(&client, &upstream.url(&format!("/ws/raw?m={mark}"))).await;
        home.ok(&how.split(' ').collect::<Vec<_>>(), b"");
        let Some(Message::Close(Some(CloseFrame { code, .. }))) = next(&mut socket).await else { panic!("no close") };
        assert_eq!(u16::from(code), 1001, "{how}");
        assert_eq!(code_at_upstream(&over(&upstream, &mark).await.body), Some(1001), "{how}");
        home.wait_for_record(|record| record.outcome == Some(Outcome::Cancelled)).await;
    }
}

#[tokio::test]
async fn an_upgrade_to_anything_else_is_refused_beside_a_value() {
    let shared = shared();
    for client in shared.clients().await {
        for protocol in ["h2c", "websocket"] {
            let call = client.get(&shared.http1.url("/echo")).bearer("KEY").header("upgrade", protocol);
            refused(call.send().await.map(drop), ErrorCode::HeaderNotAllowed, &[&shared.key]);
        }
        let bare = client.send(handshake(&shared.http1.url("/ws/echo"), &[])).await;
        refused(bare.map(drop), ErrorCode::NothingToInject, &[]);
    }
}
