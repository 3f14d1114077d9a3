//! Time, retries, redirects and cancellation.

use std::time::{Duration, Instant};

use agentsecrets::{Body, Client, ErrorCode};
use agentsecrets_upstream::{Outcome, Upstream};
use bytes::Bytes;
use futures_util::stream;

use crate::kit::{PATIENCE, mark, refused, seen, shared, upstreams};

fn tries(upstream: &Upstream, mark: &str) -> usize {
    upstream.received().iter().filter(|one| one.target.contains(mark)).count()
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_wherever_it_waits() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for path in ["/hang", "/stall?after=2000", "/stall?after=0"] {
                let mark = mark();
                let url = upstream.url(&format!("{path}{}m={mark}", if path.contains('?') { '&' } else { '?' }));
                let limit = Duration::from_millis(300);
                let answered = client.get(&url).bearer("KEY").timeout(limit).send_buffered().await;
                let error = refused(answered, ErrorCode::Timeout, &[&shared.key]);
                assert!(error.retryable() && error.hint().is_some());
                // The deadline reaches the socket.
                seen(upstream, &mark, |one| one.outcome == Outcome::ClientClosed).await;
            }
        }
    }
}

#[tokio::test]
async fn the_clients_default_deadline_holds_and_a_calls_own_goes_first() {
    let shared = shared();
    for level in crate::kit::LEVELS {
        let builder = Client::builder().home(shared.home.root()).isolation(level).timeout(Duration::from_millis(300));
        let client = builder.open().await.expect("a client");
        refused(client.get(&shared.http1.url("/hang")).bearer("KEY").send().await, ErrorCode::Timeout, &[]);
        let slow = client.get(&shared.http1.url("/slow?ms=600")).bearer("KEY").timeout(PATIENCE);
        assert_eq!(slow.send_buffered().await.expect("in time").status.as_u16(), 200);
        let endless = client.get(&shared.http1.url("/echo")).bearer("KEY").timeout(Duration::MAX);
        assert_eq!(endless.send_buffered().await.expect("no overflow").status.as_u16(), 200);
    }
}

#[tokio::test]
async fn retries_are_bounded_off_by_default_and_for_idempotent_methods_only() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let flaky = |mark: &str, fails| upstream.url(&format!("/flaky?name={mark}&fails={fails}&retry_after=0"));
            let once = mark();
            let answer = client.get(&flaky(&once, 1)).bearer("KEY").send_buffered().await.expect("an answer");
            assert_eq!((answer.status.as_u16(), tries(upstream, &once)), (503, 1));
            let twice = mark();
            let answer =
                client.get(&flaky(&twice, 2)).bearer("KEY").retries(2).send_buffered().await.expect("an answer");
            assert_eq!((answer.status.as_u16(), tries(upstream, &twice)), (200, 3));
            let never = mark();
            let answer =
                client.get(&flaky(&never, 9)).bearer("KEY").retries(2).send_buffered().await.expect("an answer");
            assert_eq!((answer.status.as_u16(), tries(upstream, &never)), (503, 3));
            let posted = mark();
            let post = client.post(&flaky(&posted, 1)).bearer("KEY").body("x").retries(5);
            assert_eq!((post.send_buffered().await.expect("sent").status.as_u16(), tries(upstream, &posted)), (503, 1));
            let put = mark();
            let call = client.put(&flaky(&put, 1)).body("the whole body").bearer("KEY").retries(1);
            assert_eq!(call.send_buffered().await.expect("sent").status.as_u16(), 200);
            let bodies: Vec<_> = upstream.received().into_iter().filter(|one| one.target.contains(&put)).collect();
            assert!(bodies.len() == 2 && bodies.iter().all(|one| one.body == b"the whole body"));
            // A hundred refusals that ask for no pause: the pause grows no further than a clock can tell.
            let many = mark();
            let call = client.get(&flaky(&many, 255)).bearer("KEY").retries(100).send_buffered().await.expect("sent");
            assert_eq!((call.status.as_u16(), tries(upstream, &many)), (503, 101));
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_for_idempotent_methods() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let url = upstream.url(&format!("/flaky?name={mark}&fails=1&status=0"));
            let answer = client.get(&url).bearer("KEY").retries(1).send_buffered().await;
            // Broken off in the middle of a body it cannot be taken back; before the head it is tried again.
            let seen = tries(upstream, &mark);
            assert!(matches!((&answer, seen), (Ok(_), 2) | (Err(_), 1 | 2)), "{answer:?} after {seen}");
        }
    }
}

#[tokio::test]
async fn cancellation_reaches_the_socket_before_and_within_the_answer() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let waiting = mark();
            let call = client.get(&upstream.url(&format!("/hang?m={waiting}"))).bearer("KEY").send_buffered();
            let task = tokio::spawn(call);
            seen(upstream, &waiting, |one| one.outcome == Outcome::Running).await;
            task.abort();
            seen(upstream, &waiting, |one| one.outcome == Outcome::ClientClosed).await;

            let midway = mark();
            let url = upstream.url(&format!("/stall?after=100000&m={midway}"));
            let mut answer = client.get(&url).bearer("KEY").send().await.expect("headers");
            assert!(answer.chunk().await.expect("a piece").is_some());
            drop(answer);
            seen(upstream, &midway, |one| one.outcome == Outcome::ClientClosed).await;

            let uploading = mark();
            let endless = stream::once(async { Ok(Bytes::from_static(b"begun")) });
            let body = Body::stream(futures_util::StreamExt::chain(endless, stream::pending()));
            let call = client.post(&upstream.url(&format!("/upload?m={uploading}"))).bearer("KEY").body(body);
            let task = tokio::spawn(call.send_buffered());
            seen(upstream, &uploading, |one| one.body == b"begun").await;
            task.abort();
            seen(upstream, &uploading, |one| one.outcome == Outcome::ClientClosed).await;
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_bodys_end_leaves_the_client_usable() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let begun = stream::once(async { Ok(Bytes::from(vec![b'x'; 1000])) });
            let body = Body::stream(futures_util::StreamExt::chain(begun, stream::pending()));
            let early = client.post(&upstream.url("/early?status=413")).bearer("KEY").body(body).send_buffered();
            let answer = tokio::time::timeout(PATIENCE, early).await.expect("no hang");
            assert!(answer.is_ok_and(|answer| answer.status.as_u16() == 413));
            let next = client.get(&upstream.url("/echo")).bearer("KEY").send_buffered();
            let next = tokio::time::timeout(PATIENCE, next).await.expect("the pool gave out a connection still in use");
            assert_eq!(next.expect("sent").status.as_u16(), 200);
        }
    }
}

