//! What a crash, a restart of the database or an end leaves behind: every acknowledged write, and nothing half done.

use std::sync::Arc;

use crate::support::client::sign;
use crate::support::people::{Strict, key, named, public};
use crate::support::postgres::Postgres;
use crate::support::process::{check, program};
use crate::support::{Client, Database, Kind, Person, Server, Team};
use agentsecrets_wire::chain::{Act, Device, Role};
use agentsecrets_wire::{Append, Beat, Code, Heartbeat, Outcome, Push, Pushed, Signed};
use jiff::Timestamp;
use reqwest::Method;
use uuid::Uuid;

const OPTIONS: [&str; 4] = ["--logins-per-minute", "1000000", "--requests-per-minute", "1000000"];

/// Writes of every kind, until the server dies of one; has what was acknowledged.
async fn work(client: &Client, ann: &Person, team: &mut Team, stored: &mut Vec<Signed<agentsecrets_wire::Record>>) {
    let session = ann.session();
    for round in 0.. {
        let device = Device { device: Uuid::new_v4(), key: public(&key()) };
        let entry = team.entry(ann, Act::AddDevice { device: device.clone() });
        let asked = Append { entry: entry.clone() };
        let Ok(answer) = client.try_call(&session, Method::POST, &team.at("/chain"), &asked).await else { return };
        answer.ok::<agentsecrets_wire::Appended>();
        team.state.apply(&entry, &Strict).expect("it fits");
        let gone = team.entry(ann, Act::RemoveDevice { device: device.device });
        let asked = Append { entry: gone.clone() };
        let Ok(answer) = client.try_call(&session, Method::POST, &team.at("/chain"), &asked).await else { return };
        answer.ok::<agentsecrets_wire::Appended>();
        team.state.apply(&gone, &Strict).expect("it fits");
        let record = team.record(ann, named("scope"), named(&Uuid::new_v4().to_string()), None);
        let asked = Push { records: vec![record.clone()] };
        let Ok(answer) = client.try_call(&session, Method::POST, &team.at("/records"), &asked).await else { return };
        assert_eq!(answer.ok::<Pushed>().outcomes, [Outcome::Stored]);
        stored.push(record);
        let heartbeat = Heartbeat {
            v: 1,
            workspace: team.state.workspace(),
            author: ann.account,
            device: ann.device,
            head: team.head(),
            time: Timestamp::now(),
        };
        let heartbeat = Signed::make(&heartbeat, |bytes| sign(&ann.device_key, bytes));
        let asked = Beat { heartbeat };
        let Ok(answer) = client.try_call(&session, Method::PUT, &team.at("/heartbeat"), &asked).await else { return };
        answer.done();
        assert!(round < 50, "the fault never came");
    }
}

async fn killed_at_every_write(kind: Kind) {
    let names = program(&Database::new(Kind::Sqlite)).arg("faults").output().expect("it runs").stdout;
    let names = String::from_utf8(names).expect("text");
    let of_writes = |name: &&str| !name.starts_with("account") && !name.starts_with("session");
    let database = Database::new(kind);
    let (mut ann, mut team, mut stored) = {
        let server = Server::start(&database);
        let client = Client::new(&server);
        let ann = Person::registered(&client, "ann").await;
        let team = Team::founded(&client, &ann).await;
        (ann, team, Vec::new())
    };
    for fault in names.lines().filter(of_writes) {
        for count in [1, 2] {
            let server =
                Server::start_with(&database, &OPTIONS, &[("AGENTSECRETS_SERVER_FAULT", &format!("{fault}:{count}"))]);
            work(&Client::new(&server), &ann, &mut team, &mut stored).await;
            let (status, _) = server.ended();
            assert!(!status.success(), "{fault}");
            let (holds, said) = check(&database);
            assert!(holds, "{fault}: {said}");
            let server = Server::start(&database);
            let client = Client::new(&server);
            assert_eq!(ann.resume(&client).await.status, 200, "{fault}");
            team.founder = ann.clone();
            let seen = team.changes(&client, &ann, 0, 0, 1000).await;
            // What was not acknowledged may be there or not.
            assert!(seen.head.seq >= team.head().seq, "{fault}");
            for entry in seen.entries.iter().skip(usize::try_from(team.head().seq).expect("small")) {
                team.state.apply(entry, &Strict).expect("it fits");
            }
            assert!(stored.iter().all(|record| seen.records.contains(record)), "{fault}: a record is lost");
            stored = seen.records;
        }
    }
    assert!(stored.len() > 4, "there were writes");
}

