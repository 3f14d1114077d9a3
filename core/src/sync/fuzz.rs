//! Attacks on what a server says, through the functions that every answer goes through.

use std::fmt::Debug;
use std::sync::LazyLock;

use agentsecrets_wire::chain::{Act, Entry, Head, Role, State};
use agentsecrets_wire::{
    Account, Appended, Changes, History, LoggedIn, LoginStarted, Opened, Problem, Pushed, RegisterStarted, Session,
    Signed, Workspaces,
};
use bytes::Bytes;
use http::StatusCode;
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fetch::accept;
use super::invited::{invitation, verified};
use super::policy::open as open_policy;
use super::remote::{Refused, parse_server, read};
use super::vectors::{BEGINNING, Cast, ChainFile, Person, RecordFile, file};
use super::{Chain, Known, Ring, opened_invitation};
use crate::crypto::{PolicyBlob, open_label};
use crate::error::{Error, ErrorCode};
use crate::fuzz::{Input, Target};
use crate::log_safe::Origin;
use crate::policy::SharedPolicy;
use crate::send::OwnAnswer;

/// Every answer is read as it is written, and a refusal is one line that commands no terminal.
pub(crate) const ANSWER: Target =
    Target { name: "sync_answer", attack: answer, seeds: answer_seeds, words: ANSWER_WORDS };
/// Of a page only what members signed is taken, and no chain but the one that was seen.
pub(crate) const CHANGES: Target =
    Target { name: "sync_changes", attack: changes, seeds: changes_seeds, words: PAGE_WORDS };
/// Whatever members sign, rules hold, a refusal changes nothing, and keys are those that the chain names.
pub(crate) const CHAIN: Target = Target { name: "sync_chain", attack: chain, seeds: chain_seeds, words: CHAIN_WORDS };
/// A code leads into the chain that it was made in, and nowhere else.
pub(crate) const OPENED: Target =
    Target { name: "sync_opened", attack: opened, seeds: opened_seeds, words: PAGE_WORDS };
/// Of a policy opens what was sealed, and what is read of it is written so again.
pub(crate) const POLICY: Target =
    Target { name: "shared_policy", attack: policy, seeds: policy_seeds, words: POLICY_WORDS };

const ANSWER_WORDS: &[&str] = &[
    "\"type\":\"about:blank\"",
    "\"title\":",
    "\"status\":403",
    "\"code\":\"forbidden\"",
    "\"detail\":",
    "\\u001b",
    "\\u202e",
    "\"outcome\":\"stored\"",
    "\"current\":null",
    "\"token\":",
    "null",
];
const PAGE_WORDS: &[&str] = &[
    "\"head\":{\"seq\":",
    "\"hash\":",
    "\"entries\":[",
    "\"records\":[",
    "\"body\":",
    "\"signature\":",
    "\"cursor\":",
    "\"more\":true",
    "\"more\":false",
    "\"heartbeat\":null",
    "{\\\"v\\\":1",
];
const CHAIN_WORDS: &[&str] = &[
    "\na{\"kind\":\"rotate\"",
    "\nb{\"kind\":\"withdraw\"",
    "\nr{\"kind\":\"add_device\"",
    "\"kind\":\"remove\"",
    "\"kind\":\"set_role\"",
    "\"kind\":\"set_policy\"",
    "\"role\":\"admin\"",
    "\"role\":\"member\"",
    "\"scopes\":[]",
    "\"seals\":[]",
    "\"previous\":null",
    "\"number\":2",
    "\"version\":1",
];
const POLICY_WORDS: &[&str] = &[
    "\"v\":1",
    "\"epoch\":1",
    "\"whole\":",
    "\"scopes\":[[",
    "\"format\":1",
    "\"projects\":[",
    "\"grants\":[",
    "\"allowlist\":[",
    "\"machines\":[",
    "\"policy\":",
];

static CAST: LazyLock<Cast> = LazyLock::new(|| file!("cast.json"));
static FROZEN: LazyLock<ChainFile> = LazyLock::new(|| file!("chain.json"));
static RECORDS: LazyLock<RecordFile> = LazyLock::new(|| file!("records.json"));
/// The chain after no entry, after one, and so on.
static CHAINS: LazyLock<Vec<Chain>> =
    LazyLock::new(|| (0..=FROZEN.entries.len()).map(|entries| FROZEN.chain(CAST.workspace, entries)).collect());
static ORIGIN: LazyLock<Origin> = LazyLock::new(|| parse_server(&CAST.server).expect("an origin"));