#[tokio::test]
async fn same_origin_redirects_are_followed_ten_times_and_recorded_as_answered() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let before = shared.home.records().len();
            let answer =
                client.get(&upstream.url("/redirect/chain?n=10")).bearer("KEY").send_buffered().await.expect("sent");
            assert_eq!((answer.status.as_u16(), answer.url.path()), (200, "/redirect/chain"));
            let answer =
                client.get(&upstream.url("/redirect/chain?n=11")).bearer("KEY").send_buffered().await.expect("sent");
            assert_eq!(answer.status.as_u16(), 302, "the eleventh is handed over");
            let hops = shared.home.records();
            let hops = hops
                .iter()
                .skip(before)
                .filter(|one| one.status == Some(302) && one.isolation.as_str() == client.isolation().as_str());
            assert!(hops.clone().count() >= 10);
            assert!(hops.into_iter().all(|one| one.outcome == Some(agentsecrets::logs::Outcome::Ok)));
        }
    }
}

#[tokio::test]
async fn a_redirect_is_the_answer_where_the_caller_wants_it() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let reference = agentsecrets::SecretRef::new("KEY").expect("a name");
            let call = client.get(&upstream.url("/redirect/chain?n=1")).bearer(reference).redirects(false);
            let answer = call.send_buffered().await.expect("sent");
            assert_eq!(answer.status.as_u16(), 302);
            assert_eq!(answer.headers["location"], "/redirect/chain?n=0&status=302");
        }
    }
}

#[tokio::test]
async fn redirects_keep_or_drop_method_and_body_as_the_rfc_says() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for (status, method, body) in
                [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "kept"), (308, "POST", "kept")]
            {
                let mark = mark();
                let url = upstream.url(&format!("/redirect?status={status}&to=/echo%3Fm={mark}"));
                let answer = client.post(&url).bearer("KEY").body("kept").send_buffered().await.expect("sent");
                assert_eq!(answer.status.as_u16(), 200, "{status} {:?}", client.isolation());
                let got = seen(upstream, &format!("/echo?m={mark}"), |_| true).await;
                assert_eq!((got.method.as_str(), got.body.as_slice()), (method, body.as_bytes()), "{status}");
                assert!(got.header("authorization").is_some(), "injected again");
            }
        }
    }
}

#[tokio::test]
async fn nothing_injected_crosses_an_origin() {
    let shared = shared();
    let (elsewhere, _) = upstreams();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for target in [elsewhere.url("/echo"), elsewhere.http_url("/echo"), shared.http1.http_url("/echo")] {
                let url = format!("{}?to={}", upstream.url("/redirect"), url_escape(&target));
                let answer = client.get(&url).secret_header("X-Api-Key", "KEY").send_buffered().await.expect("the 3xx");
                assert_eq!(answer.status.as_u16(), 302);
                assert_eq!(answer.headers["location"], target.as_str(), "the caller may look at where it leads");
            }
        }
    }
    assert!(elsewhere.received().is_empty());
    // The control: the same header goes to a granted origin.
    let mark = mark();
    let client = &shared.clients().await[0];
    client
        .get(&shared.http1.url(&format!("/echo?m={mark}")))
        .secret_header("X-Api-Key", "KEY")
        .send()
        .await
        .expect("sent");
    assert_eq!(seen(&shared.http1, &mark, |_| true).await.header("x-api-key"), Some(shared.key.as_bytes()));
}

#[tokio::test]
async fn a_redirect_that_carries_the_value_away_is_returned_without_it() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let url = upstream.url(&format!("/redirect?leak=1&to=/echo%3Fm={mark}"));
            let answer = client.get(&url).bearer("KEY").send_buffered().await.expect("the 3xx");
            assert_eq!(answer.status.as_u16(), 302);
            assert!(!format!("{:?}", answer.headers).contains(&shared.key));
            assert_eq!(tries(upstream, &format!("/echo?m={mark}")), 0);
        }
    }
}

fn url_escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn fifty_calls_at_once_get_their_own_answers() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let calls = (0..50).map(|at| {
                let (client, url) = (client.clone(), upstream.url(&format!("/echo/raw?n={at}")));
                tokio::spawn(async move {
                    let body = format!("{at} ").repeat(200 * (1 + at % 7));
                    let answer =
                        client.post(&url).bearer("KEY").body(body.clone()).send_buffered().await.expect("sent");
                    assert!(answer.text() == body, "another call's answer");
                })
            });
            let started = Instant::now();
            for call in calls.collect::<Vec<_>>() {
                call.await.expect("its own answer");
            }
            assert!(started.elapsed() < PATIENCE);
        }
    }
}