async fn killed_at_registration_and_login(kind: Kind) {
    let database = Database::new(kind);
    let ann = Person::new("ann");
    for (fault, before) in [("account.before", false), ("account.after", true)] {
        let server = Server::start_with(&database, &OPTIONS, &[("AGENTSECRETS_SERVER_FAULT", &format!("{fault}:1"))]);
        let client = Client::new(&server);
        let who = if before { Person::new("ben") } else { ann.clone() };
        let record = who.record(&client, "/v1/accounts/start").await;
        let asked = agentsecrets_wire::Register { email: who.email.clone(), record, account: who.account() };
        let url = format!("http://{}/v1/accounts", server.address);
        let sent = reqwest::Client::new().post(&url).body(serde_json::to_vec(&asked).expect("data")).send().await;
        assert!(sent.is_err(), "{fault}");
        assert!(!server.ended().0.success());
        let server = Server::start(&database);
        // The same again: done now where it was not, and answered alike where it was.
        Client::new(&server).ask(Method::POST, "/v1/accounts", &asked).await.done();
        let mut who = who;
        who.login(&Client::new(&server)).await;
    }
    let mut ann = ann;
    for fault in ["session.before", "session.after"] {
        let server = Server::start_with(&database, &OPTIONS, &[("AGENTSECRETS_SERVER_FAULT", &format!("{fault}:1"))]);
        let client = Client::new(&server);
        let (answer, state) = ann.login_start(&client).await;
        let login = ann.login_finish(&answer.ok(), state).expect("it fits");
        let url = format!("http://{}/v1/login", server.address);
        let sent = reqwest::Client::new().post(&url).body(serde_json::to_vec(&login).expect("data")).send().await;
        assert!(sent.is_err(), "{fault}");
        assert!(!server.ended().0.success());
        let server = Server::start(&database);
        ann.login(&Client::new(&server)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_nothing_acknowledged_is_lost_on_sqlite() {
    killed_at_every_write(Kind::Sqlite).await;
    killed_at_registration_and_login(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_nothing_acknowledged_is_lost_on_postgres() {
    killed_at_every_write(Kind::Postgres).await;
    killed_at_registration_and_login(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_database_serve_one_team() {
    let database = Database::new(Kind::Postgres);
    let servers = [Server::start(&database), Server::start(&database)];
    let clients = servers.each_ref().map(Client::new);
    let mut ann = Person::new("ann");
    ann.register(&clients[0]).await.done();
    // A login that begins at one process ends at the other.
    let (answer, state) = ann.login_start(&clients[0]).await;
    let login = ann.login_finish(&answer.ok(), state).expect("it fits");
    let given: agentsecrets_wire::LoggedIn = clients[1].ask(Method::POST, "/v1/login", &login).await.ok();
    ann.token = given.session.token;
    let mut team = Team::founded(&clients[1], &ann).await;
    let mut writers = vec![ann.clone()];
    for at in 0..9 {
        writers.push(team.joined(&clients[at % 2], Role::Member).await);
    }
    let mut before = None;
    for round in 0..5 {
        let records: Vec<_> =
            writers.iter().map(|who| team.record(who, named("s"), named("n"), before.as_ref())).collect();
        let sent = writers.iter().zip(&records).enumerate();
        let sent = sent.map(|(at, (who, record))| team.push(&clients[at % 2], who, std::slice::from_ref(record)));
        let answers = futures_util::future::join_all(sent).await;
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.ok::<Pushed>().outcomes.remove(0)).collect();
        let won: Vec<usize> = (0..10).filter(|at| outcomes[*at] == Outcome::Stored).collect();
        assert_eq!(won.len(), 1, "round {round}");
        before = Some(records[won[0]].clone());
        let entries: Vec<_> = (0..10)
            .map(|_| {
                team.entry(&ann, Act::AddDevice { device: Device { device: Uuid::new_v4(), key: public(&key()) } })
            })
            .collect();
        let sent = entries.iter().enumerate().map(|(at, entry)| team.send(&clients[at % 2], &ann, entry));
        let answers = futures_util::future::join_all(sent).await;
        let won: Vec<usize> = (0..10).filter(|at| answers[*at].status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let lost = answers.iter().filter(|answer| answer.status != 200);
        assert!(lost.map(|answer| answer.code()).all(|code| code == Code::ChainMoved));
        team.state.apply(&entries[won[0]], &Strict).expect("it fits");
    }
    let (holds, said) = check(&database);
    assert!(holds, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_is_found_again() {
    let postgres = Arc::new(Postgres::start());
    let database = Database::on(postgres.clone());
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    let first = team.record(&ann, named("scope"), named("name"), None);
    team.stores(&client, &ann, std::slice::from_ref(&first)).await;
    postgres.restart();
    let next = team.record(&ann, named("scope"), named("name"), Some(&first));
    // Connections of before may fail once; what was stored stays, and what is sent again is stored once.
    loop {
        let answer = team.push(&client, &ann, std::slice::from_ref(&next)).await;
        if answer.status == 200 {
            assert_eq!(answer.ok::<Pushed>().outcomes, [Outcome::Stored]);
            break;
        }
        assert!(matches!(answer.code(), Code::Unavailable | Code::Internal));
    }
    assert_eq!(team.changes(&client, &ann, 0, 0, 10).await.records, [next]);
    assert_eq!(client.read("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_polite_end_lets_what_runs_finish() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let database = Database::new(Kind::Sqlite);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let begun =
        opaque_ke::ClientLogin::<crate::support::people::Suite>::start(&mut crate::support::people::System, b"x")
            .expect("begun");
    let request = agentsecrets_wire::Blob(begun.message.serialize().to_vec());
    let body = serde_json::to_vec(&agentsecrets_wire::LoginStart { email: ann.email, request }).expect("data");
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.expect("a connection");
    let head = format!("POST /v1/login/start HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&body[..10]).await.expect("sent");
    // What the server has read of it cannot be seen from here; an answer on another connection comes after.
    assert_eq!(client.read("/healthz").await.status, 200);
    server.signal(libc::SIGTERM);
    while !server.log().contains("stopping") {
        tokio::task::yield_now().await;
    }
    stream.write_all(&body[10..]).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer, then the end");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let (status, log) = server.ended();
    assert!(status.success() && log.contains("stopped"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_ends_a_request_is_hung_up_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let database = Database::new(Kind::Sqlite);
    let server = Server::start(&database);
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.expect("a connection");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.expect("sent");
    let mut answer = Vec::new();
    // Ends by the server's doing alone: nothing more is sent, and the connection stays open on this side.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(Client::new(&server).read("/healthz").await.status, 200, "others are served");
}