fn good(body: &[u8]) -> OwnAnswer {
    OwnAnswer { status: StatusCode::OK, body: Bytes::copy_from_slice(body) }
}

/// What is read is the same when it is written and read again.
fn read_twice<T: DeserializeOwned + Serialize + PartialEq + Debug>(answer: &OwnAnswer) -> Result<T, Refused> {
    let first: T = read(&ORIGIN, answer)?;
    let written = serde_json::to_vec(&first).expect("plain data");
    assert_eq!(read::<T>(&ORIGIN, &good(&written)).ok().as_ref(), Some(&first), "it reads otherwise");
    Ok(first)
}

/// A status, which answer it is, and the body.
fn answer(data: &[u8]) {
    let mut input = Input::new(data);
    let status = [200, 201, 204, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503];
    let status = status[usize::from(input.byte()) % status.len()];
    let (which, body) = (input.byte() % 12, input.rest());
    let status = StatusCode::from_u16(status).expect("a status");
    let answer = OwnAnswer { status, body: Bytes::copy_from_slice(body) };
    let refused = match which {
        0 => read_twice::<RegisterStarted>(&answer).err(),
        1 => read_twice::<LoginStarted>(&answer).err(),
        2 => read_twice::<LoggedIn>(&answer).err(),
        3 => read_twice::<Account>(&answer).err(),
        4 => read_twice::<Session>(&answer).err(),
        5 => read_twice::<Workspaces>(&answer).err(),
        6 => read_twice::<Appended>(&answer).err(),
        7 => read_twice::<Opened>(&answer).err(),
        8 => read_twice::<Changes>(&answer).err(),
        9 => read_twice::<Pushed>(&answer).err(),
        10 => read_twice::<History>(&answer).err(),
        _ => read_twice::<Option<()>>(&answer).err(),
    };
    let Some(refused) = refused else {
        assert!(status.is_success(), "a refusal is taken for an answer");
        return;
    };
    if let Refused::Problem(problem) = &refused {
        assert!(!status.is_success() && problem.status == status.as_u16());
    }
    let error = Error::from(refused);
    let shown = error.message();
    assert!(!shown.chars().any(char::is_control) && shown.chars().count() < 500, "a server says too much");
}

fn answer_seeds() -> Vec<Vec<u8>> {
    let with = |status: u8, which: u8, body: &[u8]| [&[status, which][..], body].concat();
    let text = |value: &serde_json::Value| value.to_string();
    let account: serde_json::Value = file!("account.json");
    let account = serde_json::json!({
        "account": account["account"], "signing": account["signing"], "receiving": account["receiving"],
        "sealed": account["sealed"], "recovery": account["recovery"], "recovery_key": account["signing"],
    });
    let session = serde_json::json!({"token": "a token", "expires": BEGINNING});
    let login = serde_json::json!({"login": CAST.workspace, "response": "AAAA"});
    let head = head(FROZEN.entries.len());
    let workspaces = serde_json::json!({"workspaces": [{"workspace": CAST.workspace, "head": head, "cursor": 7}]});
    let record = &RECORDS.records[0].record;
    let pushed = serde_json::json!({"outcomes": [
        {"outcome": "stored"}, {"outcome": "conflict", "current": null}, {"outcome": "conflict", "current": record},
    ], "cursor": 7});
    let history = serde_json::json!({"records": [record]});
    let problem = serde_json::to_value(Problem::new(agentsecrets_wire::Code::Forbidden).with_detail("of yours"));
    let hostile = "of yours\u{1b}[2J\nhint: \u{202e}".repeat(40);
    let hostile = serde_json::to_value(Problem::new(agentsecrets_wire::Code::Forbidden).with_detail(hostile));
    vec![
        with(0, 0, text(&serde_json::json!({"response": "AAAA"})).as_bytes()),
        with(0, 1, text(&login).as_bytes()),
        with(0, 2, text(&serde_json::json!({"session": session, "account": account})).as_bytes()),
        with(0, 3, text(&account).as_bytes()),
        with(0, 4, text(&session).as_bytes()),
        with(0, 5, text(&workspaces).as_bytes()),
        with(1, 6, text(&serde_json::json!({"head": head})).as_bytes()),
        with(0, 9, text(&pushed).as_bytes()),
        with(0, 10, text(&history).as_bytes()),
        with(2, 11, b""),
        with(5, 6, text(&problem.expect("JSON")).as_bytes()),
        with(5, 6, text(&hostile.expect("JSON")).as_bytes()),
    ]
}

fn head(entries: usize) -> Head {
    CHAINS[entries].head().expect("an end")
}

