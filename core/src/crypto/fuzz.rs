//! Attacks on what is sealed, and on codes that humans carry.

use std::sync::LazyLock;

use agentsecrets_wire::chain::Seal;
use agentsecrets_wire::{Blob, Record};
use serde_json::Value;
use uuid::Uuid;

use super::record::seal_plain;
use super::{
    AccountKeys, InviteCode, NewRecord, OpaqueLogin, OpaqueRegistration, RecoveryCode, open_label, open_record,
    seal_record,
};
use crate::error::ErrorCode;
use crate::fuzz::{Input, Target};
use crate::resolve::value::SecretValue;
use crate::sync::vectors::{Cast, RecordFile, file, read};

/// What is read is written so again, names a server in plain letters, and leads to keys.
pub(crate) const INVITE_CODE: Target =
    Target { name: "invite_code", attack: invite_code, seeds: invite_seeds, words: INVITE_WORDS };
/// What is read is written so again, in the one spelling.
pub(crate) const RECOVERY_CODE: Target =
    Target { name: "recovery_code", attack: recovery_code, seeds: recovery_seeds, words: RECOVERY_WORDS };
/// Nobody else's record opens; and whatever a member seals is refused, or is the same when it is sealed again.
pub(crate) const RECORD: Target =
    Target { name: "shared_record", attack: record, seeds: record_seeds, words: RECORD_WORDS };
/// No key and no name opens that was not sealed.
pub(crate) const SEALS: Target = Target { name: "shared_seals", attack: seals, seeds: seal_seeds, words: SEAL_WORDS };
/// A server that does not know the password's record ends no registration in silence and no login at all.
pub(crate) const LOGIN: Target =
    Target { name: "login_answer", attack: login, seeds: login_seeds, words: &["\0", "\u{1}"] };

const INVITE_WORDS: &[&str] = &["asi1_", "asm1_", "aHR0cHM6Ly9", "AAAA", "_-", "="];
const RECOVERY_WORDS: &[&str] = &["-", " ", "O", "I", "L", "U", "0", "1", "Z"];
const RECORD_WORDS: &[&str] = &[
    "\"project\":",
    "\"environment\":\"staging\"",
    "\"name\":\"STRIPE_KEY\"",
    "\"weak\":true",
    "\"gone\":",
    "\"prev\":null",
    "\"version\":",
    "\"sealed\":\"",
    "null",
    "\0\0\0\0",
];
const SEAL_WORDS: &[&str] = &["as1r", "\0", "\u{1}\0\0\0\0\0\0\0"];

static CAST: LazyLock<Cast> = LazyLock::new(|| file!("cast.json"));
static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let file: RecordFile = file!("records.json");
    file.records.iter().map(|case| case.record.parse().expect("a record")).collect()
});
static OPENED: LazyLock<Value> = LazyLock::new(|| file!("opened.json"));
static ACCOUNT: LazyLock<Value> = LazyLock::new(|| file!("account.json"));

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a vector")
}

fn invite_code(data: &[u8]) {
    let Ok(code) = InviteCode::parse(data) else { return };
    let joined: Vec<u8> = data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert_eq!(code.text().as_slice(), joined, "a code has one spelling");
    assert!(!code.server().is_empty() && code.server().bytes().all(|byte| byte.is_ascii_graphic()));
    let keys = code.keys().expect("derived");
    assert_ne!(keys.signing_public(), keys.receiving_public());
}

fn invite_seeds() -> Vec<Vec<u8>> {
    let codes: Value = file!("codes.json");
    let texts = codes["invitations"].as_array().expect("codes").iter();
    texts.map(|code| code["text"].as_str().expect("a code").as_bytes().to_vec()).collect()
}

fn recovery_code(data: &[u8]) {
    let Ok(code) = RecoveryCode::parse(data) else { return };
    let text = code.text();
    let again = RecoveryCode::parse(text.as_slice()).expect("its own spelling");
    assert_eq!(again.public().expect("derived"), code.public().expect("derived"));
    let letter = |byte: &u8| match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        byte => byte,
    };
    let plain = |text: &[u8]| {
        let letters = text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'-');
        letters.map(letter).collect::<Vec<u8>>()
    };
    assert_eq!(plain(data), plain(text.as_slice()), "no two codes are typed alike");
}

