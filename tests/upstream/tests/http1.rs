//! The upstream over HTTP/1.1, read byte for byte.

mod client;

use std::io::Read;
use std::time::Duration;

use agentsecrets_upstream::{Api, Authority, Certificate, Options, Outcome, Upstream};
use client::{End, Raw, chunks, get, post};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

const AUTHORIZATION: &str = "Authorization: Bearer not-a-real-one/1\r\n";
const CREDENTIAL: &str = "not-a-real-one/1";

fn start() -> Upstream {
    Upstream::start(&Options::new()).expect("an upstream")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_head_is_kept_byte_for_byte_and_connections_are_told_apart() {
    let upstream = start();
    let head = "POST /echo/raw?a=%2f+b&&x HTTP/1.1\r\nHost: localhost\r\nx-Odd-CASE:  two \r\nX-A: 1\r\nx-odd-case: again\r\n\
                Content-Length: 5\r\nContent-Type: text/odd\r\n\r\n";
    let mut raw = Raw::open(&upstream);
    raw.send(format!("{head}a\0b\nc").as_bytes());
    let first = raw.response();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/odd\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\na\0b\nc"), "{first:?}");
    raw.send(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    raw.response();
    get(&upstream, "/echo", "");

    let received = upstream.received();
    assert_eq!(received[0].head, head.as_bytes());
    assert_eq!(received[0].target, "/echo/raw?a=%2f+b&&x");
    let names: Vec<&str> = received[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "x-Odd-CASE", "X-A", "x-odd-case", "Content-Length", "Content-Type"]);
    assert_eq!(received[0].body, b"a\0b\nc");
    assert_eq!(received[0].body_sha256, Some(hex::encode(Sha256::digest(b"a\0b\nc"))));
    assert_eq!(received[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(received[0].connection, received[1].connection);
    assert_ne!(received[0].connection, received[2].connection);
    assert!(received.iter().all(|request| request.outcome == Outcome::Answered));
}

#[test]
fn other_languages_read_and_clear_the_record() {
    let upstream = start();
    post(&upstream, "/echo?q=1", "", "body");
    let (_, body, _) = get(&upstream, "/__received", "");
    let received: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(received.as_array().map(Vec::len), Some(1));
    assert_eq!(received[0]["body_base64"], "Ym9keQ==");
    assert_eq!(received[0]["query"], "q=1");
    assert_eq!(received[0]["headers"][0][0], "Host");
    let mut raw = Raw::open(&upstream);
    raw.send(b"DELETE /__received HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(raw.response().starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.received().len(), 0);
}

#[test]
fn echoes_carry_the_credential_in_every_disguise() {
    let upstream = start();
    let (head, body, _) = get(&upstream, "/echo/header", AUTHORIZATION);
    assert!(head.contains("X-Echo: Bearer not-a-real-one/1\r\n"), "{head}");
    assert_eq!(text(&body), "Bearer not-a-real-one/1");
    let (head, body, _) = get(&upstream, "/echo/encoded?as=hex&prefix=<&suffix=>&header=1", AUTHORIZATION);
    let wanted = hex::encode(CREDENTIAL);
    assert!(head.contains(&format!("X-Echo: {wanted}\r\n")));
    assert_eq!(text(&body), format!("<{wanted}>"));
    let (_, body, _) = get(&upstream, "/echo/encoded?in=query:key&key=a%2Fb", "");
    assert_eq!(text(&body), "a/b");
    let (_, body, _) = post(&upstream, "/echo/encoded?in=body:/a/1", "", r#"{"a":["x","y"]}"#);
    assert_eq!(text(&body), "y");
    let (_, body, _) = get(&upstream, "/echo/encoded?in=basic", "Authorization: Basic dTpwOnA=\r\n");
    assert_eq!(text(&body), "p:p");
    let (head, _, _) = get(&upstream, "/set-cookie", AUTHORIZATION);
    assert!(head.contains("set-cookie: echo=not-a-real-one/1; Path=/\r\n"), "{head}");
    let (head, _, _) = get(&upstream, "/reason", AUTHORIZATION);
    assert!(head.starts_with("HTTP/1.1 200 Fine with not-a-real-one/1\r\n"), "{head}");
}

#[test]
fn what_is_planted_is_read_back_by_another_call() {
    let upstream = start();
    get(&upstream, "/plant?name=first", AUTHORIZATION);
    let (_, body, _) = get(&upstream, "/echo/encoded?in=planted:first", "Authorization: Bearer another\r\n");
    assert_eq!(text(&body), CREDENTIAL);
}

#[test]
fn codings_are_honest_or_broken_as_asked() {
    let upstream = start();
    let open = |body: &[u8]| {
        let mut plain = String::new();
        GzDecoder::new(body).read_to_string(&mut plain).map(|_| plain)
    };
    let (head, body, _) = get(&upstream, "/compress/gzip", AUTHORIZATION);
    assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
    assert!(open(&body).expect("gzip").contains(CREDENTIAL));
    let (head, body, _) = get(&upstream, "/compress/stacked?codings=zstd,gzip", AUTHORIZATION);
    assert!(head.contains("content-encoding: zstd, gzip\r\n"), "{head}");
    let mut inner = Vec::new();
    GzDecoder::new(body.as_slice()).read_to_end(&mut inner).expect("gzip");
    assert!(text(&zstd::decode_all(inner.as_slice()).expect("zstd")).contains(CREDENTIAL));
    for kind in ["truncated", "broken"] {
        let (_, body, _) = get(&upstream, &format!("/compress/{kind}"), AUTHORIZATION);
        assert!(open(&body).is_err(), "{kind}");
    }
    let (_, body, _) = get(&upstream, "/compress/bomb?n=16m", "");
    assert!(body.len() < 64 << 10);
    let mut counted = GzDecoder::new(body.as_slice());
    assert_eq!(std::io::copy(&mut counted, &mut std::io::sink()).expect("gzip"), 16 << 20);
    let (head, _, _) = get(&upstream, "/compress/unknown", "");
    assert!(head.contains("content-encoding: x-unheard-of\r\n"));
    let (_, body, _) = get(&upstream, "/compress/br", AUTHORIZATION);
    let mut plain = Vec::new();
    brotli::Decompressor::new(body.as_slice(), 4096).read_to_end(&mut plain).expect("brotli");
    assert!(text(&plain).contains(CREDENTIAL));
}

#[test]
fn streams_come_in_pieces() {
    let upstream = start();
    let (_, body, _) = get(&upstream, "/split?every=3&delay_ms=1", AUTHORIZATION);
    let (pieces, _) = chunks(&body);
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 3, 3, 1]);
    assert_eq!(text(&pieces.concat()), CREDENTIAL);
    let (head, body, _) = get(&upstream, "/sse?events=2&eol=crlf&echo=1", AUTHORIZATION);
    assert!(head.contains("content-type: text/event-stream\r\n"));
    let events = text(&chunks(&body).0.concat());
    assert!(
        events.starts_with("retry: 1500\r\n: a comment\r\n\r\nid: 1\r\nevent: tick\r\ndata: event 1\r\n"),
        "{events}"
    );
    assert!(events.ends_with("data: not-a-real-one/1\r\n\r\n"), "{events}");
    let (_, body, _) = get(&upstream, "/lines?n=2&open=1", "");
    assert_eq!(text(&chunks(&body).0.concat()), "{\"echo\":null,\"line\":1}\n{\"echo\":null,\"line\":2}");
    let (_, body, _) = get(&upstream, "/trailers", AUTHORIZATION);
    let (_, trailers) = chunks(&body);
    assert!(trailers.starts_with("x-echo: not-a-real-one/1\r\nx-checksum: "), "{trailers}");
    let (head, body, _) = get(&upstream, "/bytes?n=1m", "");
    assert!(head.contains("content-length: 1048576\r\n"));
    assert_eq!(body.len(), 1 << 20);
    assert!(body.iter().enumerate().all(|(at, byte)| at % 251 == usize::from(*byte)));
}

#[test]
fn faults_are_what_they_say() {
    let upstream = start();
    let (head, body, end) = get(&upstream, "/drop?after=20", AUTHORIZATION);
    assert!(head.contains("content-length: 41\r\n"), "{head}");
    assert_eq!((text(&body).as_str(), end), ("not-a-real-one/1not-", End::Abrupt));
    assert_eq!(upstream.last().map(|request| request.outcome), Some(Outcome::BrokenOff));
    let (head, body, end) = get(&upstream, "/bad-length?declared=20&sent=10", "");
    assert!(head.contains("content-length: 20\r\n"));
    assert_eq!((body.len(), end), (10, End::Orderly));
    let (head, body, _) = get(&upstream, "/status/503?retry_after=2", AUTHORIZATION);
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && head.contains("retry-after: 2\r\n"), "{head}");
    assert!(text(&body).contains(CREDENTIAL));
    let (head, _, _) = get(&upstream, "/redirect?to=http://127.0.0.1:1/&status=307", "");
    assert!(head.starts_with("HTTP/1.1 307 ") && head.contains("location: http://127.0.0.1:1/\r\n"), "{head}");
    let (head, _, _) = get(&upstream, "/redirect/chain?n=3", "");
    assert!(head.contains("location: /redirect/chain?n=2&status=302\r\n"), "{head}");
    for wanted in ["503", "503", "200"] {
        let (head, _, _) = get(&upstream, "/flaky?name=a&fails=2", "");
        assert!(head.starts_with(&format!("HTTP/1.1 {wanted} ")), "{head}");
    }
    let (head, _, _) = get(&upstream, "/no-such", "");
    assert!(head.starts_with("HTTP/1.1 404 "));
}

#[test]
fn ranges_cut_the_echo() {
    let upstream = start();
    let (head, body, _) = get(&upstream, "/range", &format!("{AUTHORIZATION}Range: bytes=7-10\r\n"));
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("content-range: bytes 7-10/29\r\n"), "{head}");
    assert_eq!(text(&body), "not-");
    let (head, _, _) = get(&upstream, "/range", &format!("{AUTHORIZATION}Range: bytes=90-\r\n"));
    assert!(head.starts_with("HTTP/1.1 416 "), "{head}");
}

#[test]
fn the_right_value_is_proved_without_being_known() {
    let upstream = start();
    let hash = hex::encode(Sha256::digest(CREDENTIAL));
    for (place, headers) in [
        ("bearer", AUTHORIZATION.to_owned()),
        ("header:x-api-key", format!("X-Api-Key: {CREDENTIAL}\r\n")),
        ("cookie:key", format!("Cookie: a=b; key={CREDENTIAL}\r\n")),
    ] {
        let (head, _, _) = get(&upstream, &format!("/auth?sha256={hash}&in={place}"), &headers);
        assert!(head.starts_with("HTTP/1.1 200 "), "{place}: {head}");
        let (head, _, _) = get(&upstream, &format!("/auth?sha256={hash}&in={place}"), &headers.replace("/1", "/2"));
        assert!(head.starts_with("HTTP/1.1 401 "), "{place}: {head}");
    }
    let (head, _, _) = post(&upstream, &format!("/auth?sha256={hash}&in=form:k"), "", "a=1&k=not-a-real-one%2F1");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _, _) = get(&upstream, "/expect-auth?scheme=bearer", "");
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("www-authenticate: bearer"), "{head}");
    let (head, _, _) = get(&upstream, "/expect-auth?scheme=bearer", AUTHORIZATION);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[test]
