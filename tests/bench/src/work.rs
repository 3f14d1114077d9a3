//! The contenders of Rust. One line in, `CONTENDER IN_FLIGHT CALLS`, one line out: microseconds a call.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agentsecrets::{Client, Isolation, Response};
use tokio::runtime::Runtime;

use crate::Result;

/// Who calls.
enum Caller {
    Reqwest(reqwest::Client),
    AgentSecrets(Client),
}

impl Caller {
    async fn call(&self, url: &str) -> Result<()> {
        let length = match self {
            Self::Reqwest(client) => client.get(url).send().await?.bytes().await?.len(),
            Self::AgentSecrets(client) => client.get(url).bearer("KEY_0").send_buffered().await?.content.len(),
        };
        if length == 1024 { Ok(()) } else { Err("the answer has another length".into()) }
    }

    /// How long the first event takes to come; the rest is read, so that the connection is used again.
    async fn first_event(&self, url: &str) -> Result<Duration> {
        let began = Instant::now();
        match self {
            Self::Reqwest(client) => {
                let mut answer = client.get(url).send().await?;
                answer.chunk().await?;
                let took = began.elapsed();
                while answer.chunk().await?.is_some() {}
                Ok(took)
            }
            Self::AgentSecrets(client) => {
                let mut answer = client.get(url).bearer("KEY_0").send().await?;
                answer.chunk().await?;
                let took = began.elapsed();
                while answer.chunk().await?.is_some() {}
                Ok(took)
            }
        }
    }
}

struct Work {
    runtime: Runtime,
    url: String,
    callers: HashMap<&'static str, Arc<Caller>>,
    held: Vec<Response>,
}

pub(crate) fn run() -> Result<()> {
    agentsecrets::broker::raise_open_files();
    let mut work = Work::new()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [name, in_flight, calls] = words.as_slice() else { return Err("three words a line".into()) };
        let took = work.round(name, in_flight.parse()?, calls.parse()?)?;
        writeln!(std::io::stdout(), "{took}")?;
    }
    Ok(())
}

impl Work {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let open = |isolation| {
            let builder =
                Client::builder().isolation(isolation).unlock(std::env::var("BENCH_UNLOCK").unwrap_or_default());
            runtime.block_on(builder.open()).map(|client| Arc::new(Caller::AgentSecrets(client)))
        };
        let broker = runtime.block_on(Client::builder().isolation(Isolation::Broker).open())?;
        let callers = HashMap::from([
            ("reqwest", Arc::new(Caller::Reqwest(reqwest::Client::builder().no_proxy().build()?))),
            ("in-process", open(Isolation::InProcess)?),
            ("broker", Arc::new(Caller::AgentSecrets(broker))),
        ]);
        Ok(Self { runtime, url: std::env::var("BENCH_URL")?, callers, held: Vec::new() })
    }

    fn round(&mut self, name: &str, in_flight: u32, calls: u32) -> Result<f64> {
        let (name, what) = name.split_once('/').unwrap_or((name, "call"));
        let caller = self.callers.get(name).ok_or_else(|| format!("no contender is called {name}"))?;
        match what {
            "call" => self.runtime.block_on(many(caller, &self.url, in_flight, calls)),
            "first-event" => self.runtime.block_on(first_events(caller, &format!("{}events", self.url), calls)),
            "hold" => {
                self.held = self.runtime.block_on(hold(caller, &format!("{}held", self.url), in_flight))?;
                Ok(0.0)
            }
            "let-go" => {
                self.runtime.block_on(async { self.held.clear() });
                Ok(0.0)
            }
            other => Err(format!("nothing is called {other}").into()),
        }
    }
}

async fn many(caller: &Arc<Caller>, url: &str, in_flight: u32, calls: u32) -> Result<f64> {
    let left = Arc::new(AtomicU32::new(calls));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..in_flight {
        let (caller, left, url) = (Arc::clone(caller), Arc::clone(&left), url.to_owned());
        tasks.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                caller.call(&url).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

async fn first_events(caller: &Caller, url: &str, calls: u32) -> Result<f64> {
    let mut took = Duration::ZERO;
    for _ in 0..calls {
        took += caller.first_event(url).await?;
    }
    Ok(took.as_secs_f64() * 1e6 / f64::from(calls))
}

/// Streams that have given their first event and stay open.
async fn hold(caller: &Caller, url: &str, count: u32) -> Result<Vec<Response>> {
    let Caller::AgentSecrets(client) = caller else { return Err("only ours are held".into()) };
    let mut held = Vec::new();
    for _ in 0..count {
        let mut answer = client.get(url).bearer("KEY_0").send().await?;
        answer.chunk().await?;
        held.push(answer);
    }
    Ok(held)
}
