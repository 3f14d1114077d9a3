//! Evidence: every call leaves its records, whatever became of it.

use std::time::Duration;

use agentsecrets::logs::{self, Outcome, Phase, Record};
use agentsecrets::{Client, ErrorCode, Isolation};
use agentsecrets_upstream::Upstream;

use crate::kit::{Home, LEVELS, canary, contains, mark, refused, seen, upstreams};

fn granted(upstream: &Upstream, value: &str) -> Home {
    let home = Home::new();
    home.trust(upstream);
    home.set("KEY", value.as_bytes());
    home.allow(
        "KEY",
        &[
            &upstream.base_url(),
            "https://unreachable.invalid",
            "https://localhost:1",
            "--slot",
            "bearer",
            "--slot",
            "query:key",
        ],
    );
    home
}

/// The records written since, all of one call.
fn since(home: &Home, before: usize) -> Vec<Record> {
    home.records().split_off(before)
}

/// Phase, outcome, reason and status.
type Shape = (Phase, Option<Outcome>, Option<String>, Option<u16>);

fn shape(records: &[Record]) -> Vec<Shape> {
    records.iter().map(|one| (one.phase, one.outcome, one.reason.clone(), one.status)).collect()
}

#[tokio::test]
async fn a_call_leaves_both_records_however_it_ends() {
    let (upstream, http2) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value);
    home.allow("KEY", &[&http2.base_url()]);
    let begun = (Phase::Begun, None, None, None);
    for level in LEVELS {
        let client = home.client(level).await;
        for upstream in [&upstream, &http2] {
            let cases: [(&str, Outcome, Option<&str>, Option<u16>); 7] = [
                ("/bytes?n=10", Outcome::Ok, None, Some(200)),
                ("/status/500?in=header:x", Outcome::Ok, None, Some(500)),
                ("/echo/raw?in=x&n=1", Outcome::Ok, None, Some(200)),
                ("/echo", Outcome::Ok, Some("credential_echo"), Some(200)),
                ("/compress/unknown", Outcome::Failed, Some("undecodable_response"), None),
                ("/drop?after=100000", Outcome::Failed, Some("upstream_unreachable"), Some(200)),
                ("/hang", Outcome::Failed, Some("timeout"), None),
            ];
            for (path, outcome, reason, status) in cases {
                let before = home.records().len();
                let limit = if path == "/hang" { Duration::from_millis(200) } else { crate::kit::PATIENCE };
                let _ = client.get(&upstream.url(path)).bearer("KEY").timeout(limit).send_buffered().await;
                let records = since(&home, before);
                let ended = (Phase::Ended, Some(outcome), reason.map(str::to_owned), status);
                assert_eq!(shape(&records), [begun.clone(), ended], "{path} {level:?}");
                assert_eq!(records[0].call, records[1].call);
                assert_eq!(records[1].isolation.as_str(), level.as_str());
                assert_eq!(records[1].styles, ["bearer"]);
            }
        }
        let before = home.records().len();
        let _ = client.get("https://api.example.com/x").bearer("KEY").send().await;
        assert_eq!(
            shape(&since(&home, before)),
            [(Phase::Ended, Some(Outcome::Denied), Some("destination_not_allowed".into()), None)]
        );
        cancelled(&home, &client, &upstream).await;
    }
    assert!(logs::verify(&home.at(), None).expect("readable").ok);
}

async fn cancelled(home: &Home, client: &Client, upstream: &Upstream) {
    let before = home.records().len();
    let mark = mark();
    let task = tokio::spawn(client.get(&upstream.url(&format!("/hang?m={mark}"))).bearer("KEY").send_buffered());
    seen(upstream, &mark, |_| true).await;
    task.abort();
    home.wait_for_record(|one| {
        home.records().iter().skip(before).any(|new| new.id == one.id) && one.phase == Phase::Ended
    })
    .await;
    let ended = (Phase::Ended, Some(Outcome::Cancelled), Some("cancelled".to_owned()), None);
    assert_eq!(shape(&since(home, before)), [(Phase::Begun, None, None, None), ended]);
}

