use super::*;
use crate::error::ErrorCode;

fn query() -> LogsQuery {
    LogsQuery::default()
}

#[test]
fn calls_come_newest_first_one_entry_each() {
    let home = Home::new();
    let log = home.open_rotating_at(3000);
    for _ in 0..30 {
        call(&log);
    }
    log.denied(&event(), ErrorCode::SlotNotAllowed, std::time::Duration::ZERO).expect("denied");
    let under_way = log.begin(&event()).expect("begin");
    let entries = list(&home.dir(), &query()).expect("list");
    assert_eq!(entries.len(), 32);
    assert_eq!((entries[0].record.call.as_str(), entries[0].ended), (&*under_way.call().to_string(), None));
    assert_eq!(entries[1].record.outcome, Some(Outcome::Denied));
    assert!(entries.windows(2).all(|pair| pair[0].record.id[24..] > pair[1].record.id[24..]));
    assert!(entries.iter().all(|entry| entry.began.is_some()));
}

#[test]
fn questions_narrow_the_answer() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    log.denied(&event(), ErrorCode::SlotNotAllowed, std::time::Duration::ZERO).expect("denied");
    let other = Event {
        secrets: vec![SecretName::parse("OTHER_KEY").expect("name")],
        agent: None,
        project: Some(Label::parse("other").expect("label")),
        ..event()
    };
    log.begin(&other).expect("begin").end(ended(Outcome::Failed)).expect("end");
    let count = |query: &LogsQuery| list(&home.dir(), query).expect("list").len();
    assert_eq!(count(&query()), 3);
    assert_eq!(count(&LogsQuery { last: Some(2), ..query() }), 2);
    assert_eq!(count(&LogsQuery { outcome: Some(Outcome::Denied), ..query() }), 1);
    assert_eq!(count(&LogsQuery { secret: SecretName::parse("OTHER_KEY").ok(), ..query() }), 1);
    assert_eq!(count(&LogsQuery { agent: AgentName::parse("billing-agent").ok(), ..query() }), 2);
    assert_eq!(count(&LogsQuery { project: Label::parse("other").ok(), ..query() }), 1);
    assert_eq!(count(&LogsQuery { environment: Label::parse("production").ok(), ..query() }), 0);
    let now = jiff::Timestamp::now();
    assert_eq!(count(&LogsQuery { since: Some(now + jiff::SignedDuration::from_secs(60)), ..query() }), 0);
    assert_eq!(count(&LogsQuery { since: Some(now - jiff::SignedDuration::from_secs(60)), ..query() }), 3);
    let call = home.records()[0].call.clone();
    assert_eq!(records(&home.dir(), &LogsQuery { call: Some(call), ..query() }).expect("records").len(), 2);
}

#[test]
fn a_call_is_shown_by_either_end_of_an_id() {
    let home = Home::new();
    let log = home.open();
    (0..3).for_each(|_| call(&log));
    let all = home.records();
    for part in [&all[2].call[..], &all[2].id[24..], &all[3].id[24..]] {
        let shown = show(&home.dir(), part).expect("show");
        assert_eq!(shown, all[2..4]);
    }
    assert!(show(&home.dir(), "").expect("show").is_empty());
    assert!(show(&home.dir(), "nothing").expect("show").is_empty());
}

#[test]
fn lines_longer_than_a_chunk_and_half_lines_are_read_over() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    let names = (0..2000).map(|n| SecretName::parse(&format!("A_RATHER_LONG_NAME_OF_A_SECRET_{n}")).expect("name"));
    let wide = Event { secrets: names.collect(), ..event() };
    log.begin(&wide).expect("begin").end(ended(Outcome::Ok)).expect("end");
    call(&log);
    drop(log);
    let segment = home.dir().join("000001.jsonl");
    fs::write(&segment, [fs::read(&segment).expect("read"), b"{\"id\":".to_vec()].concat()).expect("write");
    let found = records(&home.dir(), &query()).expect("records");
    assert_eq!(found.iter().map(|record| record.secrets.len()).collect::<Vec<_>>(), [1, 1, 2000, 2000, 1, 1]);
    assert_eq!(home.assert_sound(), 6);
}
