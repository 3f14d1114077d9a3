//! A long stream passes through without being kept: neither this process nor the broker grows with it.

mod kit;

use agentsecrets::{Body, Client, Isolation};
use agentsecrets_upstream::{Options, Upstream};
use bytes::Bytes;
use futures_util::stream;
use kit::{Home, LEVELS, canary};

/// Four times what a stream may leave.
const LENGTH: usize = 40 << 20;
const GROWTH: u64 = 10 << 20;

/// The most memory a process has had since its mark was last reset, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the high-water mark");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

async fn upload(client: &Client, upstream: &Upstream, length: usize) {
    let piece = Bytes::from(vec![b'u'; 64 << 10]);
    let body = Body::stream(stream::iter((0..length / piece.len()).map(move |_| Ok(piece.clone()))));
    let answer = client.post(&upstream.url("/upload")).bearer("KEY").body(body).send_buffered().await.expect("sent");
    assert!(answer.text().contains(&length.to_string()), "{}", answer.text());
}

async fn download(client: &Client, upstream: &Upstream, length: usize) {
    let url = upstream.url(&format!("/bytes?n={length}&chunked=1"));
    let mut answer = client.get(&url).bearer("KEY").send().await.expect("headers");
    let mut seen = 0;
    while let Some(chunk) = answer.chunk().await.expect("a piece") {
        seen += chunk.len();
    }
    assert_eq!(seen, length);
}

#[tokio::test]
async fn a_long_stream_leaves_no_trace_in_memory() {
    let upstream = Upstream::start(&Options::new().recording(false)).expect("an upstream");
    let home = Home::new();
    home.trust(&upstream);
    home.set("KEY", canary().as_bytes());
    home.allow("KEY", &[&upstream.base_url()]);
    for level in LEVELS {
        let client = home.client(level).await;
        let mut processes = vec![std::process::id()];
        if level == Isolation::Broker {
            processes.push(home.broker_pid().await);
        }
        // What every first call costs, buffers at their full size included, is not what is measured.
        upload(&client, &upstream, 8 << 20).await;
        download(&client, &upstream, 8 << 20).await;
        let before: Vec<u64> = processes.iter().map(|pid| resident(*pid).max(peak(*pid))).collect();
        upload(&client, &upstream, LENGTH).await;
        download(&client, &upstream, LENGTH).await;
        for (pid, before) in processes.iter().zip(before) {
            let grown = peak(*pid).saturating_sub(before);
            assert!(grown <= GROWTH, "{level:?}: process {pid} grew by {} KiB", grown >> 10);
        }
    }
}