fn page(from: usize, to: usize) -> Changes {
    let records = RECORDS.records.iter().map(|case| case.record.clone());
    let seen =
        |record: &Signed<_>| record.parse().is_ok_and(|record: agentsecrets_wire::Record| record.head.seq <= to as u64);
    Changes {
        head: head(to),
        entries: FROZEN.entries[from..to].iter().map(|case| case.entry.clone()).collect(),
        // No fuzzer takes a seed that is longer than what it makes itself.
        records: records.filter(seen).take(2).collect(),
        cursor: 7,
        more: false,
        heartbeat: (to == FROZEN.entries.len()).then(|| FROZEN.heartbeat.clone()),
    }
}

/// How much of the chain was seen, and a page.
fn changes(data: &[u8]) {
    let mut input = Input::new(data);
    let seen = usize::from(input.byte()) % CHAINS.len();
    let Ok(page) = read_twice::<Changes>(&good(input.rest())) else { return };
    let mut chain = CHAINS[seen].clone();
    let known = (seen > 0).then(|| Known { cursor: 3, ..Known::new(head(seen)) });
    let (end, cursor, more) = (page.head, page.cursor, page.more);
    match accept(&mut chain, known, page) {
        Ok(known) => {
            let entries = chain.entries().len();
            let frozen = FROZEN.entries[..entries].iter().map(|case| &case.entry);
            assert!(chain.entries().iter().eq(frozen), "an entry counts that no member signed");
            let written = |one: &Signed<_>| RECORDS.records.iter().any(|case| case.record == *one);
            assert!(known.waiting.iter().all(written), "a record counts that no member signed");
            let beat = FROZEN.heartbeat.parse().expect("a sign of life").time;
            assert!(known.heard.is_none_or(|heard| heard == beat), "a sign of life counts that no admin gave");
            assert!(entries >= seen && known.head == head(entries) && known.cursor == cursor);
            assert!(more || known.head == end, "a shorter chain is taken for the whole");
        }
        Err(why) => assert!(is_the_servers(why.code()), "{why}"),
    }
}

/// Whether an error says that it is the server that does wrong.
fn is_the_servers(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ChainInvalid
            | ErrorCode::ChainForked
            | ErrorCode::ChainRolledBack
            | ErrorCode::RecordInvalid
            | ErrorCode::SyncRefused
    )
}

fn changes_seeds() -> Vec<Vec<u8>> {
    let seed = |from: usize, page: &Changes| {
        let page = serde_json::to_vec(page).expect("plain data");
        [&[u8::try_from(from).expect("few")][..], &page].concat()
    };
    let last = FROZEN.entries.len();
    let honest = [(0, 1), (3, 6), (last, last), (last - 1, last)].map(|(from, to)| seed(from, &page(from, to)));
    // A server that lies: another end, entries or records left out or of another time, a shorter chain.
    let mut lies = [page(3, 6), page(3, 6), page(3, 6), page(last, last), page(2, 3)];
    lies[0].head.hash = [1; 32].into();
    lies[1].entries.remove(1);
    lies[2].entries.truncate(2);
    lies[3].heartbeat = None;
    let from = [3, 3, 3, 1, 5];
    honest.into_iter().chain(lies.iter().zip(from).map(|(page, from)| seed(from, page))).collect()
}

/// How much of the chain is there, and acts, each on a line behind the letter of who signs it.
fn chain(data: &[u8]) {
    let mut input = Input::new(data);
    let mut chain = CHAINS[usize::from(input.byte()) % CHAINS.len()].clone();
    for line in input.rest().split(|byte| *byte == b'\n').take(12) {
        let Some((who, text)) = line.split_first() else { continue };
        let person = CAST.people.iter().find(|(name, _)| name.as_bytes()[0] == *who);
        let person = person.map_or(&CAST.people["anna"], |(_, person)| person);
        let Some(entry) = signed(&chain, person, text) else { continue };
        let before = (chain.state().clone(), chain.entries().len());
        match chain.extend(vec![entry.clone()]) {
            Ok(()) => holds(&before.0, chain.state(), &entry.parse().expect("an entry that counts")),
            Err(why) => {
                assert_eq!(why.code(), ErrorCode::ChainInvalid);
                assert_eq!(
                    (chain.state(), chain.entries().len()),
                    (&before.0, before.1),
                    "a refusal changes something"
                );
            }
        }
    }
    read_by_everybody(&chain);
}

