//! Placeholders: each counts in the place its grant names, once, and is a text everywhere else.

use agentsecrets::{Body, Client, ErrorCode, SecretRef};
use agentsecrets_upstream::{Received, Upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;

use crate::kit::{Home, LEVELS, canary, contains, mark, refused, seen, shared, upstreams};

const KEY: &str = "AS_SECRET_KEY";

/// What the upstream saw of a call with this body and these headers.
async fn sent(client: &Client, upstream: &Upstream, headers: &[(&str, &str)], body: Body) -> Received {
    let mark = mark();
    let mut call = client.post(&upstream.url(&format!("/echo?m={mark}"))).body(body).placeholders(true);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let answer = call.send_buffered().await.expect("sent");
    assert!(!contains(&answer.content, shared().key.as_bytes()), "the echo is redacted");
    seen(upstream, &mark, |_| true).await
}

fn text(got: &Received, header: &str) -> String {
    String::from_utf8_lossy(got.header(header).unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn a_header_and_a_query_parameter_are_replaced_where_they_stand() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let got = sent(&client, upstream, &[("authorization", &format!("Bearer {KEY}"))], Body::Empty).await;
            assert_eq!(text(&got, "authorization"), format!("Bearer {}", shared.key));
            let like = SecretRef::new("KEY").and_then(|key| key.placeholder_like("sk-")).expect("a beginning");
            let got = sent(&client, upstream, &[("authorization", &format!("Bearer {like}"))], Body::Empty).await;
            assert_eq!(text(&got, "authorization"), format!("Bearer {}", shared.key));
            let credentials = format!("Basic {}", STANDARD.encode(format!("x-access-token:{KEY}")));
            let got = sent(&client, upstream, &[("authorization", &credentials)], Body::Empty).await;
            let wanted = STANDARD.encode(format!("x-access-token:{}", shared.key));
            assert_eq!(text(&got, "authorization"), format!("Basic {wanted}"));
            let mark = mark();
            let url = upstream.url(&format!("/echo?key={KEY}&m={mark}"));
            client.get(&url).placeholders(true).send_buffered().await.expect("sent");
            let got = seen(upstream, &mark, |_| true).await;
            assert!(got.target.starts_with(&format!("/echo?m={mark}&key=")), "{}", got.target.len());
            assert!(!got.target.contains(KEY));
        }
    }
}

#[tokio::test]
async fn a_body_field_counts_only_where_it_is_granted() {
    let shared = shared();
    let json = format!("{{\"message\":\"{KEY}\",\"auth\":{{\"token\":\"{KEY}\"}}}}");
    let form = format!("message={KEY}&token={KEY}&message2={KEY}");
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for streamed in [false, true] {
                let body = |text: &str| {
                    let (first, rest) = text.split_at(10);
                    let pieces = [first, rest].map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes())));
                    if streamed { Body::stream(stream::iter(pieces)) } else { Body::from(text.to_owned()) }
                };
                let headers = [("content-type", "application/json; charset=utf-8")];
                let got = sent(&client, upstream, &headers, body(&json)).await;
                let said: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
                assert_eq!((said["message"].as_str(), said["auth"]["token"].as_str()), (Some(KEY), Some(&*shared.key)));
                let headers = [("content-type", "application/x-www-form-urlencoded")];
                let got = sent(&client, upstream, &headers, body(&form)).await;
                let pairs: Vec<_> = url::form_urlencoded::parse(&got.body).into_owned().collect();
                let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                assert_eq!(pairs, [own("message", KEY), own("message2", KEY), own("token", &shared.key)]);
            }
        }
    }
}

#[tokio::test]
async fn elsewhere_in_a_body_it_is_a_text_and_elsewhere_in_a_header_it_is_refused() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let headers = [("authorization", format!("Bearer {KEY}")), ("content-type", "text/plain".to_owned())];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let got = sent(&client, upstream, &headers, Body::from(format!("read me {KEY}"))).await;
            assert_eq!(got.body, format!("read me {KEY}").as_bytes());
            let call = client.get(&upstream.url("/echo")).header("x-other", KEY).placeholders(true);
            refused(call.send_buffered().await, ErrorCode::SlotNotAllowed, &[&shared.key]);
            let elsewhere = client.get("https://elsewhere.example/").header("x-api-key", KEY).placeholders(true);
            refused(elsewhere.send_buffered().await, ErrorCode::DestinationNotAllowed, &[&shared.key]);
            let unknown =
                client.get(&upstream.url("/echo")).header("x-api-key", "AS_SECRET_NO_SUCH").placeholders(true);
            refused(unknown.send_buffered().await, ErrorCode::SecretNotFound, &[&shared.key]);
            let none = client.get(&upstream.url("/echo")).placeholders(true);
            refused(none.send_buffered().await, ErrorCode::NothingToInject, &[&shared.key]);
        }
    }
}

/// Positive control of the others: a call that does not ask for it sends the text.
#[tokio::test]
async fn a_call_that_does_not_ask_sends_the_text() {
    let shared = shared();
    for client in shared.clients().await {
        let mark = mark();
        let url = shared.http1.url(&format!("/echo?m={mark}"));
        client.get(&url).bearer("KEY").header("x-other", KEY).send_buffered().await.expect("sent");
        assert_eq!(text(&seen(&shared.http1, &mark, |_| true).await, "x-other"), KEY);
    }
}

/// A body that is read to look for placeholders is read for nobody whose token does not count, and what goes wrong while it is
/// read is on record.
#[tokio::test]
async fn what_fails_before_the_gate_is_on_record() {
    let (upstream, _) = upstreams();
    let home = Home::new();
    home.trust(&upstream);
    home.set("KEY", canary().as_bytes());
    home.allow("KEY", &[&upstream.url("/echo"), "--slot", "body:auth.token"]);
    for level in LEVELS {
        let client = home.client(level).await;
        let before = home.records().len();
        let stranger = client.for_agent("as_agent_nobody");
        let endless = Body::stream(stream::pending::<std::io::Result<Bytes>>());
        let call = stranger.post(&upstream.url("/echo")).header("content-type", "application/json").placeholders(true);
        refused(call.body(endless).send_buffered().await, ErrorCode::AgentTokenInvalid, &[]);
        let reasons: Vec<_> = home.records().split_off(before).into_iter().map(|one| one.reason).collect();
        assert_eq!(reasons, [Some("agent_token_invalid".to_owned())], "{level:?}");
    }
    let (client, before) = (home.client(LEVELS[0]).await, home.records().len());
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("broke off"))]);
    let post = client.post(&upstream.url("/echo")).header("content-type", "application/json").placeholders(true);
    refused(post.body(Body::stream(broken)).send_buffered().await, ErrorCode::InvalidCall, &[]);
    assert_eq!(home.records().split_off(before)[0].reason.as_deref(), Some("invalid_call"));
}