/// Trap 4: an injected query value is in no error text and no record, however the call fails.
#[tokio::test]
async fn a_query_value_is_in_no_error_and_no_record() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value);
    let untrusted =
        agentsecrets_upstream::Options::new().certificate(agentsecrets_upstream::Certificate::UnknownAuthority);
    let untrusted = Upstream::start(&untrusted).expect("an upstream");
    home.allow("KEY", &[&untrusted.base_url(), "--slot", "query:key"]);
    for level in LEVELS {
        let client = home.client(level).await;
        for (url, code) in [
            ("https://unreachable.invalid/a?x=1".to_owned(), ErrorCode::UpstreamUnreachable),
            ("https://localhost:1/a".to_owned(), ErrorCode::UpstreamUnreachable),
            (untrusted.url("/echo"), ErrorCode::UpstreamUnreachable),
            (upstream.url("/hang"), ErrorCode::Timeout),
            (upstream.url("/compress/unknown"), ErrorCode::UndecodableResponse),
        ] {
            let limit = if code == ErrorCode::Timeout { Duration::from_millis(200) } else { crate::kit::PATIENCE };
            let call = client.get(&url).secret_query("key", "KEY").timeout(limit);
            let error = refused(call.send_buffered().await, code, &[&value]);
            assert!(!error.message().contains("key="), "{error:?}");
        }
    }
    assert!(untrusted.received().is_empty());
    // The controls: the value did go out in a query, and a scan of the log finds what is there.
    assert!(upstream.received().iter().any(|one| contains(one.target.as_bytes(), b"key=")));
    let disk = home.bytes_on_disk();
    assert!(contains(&disk, b"unreachable.invalid") && !contains(&disk, value.as_bytes()));
}

#[tokio::test]
async fn certificates_that_must_be_refused_are() {
    use agentsecrets_upstream::{Authority, Certificate, Options};
    let authority = Authority::make().expect("an authority");
    let start = |kind| Upstream::start(&Options::new().authority(&authority).certificate(kind)).expect("an upstream");
    let (good, expired, wrong) =
        (start(Certificate::Valid), start(Certificate::Expired), start(Certificate::WrongName));
    let home = Home::new();
    home.trust(&good);
    home.set("KEY", canary().as_bytes());
    home.allow("KEY", &[&good.base_url(), &expired.base_url(), &wrong.base_url()]);
    for level in LEVELS {
        let client = home.client(level).await;
        assert!(client.get(&good.url("/echo")).bearer("KEY").send_buffered().await.is_ok(), "the control");
        for bad in [&expired, &wrong] {
            let error = refused(
                client.get(&bad.url("/echo")).bearer("KEY").send_buffered().await,
                ErrorCode::UpstreamUnreachable,
                &[],
            );
            assert!(!error.retryable() && error.message().contains("certificate"), "{error:?}");
        }
    }
    assert!(expired.received().is_empty() && wrong.received().is_empty());
}

#[tokio::test]
async fn a_broker_killed_with_a_call_in_flight_is_told_and_closed_by_the_next() {
    let (upstream, _) = upstreams();
    let value = canary();
    let home = granted(&upstream, &value);
    let client = home.client(Isolation::Broker).await;
    let first = home.broker_pid().await;
    let before = home.records().len();
    let mark = mark();
    let call = tokio::spawn(client.get(&upstream.url(&format!("/hang?m={mark}"))).bearer("KEY").send_buffered());
    seen(&upstream, &mark, |_| true).await;
    kill(first);
    let error = refused(call.await.expect("no panic"), ErrorCode::BrokerUnavailable, &[&value]);
    assert!(error.retryable() && error.hint().is_some(), "{error:?}");
    assert_eq!(shape(&since(&home, before)), [(Phase::Begun, None, None, None)], "a crash leaves begun alone");
    let answer = client.get(&upstream.url("/echo")).bearer("KEY").send_buffered().await.expect("the next call works");
    assert_eq!(answer.status.as_u16(), 200);
    assert_ne!(home.broker_pid().await, first);
    let records = since(&home, before);
    let closed = records.iter().find(|one| one.phase == Phase::Ended && one.call == records[0].call).expect("closed");
    assert_eq!(closed.outcome, Some(Outcome::Failed));
    assert!(logs::verify(&home.at(), None).expect("readable").ok);
}

