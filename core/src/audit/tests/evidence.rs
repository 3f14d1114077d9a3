use super::*;
use crate::error::ErrorCode;

/// The fields of the audit record, in their order.
const FIELDS: [&str; 23] = [
    "id",
    "call",
    "phase",
    "prev",
    "time",
    "act",
    "agent",
    "identity",
    "isolation",
    "workspace",
    "project",
    "environment",
    "secrets",
    "styles",
    "method",
    "origin",
    "path",
    "status",
    "outcome",
    "reason",
    "redacted",
    "duration_ms",
    "mac",
];

#[test]
fn every_record_has_every_field_in_one_order() {
    let home = Home::new();
    let log = home.open();
    call(&log);
    let bare = Event::new(Identity::Anonymous, Isolation::InProcess);
    log.denied(&bare, ErrorCode::StoreLocked, std::time::Duration::ZERO).expect("denied");
    log.deny_changed(DenyChange::Added, &bare).expect("deny");
    for line in home.lines() {
        let places: Vec<_> = FIELDS.iter().map(|field| line.find(&format!("\"{field}\":")).expect(field)).collect();
        assert!(places.is_sorted(), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value.as_object().expect("object").len(), FIELDS.len());
    }
}

#[test]
fn an_id_names_the_place_and_is_a_version_7_uuid() {
    let home = Home::new();
    let log = home.open();
    (0..8).for_each(|_| call(&log));
    for (index, record) in home.records().iter().enumerate() {
        let id = uuid::Uuid::parse_str(&record.id).expect("uuid");
        let call = uuid::Uuid::parse_str(&record.call).expect("uuid");
        assert_eq!((id.get_version_num(), call.get_version_num()), (7, 7));
        assert_eq!((id.get_variant(), call.get_variant()), (uuid::Variant::RFC4122, uuid::Variant::RFC4122));
        assert!(record.id.ends_with(&format!("{:012x}", index + 1)));
        let written = record.written_at().expect("time").as_second();
        assert_eq!(id.get_timestamp().map(|time| time.to_unix().0), u64::try_from(written).ok());
    }
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let home = Home::new();
    call(&home.open());
    for line in home.lines() {
        let record = Record::parse(line.as_bytes()).expect("record");
        assert_eq!(serde_json::to_string(&record).expect("JSON"), line);
    }
}

#[test]
fn no_part_of_a_call_that_could_hold_a_value_reaches_the_log() {
    let mut random = [0; 18];
    getrandom::fill(&mut random).expect("random");
    let canary: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = SafeUrl::parse(&format!("https://api.example.com/v1/{canary}/x?key={canary}#{canary}")).expect("url");
    let method = http::Method::from_bytes(canary.as_bytes()).expect("a token");
    let rule = format!("/v1/{canary}/*");
    let home = Home::new();
    let log = home.open();
    let event = Event {
        method: Some(MethodName::of(&method)),
        origin: Some(url.origin().clone()),
        path: Some(PathTemplate::new(url.path(), Some(&rule))),
        ..event()
    };
    log.begin(&event).expect("begin").end(ended(Outcome::Failed)).expect("end");
    let written = home.lines().concat();
    assert!(!written.contains(&canary) && !written.contains(&canary[..12]));
    assert!(written.contains("\"method\":\"OTHER\"") && written.contains("\"path\":\"/v1/{}/x\""));
}

#[test]
fn an_agent_cannot_name_itself_with_a_line_of_its_own() {
    for text in ["", "a\nb", "a\"b", "a b", "-a", &"a".repeat(65), "a\u{0}"] {
        let error = AgentName::parse(text).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidCall);
        assert!(text.is_empty() || !error.message().contains(text));
    }
    assert!(serde_json::from_str::<AgentName>("\"a b\"").is_err());
}

#[test]
fn no_key_of_the_past_is_kept_in_the_folder() {
    let home = Home::new();
    let log = home.open();
    let mut keys = vec![home.first.key()];
    for _ in 0..4 {
        call(&log);
        keys.extend([keys[keys.len() - 1].next(), keys[keys.len() - 1].next().next()]);
    }
    let state = fs::read(home.dir().join("state")).expect("state");
    let holds = |key: &chain::Key| state.windows(32).any(|bytes| bytes == key.0.as_slice());
    let (current, past) = keys.split_last().expect("keys");
    assert!(holds(current) && !past.iter().any(holds));
}