/// An act as the next entry; what is none is signed as it is.
fn signed(chain: &Chain, person: &Person, text: &[u8]) -> Option<Signed<Entry>> {
    let sign = |bytes: &[u8]| person.signing().sign(bytes);
    if let Ok(act) = serde_json::from_slice::<Act>(text) {
        let minutes = i64::try_from(chain.seq()).expect("few entries");
        let entry = chain.next(person.account, BEGINNING + SignedDuration::from_mins(minutes), act);
        return Some(Signed::make(&entry, sign));
    }
    let text = std::str::from_utf8(text).ok()?.to_owned();
    let unsigned = Signed::<Entry>::from_parts(text.clone(), FROZEN.entries[0].entry.signature);
    // A statement is text in a signature, whatever it says.
    let signature = unsigned.parse().map_or(unsigned.signature, |entry| Signed::make(&entry, sign).signature);
    Some(Signed::from_parts(text, signature))
}

/// What is so after every entry that counts.
fn holds(before: &State, after: &State, entry: &Entry) {
    assert!(after.members().any(|(_, member)| member.role == Role::Admin), "nobody is admin");
    assert_eq!(after.head().map(|head| head.seq), Some(before.head().map_or(1, |head| head.seq + 1)));
    let begins = matches!(entry.act, Act::Genesis { .. } | Act::Remove { .. } | Act::Rotate { .. });
    assert_eq!(after.epoch(), before.epoch() + u64::from(begins), "an epoch is left out");
    let policy = matches!(entry.act, Act::SetPolicy { .. });
    assert_eq!(after.policy(), before.policy() + u64::from(policy));
    assert!(after.devices().all(|(_, device)| after.member(&device.account).is_some()), "a device is nobody's");
    let role = before.member(&entry.author).map(|author| author.role);
    let allowed = match &entry.act {
        Act::Genesis { .. } => before.head().is_none(),
        Act::Join { invite, .. } => role.is_none() && before.invites().any(|(id, _)| id == invite),
        Act::AddDevice { .. } => role >= Some(Role::Member),
        Act::RemoveDevice { device } => {
            let own = before.device(device).is_some_and(|device| device.account == entry.author);
            role == Some(Role::Admin) || (role.is_some() && own)
        }
        _ => role == Some(Role::Admin),
    };
    assert!(allowed, "who has no right to it changes the chain");
    let machine = |state: &State| state.members().filter(|(_, member)| member.role == Role::Machine).count();
    assert!(machine(after) <= machine(before) || matches!(entry.act, Act::Join { .. }), "a member becomes a machine");
}

/// Everybody opens what is sealed to them, or says why not.
fn read_by_everybody(chain: &Chain) {
    let workspace = chain.state().workspace();
    for person in CAST.people.values() {
        let Ok(ring) = Ring::open(chain, person.account, &person.receiving()) else { continue };
        for epoch in 1..=chain.state().epoch() {
            let Ok(key) = ring.epoch_key(epoch) else { continue };
            assert_eq!(
                Some(key.commitment(workspace)),
                chain.state().commitment(epoch),
                "another key than the others'"
            );
        }
        if let Ok(Some(opened)) = open_policy(chain, &ring) {
            assert_eq!(opened.version, chain.state().policy());
        }
        for entry in chain.said() {
            let (Act::Genesis { member, .. } | Act::Join { member, .. }) = &entry.act else { continue };
            let (epoch, scope) = (|epoch| ring.epoch_key(epoch).ok(), |epoch, scope| ring.scope_key(epoch, scope).ok());
            let label = open_label(workspace, member.account, member.label.as_bytes(), epoch, scope);
            assert!(!label.is_some_and(|label| label.chars().any(char::is_control)));
        }
    }
}

fn chain_seeds() -> Vec<Vec<u8>> {
    let line = |at: usize, by: &str| {
        let act = serde_json::to_string(&FROZEN.entries[at].entry.parse().expect("an entry").act).expect("plain data");
        format!("{}{act}\n", &by[..1])
    };
    let seed = |from: usize, acts: &[usize]| {
        let lines: String = acts.iter().map(|at| line(*at, &FROZEN.entries[*at].by)).collect();
        [&[u8::try_from(from).expect("few")][..], lines.as_bytes()].concat()
    };
    // Each is tried by a machine, too, where it would be the next one.
    let usurped = (5..FROZEN.entries.len())
        .map(|at| [&[u8::try_from(at).expect("few")][..], line(at, "robot").as_bytes()].concat());
    let whole = [&[0][..], b"a", FROZEN.entries[0].entry.body.as_bytes()].concat();
    vec![
        seed(0, &[0]),
        seed(1, &[1, 2]),
        seed(3, &[3, 4]),
        seed(5, &[5]),
        seed(5, &[6, 7, 8, 9]),
        seed(9, &[9, 10, 11]),
        seed(12, &[12]),
        whole,
    ]
    .into_iter()
    .chain(usurped)
    .collect()
}

