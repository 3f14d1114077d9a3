//! What the server does in a second: printed by `cargo xtask bench --team`, and never a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{Session, proof_of};
use crate::support::people::named;
use crate::support::{Client, Database, Kind, Person, Server, Team};
use reqwest::Method;

/// How many ask at once.
const CALLERS: usize = 32;
/// How long is measured.
const SPAN: Duration = Duration::from_secs(8);
/// What the workspace holds before.
const RECORDS: usize = 1000;

/// Pulls of what is new, which is the last record, by as many callers as there are; gives the time of each in microseconds.
async fn pulls(client: &Client, session: &Session, target: &str, per_second: Option<u32>) -> Vec<u64> {
    let (began, asked) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (client, session, target, asked) = (client.clone(), session.clone(), target.to_owned(), Arc::clone(&asked));
        callers.spawn(async move {
            let (mut times, mut second, mut proof) = (Vec::new(), 0, String::new());
            while began.elapsed() < SPAN {
                if let Some(rate) = per_second {
                    let turn = asked.fetch_add(1, Ordering::Relaxed);
                    let due = Duration::from_secs(1) * u32::try_from(turn).expect("few") / rate;
                    tokio::time::sleep_until((began + due).into()).await;
                }
                // Signed once a second: what is measured is the server, not this side's signatures.
                let now = jiff::Timestamp::now().as_second();
                if now != second {
                    (second, proof) = (now, proof_of(&session, "GET", &target, b"", now));
                }
                let sent = Instant::now();
                let answer = client.send_signed(&session, Method::GET, &target, Vec::new(), &proof).await;
                assert_eq!(answer.expect("an answer").status, 200);
                times.push(u64::try_from(sent.elapsed().as_micros()).expect("short"));
            }
            times
        });
    }
    let mut times = callers.join_all().await.concat();
    times.sort_unstable();
    times
}

pub(crate) async fn pulls_in_a_second(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    for part in 0..RECORDS / 100 {
        let record = |n: usize| team.record(&ann, named("scope"), named(&format!("name {part} {n}")), None);
        let records: Vec<_> = (0..100).map(record).collect();
        assert_eq!(team.stores(&client, &ann, &records).await, 100 * (part as u64 + 1));
    }
    let target = team.at(&format!("/changes?since={}&after=1", RECORDS - 1));
    let asked = if kind == Kind::Sqlite { 3000 } else { 2000 };
    let all = pulls(&client, &ann.session(), &target, None).await;
    let rate = all.len() as u64 / SPAN.as_secs();
    let half = pulls(&client, &ann.session(), &target, Some(asked / 2)).await;
    let p99 = half.get(half.len() * 99 / 100).copied().unwrap_or_default();
    let figure = format!(
        "figure: {kind:?} {rate} incremental pulls/s (asked {asked}), p99 at {}/s {:.1} ms (asked 20)\n",
        asked / 2,
        p99 as f64 / 1000.0
    );
    std::io::Write::write_all(&mut std::io::stdout(), figure.as_bytes()).expect("somebody reads");
}
