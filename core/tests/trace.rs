//! Trap 19: whatever the libraries log at their most talkative holds no value.

mod kit;

use std::fmt;
use std::sync::Mutex;

use agentsecrets::Isolation;
use kit::{Home, canary, contains, upstreams};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static HEARD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Writes down every field of every span and event of every crate.
struct Ears;

struct Words;

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let mut heard = HEARD.lock().expect("no panic");
        heard.extend_from_slice(format!("{}={value:?}\n", field.name()).as_bytes());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Ears {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        HEARD.lock().expect("no panic").extend_from_slice(event.metadata().target().as_bytes());
        event.record(&mut Words);
    }

    fn on_new_span(&self, span: &tracing::span::Attributes<'_>, _: &tracing::span::Id, _: Context<'_, S>) {
        span.record(&mut Words);
    }

    fn on_record(&self, _: &tracing::span::Id, record: &tracing::span::Record<'_>, _: Context<'_, S>) {
        record.record(&mut Words);
    }
}

#[tokio::test]
async fn no_log_at_any_level_holds_a_value() {
    tracing::subscriber::set_global_default(Registry::default().with(Ears)).expect("the first");
    let sentinel = canary();
    tracing::trace!(said = %sentinel, "a control");
    let (http1, http2) = upstreams();
    let home = Home::new();
    home.trust(&http1);
    let value = canary();
    home.set("KEY", value.as_bytes());
    for upstream in [&http1, &http2] {
        let rule = format!("{}/**", upstream.base_url());
        home.allow(
            "KEY",
            &[
                &rule,
                "--slot",
                "bearer",
                "--slot",
                "header:X-Api-Key",
                "--slot",
                "query:key",
                "--slot",
                "body:k",
                "--slot",
                "form:k",
            ],
        );
    }
    let client = home.client(Isolation::InProcess).await;
    for upstream in [&http1, &http2] {
        let url = upstream.url("/echo");
        client.get(&url).bearer("KEY").send_buffered().await.expect("sent");
        client.get(&url).secret_header("X-Api-Key", "KEY").send_buffered().await.expect("sent");
        client.get(&url).secret_query("key", "KEY").send_buffered().await.expect("sent");
        client.post(&url).json(&serde_json::json!({})).body_field("k", "KEY").send_buffered().await.expect("sent");
        client.post(&url).form([("a", "b")]).form_field("k", "KEY").send_buffered().await.expect("sent");
        client.get(&upstream.url("/drop?after=100")).bearer("KEY").send_buffered().await.expect_err("broken off");
        client.get(&upstream.url("/compress/broken")).bearer("KEY").send_buffered().await.expect_err("broken");
    }
    assert!(http1.received().len() >= 7 && http2.received().len() >= 7);
    // The upstream's own libraries run in this process too and are listened to: they name what they received.
    let heard = HEARD.lock().expect("no panic").clone();
    assert!(contains(&heard, sentinel.as_bytes()), "the control: what is logged is heard");
    assert!(contains(&heard, b"h2::"), "the control: the HTTP library logs");
    if let Some(at) = memchr::memmem::find(&heard, value.as_bytes()) {
        let before = String::from_utf8_lossy(&heard[at.saturating_sub(200)..at]).into_owned();
        panic!("a value is in a log after: {before}");
    }
}
