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

#[test]
fn an_export_gives_the_very_lines_of_all_segments_in_order() {
    let home = Home::new();
    let log = home.open_rotating_at(3000);
    (0..30).for_each(|_| call(&log));
    let export = |query: LogsQuery| {
        Export::open(&home.dir(), query).expect("open").map(|line| line.expect("line").text).collect::<Vec<_>>()
    };
    assert!(files::segments(&home.dir()).expect("segments").len() > 3);
    assert_eq!(export(query()), home.lines());
    assert_eq!(export(LogsQuery { last: Some(3), ..query() }), home.lines()[57..]);
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(export(LogsQuery { until: Some(now), ..query() }).len(), 60);
    assert_eq!(export(LogsQuery { until: Some(now), since: Some(now), ..query() }).len(), 0);
    assert_eq!(export(LogsQuery { outcome: Some(Outcome::Ok), ..query() }).len(), 30);
}

#[test]
fn a_follower_gets_every_record_once_over_rotations_and_waits_for_half_a_line() {
    let home = Home::new();
    let log = home.open_rotating_at(1500);
    (0..5).for_each(|_| call(&log));
    let mut follow = Follow::from_end(&home.dir()).expect("open");
    assert_eq!(follow.next_line().expect("readable"), None);
    let mut seen = Vec::new();
    for round in 0..40 {
        call(&log);
        while round % 3 == 0 && seen.len() < 2 * (round + 1) {
            seen.push(follow.next_line().expect("readable").expect("a record").text);
        }
    }
    while let Some(line) = follow.next_line().expect("readable") {
        seen.push(line.text);
    }
    assert_eq!(seen, home.lines()[10..]);
    let last = files::segment_path(&home.dir(), *files::segments(&home.dir()).expect("segments").last().expect("one"));
    let whole = [fs::read(&last).expect("read"), format!("{}\n", seen[0]).into_bytes()].concat();
    fs::write(&last, &whole[..whole.len() - 40]).expect("write");
    assert_eq!(follow.next_line().expect("readable"), None, "half a line is none yet");
    fs::write(&last, &whole).expect("write");
    assert_eq!(follow.next_line().expect("readable").map(|line| line.text).as_ref(), Some(&seen[0]));
}
