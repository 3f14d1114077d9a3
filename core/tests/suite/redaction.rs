//! The value does not come back, whoever injected it and whatever became of it on the way.

use agentsecrets::{Client, ErrorCode};
use agentsecrets_upstream::Upstream;

use crate::kit::{Home, LEVELS, canary, contains, mark, refused, shared, upstreams};

async fn text(client: &Client, upstream: &Upstream, path: &str) -> (String, Vec<String>) {
    let answer = client
        .get(&upstream.url(path))
        .bearer("KEY")
        .send_buffered()
        .await
        .unwrap_or_else(|why| panic!("{path}: {why:?}"));
    let headers = format!("{:?} {} {:?}", answer.headers, answer.reason, answer.trailers);
    (format!("{headers} {}", answer.text()), answer.redacted.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn every_form_of_an_echo_is_taken_out() {
    let shared = shared();
    let forms = [
        "raw",
        "base64",
        "base64-nopad",
        "base64url",
        "base64url-nopad",
        "base64-wrapped",
        "base64-wrapped-64",
        "base64-after-1",
        "base64-after-2",
        "hex",
        "hex-upper",
        "percent",
        "percent-lower",
        "percent-minimal",
        "json",
        "json-minimal",
        "html",
        "html-decimal",
        "html-minimal",
        "mixed",
        "percent,percent",
        "json,percent",
    ];
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for form in forms {
                let control = upstream.url(&format!("/echo/encoded?as={form}&prefix=%0Afrom:&suffix=:to%0A"));
                let (said, names) =
                    text(&client, upstream, control.strip_prefix(&upstream.base_url()).expect("a path")).await;
                assert_eq!(names, ["KEY"], "{form}: {said}");
                assert!(said.contains("from:") && said.contains("[REDACTED:KEY]"), "{form}: {said}");
                assert!(!said.contains(&shared.key), "{form}");
            }
            // The control: what is no form of it is left alone, so the test would see a form that came through.
            let (said, names) = text(&client, upstream, "/echo/encoded?as=reversed&prefix=%0A&suffix=%0A").await;
            assert!(names.is_empty() && said.contains(&shared.key.chars().rev().collect::<String>()));
        }
    }
}

#[tokio::test]
async fn a_value_stored_with_one_key_is_not_read_back_with_another() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let slot = mark();
            let plant = upstream.url(&format!("/plant?name={slot}"));
            client.post(&plant).bearer("OTHER").send_buffered().await.expect("planted");
            let url = upstream.url(&format!("/echo/encoded?in=planted:{slot}"));
            let answer = client.get(&url).bearer("KEY").send_buffered().await.expect("sent");
            assert_eq!(answer.text(), "[REDACTED:OTHER]");
            assert_eq!(answer.redacted, [crate::kit::name("OTHER")]);
        }
    }
}

#[tokio::test]
async fn a_value_is_searched_for_after_its_grant_is_gone() {
    let (upstream, _) = upstreams();
    for level in LEVELS {
        let home = Home::new();
        home.trust(&upstream);
        let (first, second) = (canary(), canary());
        home.set("FIRST", first.as_bytes());
        home.set("SECOND", second.as_bytes());
        home.allow("FIRST", &[&upstream.base_url()]);
        home.allow("SECOND", &[&upstream.base_url()]);
        let client = home.client(level).await;
        let slot = mark();
        client
            .post(&upstream.url(&format!("/plant?name={slot}")))
            .bearer("FIRST")
            .send_buffered()
            .await
            .expect("planted");
        client.deny(crate::kit::name("FIRST"), Vec::new()).await.expect("denied");
        let url = upstream.url(&format!("/echo/encoded?in=planted:{slot}"));
        let answer = client.get(&url).bearer("SECOND").send_buffered().await.expect("sent");
        assert!(!answer.text().contains(&first), "{level:?}: injected in this engine's life, so still known");
    }
}

#[tokio::test]
async fn a_callers_accept_encoding_is_not_forwarded_and_its_range_is_refused() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            let mark = mark();
            let url = upstream.url(&format!("/range?m={mark}"));
            let plain =
                client.get(&url).bearer("KEY").header("Accept-Encoding", "x-secret-coding").header("TE", "trailers");
            assert!(plain.send_buffered().await.expect("sent").text().contains("[REDACTED:KEY]"));
            let got = crate::kit::seen(upstream, &mark, |_| true).await;
            assert_eq!(got.header("accept-encoding"), Some(&b"gzip, deflate, br, zstd"[..]));
            for header in ["Range", "If-Range", "X-HTTP-Method-Override", "X_HTTP_Method_Override", "Upgrade"] {
                let call = client.get(&url).bearer("KEY").header(header, "bytes=0-20");
                refused(call.send_buffered().await, ErrorCode::HeaderNotAllowed, &[&shared.key]);
            }
            let call = client.get(&url).bearer("KEY").header("Authorization", "Bearer mine");
            refused(call.send_buffered().await, ErrorCode::HeaderNotAllowed, &[]);
            let call = client.get(&url).bearer("KEY").header("Authorization", "Bearer AS_SECRET_KEY");
            assert!(call.send_buffered().await.is_ok(), "a placeholder is no caller's value");
            let call = client.get(&url).bearer("KEY").header("Authorization", "Bearer AS_SECRET_OTHER");
            refused(call.send_buffered().await, ErrorCode::HeaderNotAllowed, &[]);
        }
    }
}

