//! Accounts: registration, login, other passwords.

use agentsecrets_wire::{Account, Blob, Code, LoginStart, LoginStarted, Recovery, RecoveryOpen, Rekey};
use jiff::Timestamp;
use opaque_ke::ClientLogin;
use reqwest::Method;

use crate::support::people::{Suite, System, asked_by, key};
use crate::support::{Client, Database, Kind, Person, Server};

pub(crate) async fn who_registers_logs_in(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let mut ann = Person::new("ann");
    ann.register(&client).await.done();
    let given = ann.login(&client).await;
    assert_eq!(given.account.account, ann.account);
    assert_eq!(client.get(&ann.session(), "/v1/workspaces").await.status, 200);
    let right = std::mem::replace(&mut ann.password, b"another".to_vec());
    let (answer, state) = ann.login_start(&client).await;
    assert!(ann.login_finish(&answer.ok(), state).is_none(), "the wrong password fits nothing");
    // Even who has the right password proves it anew each time: a finalization is of one login.
    ann.password = right;
    let (answer, state) = ann.login_start(&client).await;
    let login = ann.login_finish(&answer.ok(), state).expect("the password fits");
    let (other, _) = ann.login_start(&client).await;
    let mixed = agentsecrets_wire::Login { login: other.ok::<LoginStarted>().login, ..login.clone() };
    assert_eq!(client.ask(Method::POST, "/v1/login", &mixed).await.code(), Code::WrongCredentials);
    assert_eq!(client.ask(Method::POST, "/v1/login", &login).await.status, 200, "the control");
    assert_eq!(client.ask(Method::POST, "/v1/login", &login).await.code(), Code::WrongCredentials, "once");
}

pub(crate) async fn an_address_has_one_account(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::new("ann");
    let record = ann.record(&client, "/v1/accounts/start").await;
    let asked = agentsecrets_wire::Register { email: ann.email.clone(), record, account: ann.account() };
    client.ask(Method::POST, "/v1/accounts", &asked).await.done();
    client.ask(Method::POST, "/v1/accounts", &asked).await.done();
    assert_eq!(ann.register(&client).await.code(), Code::Taken, "the same address with another password");
    let thief = Person { account: ann.account, ..Person::new("thief") };
    assert_eq!(thief.register(&client).await.code(), Code::Taken, "another address with the same account");
    for email in ["Ann@example.test", "ann", "@example.test", "ann@", "a b@example.test", ""] {
        let asked = LoginStart { email: email.into(), request: Blob::default() };
        assert_eq!(client.ask(Method::POST, "/v1/login/start", &asked).await.code(), Code::Malformed, "{email}");
    }
}

pub(crate) async fn a_stranger_cannot_tell_whether_an_address_has_an_account(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let nobody = Person::new("bob");
    let mut seen = Vec::new();
    for person in [&ann, &nobody] {
        let begun = ClientLogin::<Suite>::start(&mut System, b"a guess").expect("begun");
        let asked = LoginStart { email: person.email.clone(), request: Blob(begun.message.serialize().to_vec()) };
        let answer = client.ask(Method::POST, "/v1/login/start", &asked).await;
        let started: LoginStarted = answer.ok();
        let again: LoginStarted = client.ask(Method::POST, "/v1/login/start", &asked).await.ok();
        // What the same request leads to twice is the same part of the answer: the evaluated element.
        let element = started.response.as_bytes()[..32] == again.response.as_bytes()[..32];
        let finalization = Blob(vec![7; 64]);
        let login = agentsecrets_wire::Login { login: started.login, finalization, device: person.device() };
        let refused = client.ask(Method::POST, "/v1/login", &login).await;
        let recovery = recovery_open(person, &key());
        let shut = client.ask(Method::POST, "/v1/recovery/open", &recovery).await;
        let names = |headers: &reqwest::header::HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        seen.push((
            (answer.status, names(&answer.headers), answer.body.len(), element),
            (refused.status, names(&refused.headers), refused.body),
            (shut.status, names(&shut.headers), shut.body),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0.3, "an address leads to one key");
    let control = client.ask(Method::POST, "/v1/recovery/open", &recovery_open(&ann, &ann.recovery)).await;
    assert_eq!(control.status, 200, "the code opens");
}

pub(crate) async fn another_password_ends_the_other_sessions(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let mut ann = Person::registered(&client, "ann").await;
    let first = ann.session();
    ann.login(&client).await;
    let second = ann.session();
    ann.password = b"the next one".to_vec();
    let record = ann.record(&client, "/v1/accounts/start").await;
    let asked = |email: &str, account: Account| Rekey { email: email.into(), record: record.clone(), account };
    let stranger = Account { signing: Person::new("eve").account().signing, ..ann.account() };
    for wrong in [asked("eve@example.test", ann.account()), asked(&ann.email, stranger)] {
        assert_eq!(client.call(&second, Method::PUT, "/v1/account", &wrong).await.code(), Code::Forbidden);
    }
    let right = asked(&ann.email, ann.account());
    client.call(&second, Method::PUT, "/v1/account", &right).await.done();
    assert_eq!(client.get(&first, "/v1/workspaces").await.code(), Code::Unauthenticated);
    assert_eq!(client.get(&second, "/v1/workspaces").await.status, 200);
    assert_eq!(ann.login(&client).await.account.sealed, right.account.sealed);
}

pub(crate) async fn a_recovery_code_replaces_a_forgotten_password(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let mut ann = Person::registered(&client, "ann").await;
    let before = ann.session();
    let opened: Account = client.ask(Method::POST, "/v1/recovery/open", &recovery_open(&ann, &ann.recovery)).await.ok();
    assert_eq!(opened.account, ann.account);
    ann.password = b"the next one".to_vec();
    let record = ann.record(&client, "/v1/recovery/start").await;
    let time = Timestamp::now().as_second();
    let asked = |code| {
        let signature = asked_by(code, "/v1/recovery", time);
        Recovery { email: ann.email.clone(), record: record.clone(), account: ann.account(), time, signature }
    };
    let another = key();
    assert_eq!(client.ask(Method::POST, "/v1/recovery", &asked(&another)).await.code(), Code::WrongCredentials);
    let of_another_path = asked_by(&ann.recovery, "/v1/recovery/open", time);
    let moved = Recovery { signature: of_another_path, ..asked(&another) };
    assert_eq!(client.ask(Method::POST, "/v1/recovery", &moved).await.code(), Code::WrongCredentials);
    assert_eq!(client.get(&before, "/v1/workspaces").await.status, 200, "nothing happened yet");
    client.ask(Method::POST, "/v1/recovery", &asked(&ann.recovery)).await.done();
    assert_eq!(client.get(&before, "/v1/workspaces").await.code(), Code::Unauthenticated);
    ann.login(&client).await;
}

fn recovery_open(person: &Person, code: &ed25519_dalek::SigningKey) -> RecoveryOpen {
    let time = Timestamp::now().as_second();
    RecoveryOpen { email: person.email.clone(), time, signature: asked_by(code, "/v1/recovery/open", time) }
}