#[tokio::test]
async fn a_broker_killed_in_the_middle_of_a_body_is_an_error_and_no_short_success() {
    let (upstream, _) = upstreams();
    let home = granted(&upstream, &canary());
    let client = home.client(Isolation::Broker).await;
    let mut answer = client.get(&upstream.url("/stall?after=100000")).bearer("KEY").send().await.expect("headers");
    assert!(answer.chunk().await.expect("a piece").is_some());
    kill(home.broker_pid().await);
    let end = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    refused(end, ErrorCode::BrokerUnavailable, &[]);
}

pub(crate) fn kill(pid: u32) {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    // SAFETY: the process is a broker that this test started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
    let end = std::time::Instant::now() + crate::kit::PATIENCE;
    while is_alive(pid.unsigned_abs()) {
        assert!(std::time::Instant::now() < end, "the broker does not die");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether any thread of a process runs; a dead one that nobody has asked after does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    if std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1) {
        return true;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .is_some_and(|state| !matches!(state, "Z" | "X"))
}

#[tokio::test]
async fn a_cut_tail_is_found_against_the_brokers_anchor_and_a_rewritten_one_names_its_record() {
    let (upstream, _) = upstreams();
    let home = granted(&upstream, &canary());
    let client = home.client(Isolation::Broker).await;
    for _ in 0..3 {
        client.get(&upstream.url("/bytes")).bearer("KEY").send_buffered().await.expect("sent");
    }
    let anchor = client.audit_anchor().await.expect("an anchor");
    assert!(logs::verify(&home.at(), Some(&anchor)).expect("readable").ok, "the control");
    let segment = std::fs::read_dir(home.root().join("audit"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .expect("a segment");
    let whole = std::fs::read_to_string(&segment).expect("text");
    let mut lines: Vec<&str> = whole.lines().collect();
    lines.truncate(lines.len() - 2);
    std::fs::write(&segment, lines.join("\n") + "\n").expect("cut");
    assert!(!logs::verify(&home.at(), Some(&anchor)).expect("readable").ok, "a cut tail");
    // Nobody goes on from a tail that is not the last one written.
    let error = match Client::builder().home(home.root()).isolation(Isolation::InProcess).open().await {
        Ok(other) => other.get(&upstream.url("/bytes")).bearer("KEY").send_buffered().await.err(),
        Err(why) => Some(why),
    };
    let error = refused(error.map_or(Ok(()), Err), ErrorCode::AuditUnavailable, &[]);
    assert!(error.hint().is_some() && error.stage() == agentsecrets::Stage::Audit, "{error:?}");
    std::fs::write(&segment, &whole).expect("mended");
    let forged = whole.replacen("\"status\":200", "\"status\":404", 1);
    assert_ne!(forged, whole);
    std::fs::write(&segment, forged).expect("forged");
    let verdict = logs::verify(&home.at(), None).expect("readable");
    assert!(verdict.first_bad.is_some_and(|bad| bad.line > 1));
}

#[tokio::test]
async fn records_of_many_processes_make_one_chain() {
    let (upstream, _) = upstreams();
    let home = granted(&upstream, &canary());
    let (one, two) = (home.client(LEVELS[0]).await, home.client(LEVELS[1]).await);
    let before = home.records().len();
    let calls = (0..20).map(|at| {
        let client = if at % 2 == 0 { &one } else { &two };
        tokio::spawn(client.get(&upstream.url("/bytes")).bearer("KEY").send_buffered())
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic").expect("sent");
    }
    assert_eq!(since(&home, before).len(), 40);
    let verdict = logs::verify(&home.at(), None).expect("readable");
    assert!(verdict.ok && verdict.open_calls == 0, "{verdict:?}");
}
