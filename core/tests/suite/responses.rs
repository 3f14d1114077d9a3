//! Responses: limits, streams, codings, trailers, and answers without a body.

use agentsecrets::ErrorCode;
use agentsecrets_upstream::Upstream;
use http::Method;

use crate::kit::{mark, refused, seen, shared};

#[tokio::test]
async fn a_response_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for query in ["n=300k", "n=300k&chunked=1"] {
                let get = || client.get(&upstream.url(&format!("/bytes?{query}"))).bearer("KEY");
                let whole = get().max_response(300 << 10).send_buffered().await.expect("as long as the limit");
                assert_eq!(whole.content.len(), 300 << 10);
                let error = refused(
                    get().max_response((300 << 10) - 1).send_buffered().await,
                    ErrorCode::ResponseTooLarge,
                    &[],
                );
                assert!(error.hint().is_some());
                let streamed = get().max_response(1000).send().await.expect("a stream has no limit of its own");
                refused(streamed.buffered().await, ErrorCode::ResponseTooLarge, &[]);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_gives_its_pieces_before_its_end() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mut answer =
                client.get(&upstream.url("/sse?events=3&hold=1&echo=1")).bearer("KEY").send().await.expect("headers");
            let mut text = Vec::new();
            while !String::from_utf8_lossy(&text).contains("event 3\ndata: second line\ndata: [REDACTED:KEY]\n") {
                text.extend(answer.chunk().await.expect("a piece").expect("no end: the server holds it open"));
            }
            assert!(!String::from_utf8_lossy(&text).contains(&shared.key));
        }
    }
}

#[tokio::test]
async fn a_long_download_is_byte_for_byte_the_same() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for query in ["n=3m", "n=3m&chunked=1", "n=3m&close=1"] {
                let mut answer =
                    client.get(&upstream.url(&format!("/bytes?{query}"))).bearer("KEY").send().await.expect("headers");
                let mut at = 0_usize;
                while let Some(chunk) = answer.chunk().await.expect("a piece") {
                    assert!(chunk.iter().enumerate().all(|(i, byte)| usize::from(*byte) == (at + i) % 251));
                    at += chunk.len();
                }
                assert_eq!(at, 3 << 20);
            }
        }
    }
}