fn recovery_seeds() -> Vec<Vec<u8>> {
    let codes: Value = file!("codes.json");
    let typed: Vec<String> = parsed(&codes["recovery"]["typed"]);
    typed.into_iter().map(String::into_bytes).collect()
}

/// With a zero in front what a server shows; else what a member seals.
fn record(data: &[u8]) {
    let mut input = Input::new(data);
    let key = CAST.scope_key(1, "staging");
    if input.byte() == 0 {
        let Ok(record) = serde_json::from_slice::<Record>(input.rest()) else { return };
        let again = serde_json::to_vec(&record).expect("plain data");
        assert_eq!(serde_json::from_slice::<Record>(&again).ok().as_ref(), Some(&record));
        assert!(open_record(&key, &record).is_err() || RECORDS.contains(&record), "what nobody sealed opens");
        return;
    }
    let mut record = RECORDS[0].clone();
    record.gone = input.byte() == 1;
    seal_plain(&key, &mut record, input.rest());
    let Ok(opened) = open_record(&key, &record) else { return };
    assert_eq!((key.record_id(&opened.name), opened.value.is_none()), (record.record, record.gone));
    let new = NewRecord {
        workspace: record.workspace,
        project: opened.project,
        environment: &opened.environment,
        name: &opened.name,
        weak: opened.weak,
        value: opened.value.as_ref(),
        version: record.version,
        prev: record.prev,
        epoch: record.epoch,
        author: record.author,
        device: record.device,
        head: record.head,
        time: record.time,
    };
    let sealed = seal_record(&key, &new).expect("sealed");
    let again = open_record(&key, &sealed).expect("opens");
    // EXPOSE: the attack compares a value with itself.
    assert_eq!(again.value.as_ref().map(SecretValue::expose), opened.value.as_ref().map(SecretValue::expose));
    assert_eq!((again.project, again.environment, again.name), (opened.project, opened.environment, opened.name));
    assert_eq!(again.weak, opened.weak);
}