#[tokio::test]
async fn an_error_page_cookie_and_header_are_searched_too() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            for path in ["/status/500", "/set-cookie?name=a", "/echo/header", "/echo/encoded?header=1", "/echo"] {
                let (said, names) = text(&client, upstream, path).await;
                assert_eq!(names, ["KEY"], "{path}");
                assert!(said.contains("[REDACTED:KEY]") && !said.contains(&shared.key), "{path}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn an_echo_in_pieces_is_found_however_it_is_cut() {
    let shared = shared();
    for client in shared.clients().await {
        for upstream in shared.upstreams() {
            // The HTTP/2 library takes a burst of tiny frames for a flood and gives the connection up.
            let sizes: &[usize] = if std::ptr::eq(upstream, &raw const shared.http2) { &[16, 23] } else { &[1, 3, 7] };
            for every in sizes {
                for form in ["raw", "base64", "percent", "json"] {
                    let path = format!("/split?every={every}&as={form}&prefix=a%20&suffix=%20b%0A");
                    let (level, url) = (client.isolation(), upstream.url(&path));
                    let mut answer = client.get(&url).bearer("KEY").send().await.expect("headers");
                    let mut whole = Vec::new();
                    while let Some(chunk) = answer
                        .chunk()
                        .await
                        .unwrap_or_else(|why| panic!("{form} by {every}, {level:?}, {url}: {why:?}"))
                    {
                        whole.extend_from_slice(&chunk);
                    }
                    assert_eq!(String::from_utf8_lossy(&whole), "a [REDACTED:KEY] b\n", "{form} by {every}");
                }
            }
        }
    }
}

/// Where a stream is cut must not tell whether a guess begins like a value: two homes that differ in the value alone
/// give pieces of the same lengths for the same body.
#[tokio::test]
async fn pieces_end_where_they_end_whatever_the_values_are() {
    let (http1, http2) = upstreams();
    let (one, two) = (canary(), canary().chars().rev().collect::<String>());
    let guess = &one[..12];
    let body = format!("{}{guess}\n{}{guess}", "x".repeat(3000), "y".repeat(9000));
    for level in LEVELS {
        for upstream in [&http1, &http2] {
            let mut shapes = Vec::new();
            for value in [&one, &two] {
                let home = Home::new();
                home.trust(upstream);
                home.set("KEY", value.as_bytes());
                home.allow("KEY", &[&upstream.base_url()]);
                let client = home.client(level).await;
                let mut lengths = Vec::new();
                for _ in 0..2 {
                    let url = upstream.url("/split?every=1000&delay_ms=20&in=body");
                    let mut answer = client.post(&url).bearer("KEY").body(body.clone()).send().await.expect("headers");
                    let (mut whole, mut released) = (Vec::new(), Vec::new());
                    while let Some(chunk) = answer.chunk().await.expect("a piece") {
                        whole.extend_from_slice(&chunk);
                        released.push(whole.len());
                    }
                    assert!(whole == body.as_bytes(), "a guess of twelve bytes is no form of the value");
                    lengths.push(released.last().copied());
                }
                shapes.push(lengths);
            }
            assert_eq!(shapes[0], shapes[1], "{level:?}");
        }
    }
}

#[tokio::test]
async fn a_weak_value_is_found_in_the_form_it_was_sent() {
    let (upstream, _) = upstreams();
    let home = Home::new();
    home.trust(&upstream);
    home.set("PIN", b"4711");
    home.allow("PIN", &[&upstream.base_url()]);
    for level in LEVELS {
        let client = home.client(level).await;
        let answer = client.get(&upstream.url("/echo")).bearer("PIN").send_buffered().await.expect("sent");
        assert!(
            answer.text().contains("[REDACTED:PIN]") && !answer.text().contains("Bearer 4711"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn no_canary_stays_in_the_home() {
    let shared = shared();
    for client in shared.clients().await {
        let url = shared.http1.url("/echo?x=1");
        client.get(&url).secret_query("key", "KEY").send_buffered().await.expect("sent");
    }
    let disk = shared.home.bytes_on_disk();
    assert!(contains(&disk, b"\"phase\""), "the control: the audit log was read");
    assert!(!contains(&disk, shared.key.as_bytes()) && !contains(&disk, shared.other.as_bytes()));
}