fn uploads_are_hashed_in_chunks_and_multipart_is_read() {
    let upstream = start();
    let mut raw = Raw::open(&upstream);
    raw.send(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(raw.response(), "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    let answer = raw.response();
    assert!(answer.contains(&hex::encode(Sha256::digest("hello world"))), "{answer}");
    assert_eq!(upstream.last().map(|request| request.body), Some(b"hello world".to_vec()));

    let body = "--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--b1\r\nContent-Disposition: form-data; \
                name=\"f\"; filename=\"x.bin\"\r\nContent-Type: image/odd\r\n\r\nline\r\n\r\n--b\r\n--b1--\r\n";
    let (_, body, _) = post(&upstream, "/multipart", "Content-Type: multipart/form-data; boundary=b1\r\n", body);
    let parts: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(parts["parts"][0]["text"], "one");
    assert_eq!(parts["parts"][1]["filename"], "x.bin");
    assert_eq!(parts["parts"][1]["content_type"], "image/odd");
    assert_eq!(parts["parts"][1]["text"], "line\r\n\r\n--b");
    let exact = r#"{"n": 1.0e+2, "n": 12345678901234567890.10}"#;
    let (_, body, _) = post(&upstream, "/json-number", "Content-Type: application/json\r\n", exact);
    assert_eq!(text(&body), exact);
}

#[test]
fn a_client_that_goes_away_is_noticed() {
    let upstream = start();
    for target in ["/hang", "/stall?after=3"] {
        let mut raw = Raw::open(&upstream);
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let path = target.split('?').next().expect("a path");
        let limit = Duration::from_secs(10);
        let running = upstream.wait_for(limit, |it| it.path() == path && it.outcome == Outcome::Running);
        assert!(running.is_some(), "{target}");
        assert_eq!(upstream.state().client_closed, u64::from(target != "/hang"));
        drop(raw);
        let closed = upstream.wait_for(limit, |it| it.path() == path && it.outcome == Outcome::ClientClosed);
        assert!(closed.is_some(), "{target}");
    }
}

#[test]
fn certificates_are_valid_or_not_as_asked() {
    let authority = Authority::make().expect("an authority");
    for (certificate, why) in [
        (Certificate::Expired, "certificate expired"),
        (Certificate::WrongName, "not valid for name"),
        (Certificate::UnknownAuthority, "UnknownIssuer"),
    ] {
        let options = Options::new().authority(&authority).certificate(certificate);
        let upstream = Upstream::start(&options).expect("an upstream");
        let refused = client::handshake(&upstream).expect_err("a refusal");
        assert!(refused.contains(why), "{refused}");
        assert_eq!(upstream.received().len(), 0);
    }
    let upstream = Upstream::start(&Options::new().authority(&authority)).expect("an upstream");
    assert_eq!(upstream.ca_pem(), authority.pem());
    assert!(get(&upstream, "/echo", "").0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_cleartext_port_answers_too() {
    use std::io::Write;
    let upstream = Upstream::start(&Options::new().cleartext(true)).expect("an upstream");
    let port = upstream.http_port().expect("a port");
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a listener");
    socket.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(upstream.last().map(|request| request.tls), Some(false));
}

#[test]
fn the_demonstration_asks_for_credentials() {
    let upstream = Upstream::start(&Options::new().api(Api::Demo)).expect("an upstream");
    assert!(get(&upstream, "/v1/account", "").0.starts_with("HTTP/1.1 401 "));
    let (_, body, _) = get(&upstream, "/v1/account", AUTHORIZATION);
    let account: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(account["fingerprint"], hex::encode(&Sha256::digest(CREDENTIAL)[..6]));
    let (head, _, _) = post(&upstream, "/v1/charges", AUTHORIZATION, r#"{"amount": 5}"#);
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    assert!(text(&get(&upstream, "/v1/echo", AUTHORIZATION).1).contains(CREDENTIAL));
    assert!(get(&upstream, "/echo", AUTHORIZATION).0.starts_with("HTTP/1.1 404 "));
}
