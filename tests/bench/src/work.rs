//! The contenders of Rust. One line in, `CONTENDER IN_FLIGHT CALLS`, one line out: microseconds a call.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use agentsecrets::{Client, Isolation};

use crate::Result;

/// Who calls.
enum Contender {
    Reqwest(reqwest::Client),
    AgentSecrets(Client),
}

impl Contender {
    async fn call(&self, url: &str) -> Result<()> {
        let length = match self {
            Self::Reqwest(client) => client.get(url).send().await?.bytes().await?.len(),
            Self::AgentSecrets(client) => client.get(url).bearer("KEY_0").send_buffered().await?.content.len(),
        };
        if length == 1024 { Ok(()) } else { Err("the answer has another length".into()) }
    }
}

pub(crate) fn run() -> Result<()> {
    let url = std::env::var("BENCH_URL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reqwest = Arc::new(Contender::Reqwest(reqwest::Client::builder().no_proxy().build()?));
    let open = |isolation| {
        let builder = Client::builder().isolation(isolation).unlock(std::env::var("BENCH_UNLOCK").unwrap_or_default());
        runtime.block_on(builder.open()).map(|client| Arc::new(Contender::AgentSecrets(client)))
    };
    let inside = open(Isolation::InProcess)?;
    let broker =
        Arc::new(Contender::AgentSecrets(runtime.block_on(Client::builder().isolation(Isolation::Broker).open())?));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [name, in_flight, calls] = words.as_slice() else { return Err("three words a line".into()) };
        let contender = match *name {
            "reqwest" => &reqwest,
            "in-process" => &inside,
            "broker" => &broker,
            other => return Err(format!("no contender is called {other}").into()),
        };
        let took = runtime.block_on(round(contender, &url, in_flight.parse()?, calls.parse()?))?;
        writeln!(std::io::stdout(), "{took}")?;
    }
    Ok(())
}

async fn round(contender: &Arc<Contender>, url: &str, in_flight: u32, calls: u32) -> Result<f64> {
    let left = Arc::new(AtomicU32::new(calls));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..in_flight {
        let (contender, left, url) = (Arc::clone(contender), Arc::clone(&left), url.to_owned());
        tasks.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                contender.call(&url).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}