/// The same content, sealed by a member who says something else beside it.
#[cfg(test)]
pub(crate) fn sealed_anew(key: &super::ScopeKey, record: &mut Record) {
    let mut plain = vec![0; 256];
    let header =
        format!(r#"{{"project":"{}","environment":"staging","name":"STRIPE_KEY","gone":false}}"#, CAST.project);
    plain[..4].copy_from_slice(&u32::try_from(header.len()).expect("short").to_le_bytes());
    plain[4..4 + header.len()].copy_from_slice(header.as_bytes());
    seal_plain(key, record, &plain);
}

fn record_seeds() -> Vec<Vec<u8>> {
    let shown = RECORDS.iter().map(|record| [&[0][..], &serde_json::to_vec(record).expect("plain data")].concat());
    let sealed = |gone: u8, header: &str, value: &[u8]| {
        let mut plain = vec![9, gone];
        for part in [header.as_bytes(), value] {
            plain.extend_from_slice(&u32::try_from(part.len()).expect("short").to_le_bytes());
            plain.extend_from_slice(part);
        }
        plain.resize(2 + 256, 0);
        plain
    };
    let header =
        |rest: &str| format!(r#"{{"project":"{}","environment":"staging","name":"STRIPE_KEY",{rest}}}"#, CAST.project);
    let made = [
        sealed(0, &header(r#""gone":false"#), b"a value"),
        sealed(0, &header(r#""weak":true,"gone":false"#), b""),
        sealed(1, &header(r#""gone":true"#), b""),
    ];
    shown.chain(made).collect()
}

/// The first byte says what is opened, the rest is opened.
fn seals(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, at) = (input.byte() % 5, usize::from(input.byte()));
    let (sealed, workspace) = (Blob(input.rest().to_vec()), CAST.workspace);
    let text = serde_json::to_value(&sealed).expect("text");
    let account: Uuid = parsed(&ACCOUNT["account"]);
    match kind {
        0 => {
            let cases = OPENED["seals"].as_array().expect("seals");
            let case = &cases[at % cases.len()];
            let seal = Seal { sealed, ..parsed(&case["seal"]) };
            let key = CAST.recipient(case["to"].as_str().expect("a name"));
            let opened = match seal.scope {
                None => key.open_epoch(workspace, &seal).map(|key| key.bytes().to_vec()),
                Some(_) => key.open_scope(workspace, &seal).map(|key| key.bytes()),
            };
            assert_eq!(opened.is_ok(), text == case["seal"]["sealed"], "a key opens that was not sealed");
        }
        1 => {
            let opened = CAST.epoch(2).open_previous(workspace, &sealed);
            assert_eq!(opened.is_ok(), text == OPENED["previous"][0]["sealed"], "a key opens that was not sealed");
        }
        2 => {
            let case = &OPENED["labels"][at % 3];
            let keys = [1, 2, 3].map(|epoch| CAST.epoch(epoch));
            let epoch = |number| keys.iter().find(|key| key.number() == number);
            let scope = |epoch, scope| {
                let known = (1..=3).contains(&epoch) && scope == CAST.scope("staging");
                known.then(|| CAST.scope_key(epoch, "staging"))
            };
            let opened = open_label(workspace, parsed(&case["account"]), sealed.as_bytes(), epoch, scope);
            assert_eq!(opened.is_some(), text == case["sealed"], "a name opens that was not sealed");
        }
        3 => {
            let export = SecretValue::copy_from(&CAST.export.0);
            let opened = AccountKeys::open_under_export(&export, account, sealed.as_bytes());
            assert_eq!(opened.is_ok(), text == ACCOUNT["sealed"], "keys open that were not sealed");
        }
        _ => {
            let opened = AccountKeys::open_under_recovery(&CAST.recovery_code(), account, sealed.as_bytes());
            assert_eq!(opened.is_ok(), text == ACCOUNT["recovery"], "keys open that were not sealed");
        }
    }
}

fn seal_seeds() -> Vec<Vec<u8>> {
    let seed = |kind: u8, at: usize, sealed: &Value| {
        let sealed: Blob = parsed(sealed);
        [&[kind, u8::try_from(at).expect("few")][..], sealed.as_bytes()].concat()
    };
    let seals = OPENED["seals"].as_array().expect("seals").iter().enumerate();
    let mut seeds: Vec<Vec<u8>> = seals.map(|(at, case)| seed(0, at, &case["seal"]["sealed"])).collect();
    seeds.push(seed(1, 0, &OPENED["previous"][0]["sealed"]));
    seeds.extend((0..3).map(|at| seed(2, at, &OPENED["labels"][at]["sealed"])));
    seeds.push(seed(3, 0, &ACCOUNT["sealed"]));
    seeds.push(seed(4, 0, &ACCOUNT["recovery"]));
    seeds
}

/// With a zero in front the answer to a registration, else that to a login.
fn login(data: &[u8]) {
    let mut input = Input::new(data);
    let (password, email) = (SecretValue::copy_from(b"correct horse"), "anna@example.com");
    let first = input.byte();
    let answer = Blob(input.rest().to_vec());
    if first == 0 {
        let (registration, _) = OpaqueRegistration::start(&password).expect("started");
        match registration.finish(&password, email, &answer) {
            Ok((record, export)) => assert_eq!((record.0.len(), export.len()), (192, 64)),
            Err(why) => assert_eq!(why.code(), ErrorCode::SyncRefused),
        }
        return;
    }
    let (login, _) = OpaqueLogin::start(&password).expect("started");
    let refused = login.finish(&password, email, &answer).err().expect("nobody has the password's record").code();
    assert!(matches!(refused, ErrorCode::SyncRefused | ErrorCode::WrongCredentials), "{refused}");
}

fn login_seeds() -> Vec<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Case {
        registration_response: crate::sync::vectors::Hex,
        ke2: crate::sync::vectors::Hex,
    }
    let cases: Vec<Case> = read(include_str!("../../../tests/vectors/sync/opaque.json"));
    let with = |first: u8, answer: &[u8]| [&[first][..], answer].concat();
    vec![with(0, &cases[0].registration_response.0), with(1, &cases[0].ke2.0)]
}
