//! Request bodies: what was given is what arrives.

use agentsecrets::{Body, ErrorCode, Multipart, Part};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use crate::kit::{contains, mark, refused, seen, shared};

fn pieces(parts: &'static [&'static str]) -> Body {
    Body::stream(stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes())))))
}

#[tokio::test]
async fn bytes_json_and_forms_arrive_as_they_were_given() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let call = || client.post(&upstream.url(&format!("/echo?m={mark}"))).bearer("KEY");
            let all: Vec<u8> = (0..=255).collect();
            call().body(all.clone()).send_buffered().await.expect("bytes");
            assert_eq!(seen(upstream, &mark, |_| true).await.body, all);
            call().json(&json!({"b": 1.50, "a": "é"})).send_buffered().await.expect("json");
            let got = seen(upstream, &mark, |one| one.header("content-type") == Some(b"application/json")).await;
            assert_eq!(
                serde_json::from_slice::<serde_json::Value>(&got.body).expect("json"),
                json!({"b": 1.5, "a": "é"})
            );
            call().form([("a b", "1&2"), ("é", "=")]).send_buffered().await.expect("form");
            let form = b"application/x-www-form-urlencoded";
            let got = seen(upstream, &mark, |one| one.header("content-type") == Some(form)).await;
            assert_eq!(got.body, b"a+b=1%262&%C3%A9=%3D");
        }
    }
}

#[tokio::test]
async fn multipart_carries_files_streams_and_an_injected_field() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for streamed in [false, true] {
                let mark = mark();
                let file = if streamed { pieces(&["first,", "second"]) } else { Body::from("first,second") };
                let form = Multipart::new()
                    .part(Part::new("amount", "10"))
                    .part(Part::new("file", file).file_name("a \"b\".csv").content_type("text/csv"));
                let call = client.post(&upstream.url(&format!("/multipart?m={mark}"))).multipart(form);
                let answer = call.form_field("token", "KEY").send_buffered().await.expect("sent");
                let got = seen(upstream, &mark, |one| one.body_sha256.is_some()).await;
                assert!(contains(&got.body, shared.key.as_bytes()), "the value is in the body");
                let parts: serde_json::Value = answer.json().expect("parts");
                let text = parts.to_string();
                for wanted in ["amount", "first,second", "text/csv", "a %22b%22.csv", "[REDACTED:KEY]"] {
                    assert!(text.contains(wanted), "{wanted} is not in {text}");
                }
                assert!(!text.contains(&shared.key));
            }
        }
    }
}

#[tokio::test]
async fn a_stream_is_sent_as_it_comes() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let call = client.post(&upstream.url(&format!("/upload?m={mark}"))).bearer("KEY");
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<std::io::Result<Bytes>>();
            let body = Body::stream(stream::unfold(receiver, |mut from| async { Some((from.recv().await?, from)) }));
            let sending = tokio::spawn(call.body(body).send_buffered());
            sender.send(Ok(Bytes::from_static(b"early"))).expect("open");
            // The first piece is there while the second has not been made.
            seen(upstream, &mark, |one| one.body == b"early").await;
            sender.send(Ok(Bytes::from_static(b" late"))).expect("open");
            drop(sender);
            assert_eq!(sending.await.expect("no panic").expect("sent").status.as_u16(), 200);
            assert_eq!(seen(upstream, &mark, |one| one.body_sha256.is_some()).await.body, b"early late");
        }
    }
}

#[tokio::test]
async fn a_stream_that_fails_is_never_a_complete_request() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("no more"))]);
            let call = client.post(&upstream.url(&format!("/upload?m={mark}"))).bearer("KEY");
            call.body(Body::stream(broken)).send_buffered().await.expect_err("the body failed");
            let arrived = upstream.received().into_iter().find(|one| one.target.contains(&mark));
            assert!(arrived.is_none_or(|one| one.body_sha256.is_none()), "the upstream took half a body for a whole");
        }
    }
}

#[tokio::test]
async fn a_refused_upload_is_told_why_while_it_is_still_sent() {
    let shared = shared();
    for client in shared.clients().await {
        for _ in 0..8 {
            let piece = Bytes::from(vec![7; 64 << 10]);
            let body = Body::stream(stream::iter((0..128).map(move |_| Ok(piece.clone()))));
            let call = client.post("https://ungranted.example/").bearer("KEY").body(body);
            refused(call.send_buffered().await, ErrorCode::DestinationNotAllowed, &[&shared.key]);
        }
    }
}

/// Neither the broker nor the upstream failed, and trying again would not help.
#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_own_failure() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let pieces = [Ok(Bytes::from_static(b"begun")), Err(std::io::Error::other("the disk is gone"))];
            let body = Body::stream(stream::iter(pieces));
            let call = client.post(&upstream.url("/echo")).bearer("KEY").body(body);
            let why = refused(call.send_buffered().await, ErrorCode::InvalidCall, &[&shared.key]);
            assert!(!why.retryable() && why.to_string().contains("broke off"), "{why}");
        }
    }
}