#[tokio::test]
async fn every_known_coding_is_decoded_and_searched() {
    let shared = shared();
    let known = ["gzip", "x-gzip", "deflate", "deflate-raw", "br", "zstd", "identity", "upper", "members"];
    let stacked = ["stacked?codings=gzip,br&", "stacked?codings=zstd,deflate&", "stacked-headers?codings=br,gzip&"];
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for kind in known.iter().map(|kind| format!("{kind}?")).chain(stacked.map(String::from)) {
                let url = upstream.url(&format!("/compress/{kind}pad=5000"));
                let answer = client
                    .get(&url)
                    .bearer("KEY")
                    .send_buffered()
                    .await
                    .unwrap_or_else(|why| panic!("{kind}: {why:?}"));
                let text = answer.text();
                assert!(text.contains("[REDACTED:KEY]"), "{kind}: {}", &text[..text.len().min(200)]);
                assert!(!text.contains(&shared.key), "{kind}");
                let coding = answer.headers.get("content-encoding");
                assert!(coding.is_none_or(|coding| coding == "identity"), "{kind}");
                if let Some(length) = answer.headers.get("content-length") {
                    assert_eq!(length.to_str().expect("digits"), answer.content.len().to_string(), "{kind}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_withheld() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for kind in [
                "unknown?",
                "broken?coding=gzip",
                "broken?coding=br",
                "broken?coding=zstd",
                "truncated?coding=gzip",
                "truncated?coding=zstd",
                "bomb?n=24m&layers=1",
                "bomb?n=24m&layers=2",
            ] {
                let url = upstream.url(&format!("/compress/{kind}"));
                let answered = client.get(&url).bearer("KEY").send_buffered().await;
                assert!(answered.is_err(), "{kind} passed");
                let error = refused(answered, ErrorCode::UndecodableResponse, &[&shared.key]);
                assert_eq!(error.stage(), agentsecrets::Stage::Redact, "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn reasons_and_trailers_come_redacted() {
    let shared = shared();
    for client in shared.clients().await {
        let answer =
            client.get(&shared.http1.url("/reason?text=Because")).bearer("KEY").send_buffered().await.expect("sent");
        assert!(answer.reason.contains("[REDACTED:KEY]") && !answer.reason.contains(&shared.key), "{}", answer.reason);
        assert_eq!(answer.redacted.len(), 1);
        for upstream in shared.upstreams() {
            let answer = client.get(&upstream.url("/trailers")).bearer("KEY").send_buffered().await.expect("sent");
            let trailers: Vec<_> =
                answer.trailers.values().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            assert!(trailers.iter().any(|value| value.contains("[REDACTED:KEY]")), "{trailers:?}");
            assert!(!format!("{trailers:?}").contains(&shared.key));
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_end_at_once_and_are_recorded_as_answered() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for (method, path) in
                [(Method::HEAD, "/bytes?n=100"), (Method::GET, "/status/204"), (Method::GET, "/status/304")]
            {
                for streamed in [false, true] {
                    let path = format!("{path}{}m={}", if path.contains('?') { '&' } else { '?' }, mark());
                    let before = shared.home.records().len();
                    let call = client.request(method.clone(), &upstream.url(&path)).bearer("KEY");
                    if streamed {
                        // Whoever looks at the status alone has cancelled nothing.
                        drop(call.send().await.unwrap_or_else(|why| panic!("{method} {path}: {why:?}")));
                    } else {
                        let answer =
                            call.send_buffered().await.unwrap_or_else(|why| panic!("{method} {path}: {why:?}"));
                        assert!(answer.content.is_empty());
                        if method == Method::HEAD {
                            assert_eq!(answer.headers["content-length"], "100");
                        }
                    }
                    let level = client.isolation().as_str();
                    let ended = shared
                        .home
                        .wait_for_record(|record| {
                            shared.home.records().iter().skip(before).any(|one| one.id == record.id)
                                && record.method.as_deref() == Some(method.as_str())
                                && record
                                    .origin
                                    .as_deref()
                                    .is_some_and(|origin| origin.ends_with(&upstream.port().to_string()))
                                && record.isolation.as_str() == level
                                && record.outcome.is_some()
                        })
                        .await;
                    assert_eq!(
                        ended.outcome,
                        Some(agentsecrets::logs::Outcome::Ok),
                        "{method} {path} streamed {streamed}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn many_headers_come_through() {
    let shared = shared();
    for client in shared.clients().await {
        let answer =
            client.get(&shared.http2.url("/headers?n=180&size=20")).bearer("KEY").send_buffered().await.expect("sent");
        let many = answer.headers.keys().filter(|name| name.as_str().starts_with("x-many-")).count();
        assert_eq!(many, 180, "{:?}", client.isolation());
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mut used = Vec::new();
            for _ in 0..5 {
                let mark = mark();
                client
                    .get(&upstream.url(&format!("/echo?m={mark}")))
                    .bearer("KEY")
                    .send_buffered()
                    .await
                    .expect("sent");
                used.push(seen(upstream, &mark, |_| true).await.connection);
            }
            // Other tests use the same pool meanwhile, so it is not always one connection, but never five.
            used.sort_unstable();
            used.dedup();
            assert!(used.len() < 5, "{:?} opened {used:?}", client.isolation());
        }
    }
}

#[tokio::test]
async fn a_broken_answer_is_an_error_and_never_a_short_success() {
    async fn short(client: &agentsecrets::Client, upstream: &Upstream, path: &str) {
        let answered = client.get(&upstream.url(path)).bearer("KEY").send_buffered().await;
        refused(answered, ErrorCode::UpstreamUnreachable, &[&shared().key]);
    }
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            short(&client, upstream, "/drop?after=1000").await;
            short(&client, upstream, "/drop?after=300000").await;
            short(&client, upstream, "/drop?after=100&chunked=1").await;
        }
        short(&client, &shared.http1, "/bad-length?declared=20&sent=10").await;
    }
}