/// Whose code, and what the server shows for it.
fn opened(data: &[u8]) {
    let mut input = Input::new(data);
    let (name, made) = [("ben", 1), ("robot", 3), ("cora", 10)][usize::from(input.byte()) % 3];
    let code = CAST.code(name, FROZEN.entries[made - 1].hash);
    let Ok(opened) = read_twice::<Opened>(&good(input.rest())) else { return };
    let frozen = || {
        let entries = FROZEN.entries.iter().map(|case| &case.entry);
        opened.workspace == CAST.workspace && opened.entries.iter().eq(entries.take(opened.entries.len()))
    };
    match opened_invitation(&code, &opened) {
        Ok((chain, key)) => {
            assert!(frozen() && name != "robot", "a code leads into another chain");
            assert_eq!(Some(key.commitment(CAST.workspace)), chain.state().commitment(chain.state().epoch()));
        }
        Err(why) => assert!(is_the_servers(why.code()) || why.code() == ErrorCode::InviteInvalid, "{why}"),
    }
    if let Ok(chain) = verified(&code, &opened) {
        assert!(frozen() && opened.entries.len() >= made, "a code leads into another chain");
        assert_eq!(invitation(&chain, &code).is_ok(), chain.state().invites().any(|(id, _)| *id == code.id()));
    }
}

fn opened_seeds() -> Vec<Vec<u8>> {
    let seed = |(who, entries): (u8, usize)| {
        let entries = FROZEN.entries[..entries].iter().map(|case| case.entry.clone()).collect();
        let opened = Opened { workspace: CAST.workspace, entries };
        [&[who][..], &serde_json::to_vec(&opened).expect("plain data")].concat()
    };
    [(0, 2), (1, 4), (0, 3)].map(seed).into()
}

/// With a zero in front what stands in the chain, else what an admin sealed: for the members, and behind a NUL for the machine.
fn policy(data: &[u8]) {
    let mut input = Input::new(data);
    let (workspace, mode) = (CAST.workspace, input.byte());
    let anna = &CAST.people["anna"];
    let sealed = if mode == 0 {
        input.rest().to_vec()
    } else {
        let (whole, piece) = (input.piece(), input.rest());
        let mut blob = PolicyBlob::seal(workspace, 1, &CAST.epoch(1), whole).expect("sealed");
        blob.add_scope(workspace, 1, &CAST.scope_key(1, "staging"), piece).expect("sealed");
        blob.to_bytes()
    };
    if let Ok(blob) = PolicyBlob::parse(&sealed) {
        let again = PolicyBlob::parse(&blob.to_bytes()).expect("its own bytes");
        assert_eq!((again.to_bytes(), again.epoch()), (blob.to_bytes(), blob.epoch()));
    }
    let mut chain = CHAINS[5].clone();
    let entry = chain.next(anna.account, BEGINNING, Act::SetPolicy { version: 1, sealed: sealed.into() });
    chain.extend(vec![Signed::make(&entry, |bytes| anna.signing().sign(bytes))]).expect("an admin may say it");
    for name in ["anna", "robot"] {
        let person = &CAST.people[name];
        let ring = Ring::open(&chain, person.account, &person.receiving()).expect("keys");
        match open_policy(&chain, &ring) {
            Ok(Some(opened)) => {
                let bytes = opened.policy.to_bytes();
                assert_eq!(SharedPolicy::parse(&bytes).expect("its own bytes").to_bytes(), bytes);
                // Without a key for it, only what was sealed once opens.
                assert!(mode != 0 || name == "robot" || bytes == CAST.policy().to_bytes(), "nobody sealed this");
            }
            Ok(None) => {}
            Err(why) => assert!(matches!(why.code(), ErrorCode::PolicyInvalid | ErrorCode::NotAMember), "{why}"),
        }
    }
}

fn policy_seeds() -> Vec<Vec<u8>> {
    let opened: serde_json::Value = file!("opened.json");
    let sealed: agentsecrets_wire::Blob = serde_json::from_value(opened["policy"]["sealed"].clone()).expect("a blob");
    let whole = CAST.policy().to_bytes();
    let made = |whole: &[u8], piece: &[u8]| [&[9][..], whole, &[0], piece].concat();
    vec![
        [&[0][..], sealed.as_bytes()].concat(),
        made(&whole, &CAST.piece()),
        made(br#"{"format":1,"name":"acme","projects":[]}"#, &CAST.piece()),
    ]
}
