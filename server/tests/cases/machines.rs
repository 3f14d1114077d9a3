//! Machines: read a part, write nothing, and have no account.

use agentsecrets_wire::chain::Role;
use agentsecrets_wire::{Appended, Code, Enrol, Open, Opened, Signed, chain::Entry};
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use reqwest::Method;
use uuid::Uuid;

use crate::support::people::{Strict, asked_by, key, named};
use crate::support::{Client, Database, Kind, Person, Server, Team};

pub(crate) async fn a_machine_sees_its_scopes_and_writes_nothing(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let (own, other) = (named("production"), named("staging"));
    let records: Vec<_> = (0..6)
        .map(|n| team.record(&ann, if n % 2 == 0 { own } else { other }, named(&format!("name {n}")), None))
        .collect();
    team.stores(&client, &ann, &records).await;
    let invite = team.invites(&client, Role::Machine, &[own]).await;
    let mut machine = Person::machine();
    let entry = team.joining(&machine, &invite);
    let done: Appended = client.ask(Method::POST, &path(&invite, "join"), &enrol(&invite, &entry)).await.ok();
    assert_eq!(team.state.apply(&entry, &Strict), Ok(done.head));
    assert_eq!(machine.resume(&client).await.status, 200);
    let seen = team.changes(&client, &machine, 0, 0, 2).await;
    assert!(seen.more);
    let rest = team.changes(&client, &machine, seen.cursor, 3, 2).await;
    let shown: Vec<_> = seen.records.iter().chain(&rest.records).cloned().collect();
    assert_eq!(shown, records.iter().step_by(2).cloned().collect::<Vec<_>>(), "its own scope's");
    assert_eq!((rest.more, rest.cursor), (false, 6));
    let history = |scope, name: &str| team.at(&format!("/records/{scope}/{}", named(name)));
    assert_eq!(client.get(&machine.session(), &history(own, "name 0")).await.status, 200);
    assert_eq!(client.get(&machine.session(), &history(other, "name 1")).await.code(), Code::NotFound);
    assert_eq!(client.get(&ann.session(), &history(other, "name 1")).await.status, 200, "the control");
    let record = team.record(&machine, own, named("new"), None);
    assert_eq!(team.push(&client, &machine, &[record]).await.code(), Code::Forbidden);
}

pub(crate) async fn a_machine_joins_by_its_code_alone(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let person = team.invites(&client, Role::Member, &[]).await;
    let invite = team.invites(&client, Role::Machine, &[named("production")]).await;
    let time = Timestamp::now().as_second();
    let open = |key: &SigningKey, act: &str| Open { time, signature: asked_by(key, &path(&invite, act), time) };
    let opened: Opened = client.ask(Method::POST, &path(&invite, "open"), &open(&invite.1, "open")).await.ok();
    assert_eq!((opened.workspace, opened.entries.len()), (team.state.workspace(), 3));
    let refused = client.ask(Method::POST, &path(&invite, "open"), &open(&key(), "open")).await;
    assert_eq!(refused.code(), Code::NotFound);
    let refused = client.ask(Method::POST, &path(&invite, "open"), &open(&invite.1, "join")).await;
    assert_eq!(refused.code(), Code::NotFound, "a proof of another path");
    let join = async |which: &(Uuid, SigningKey), entry: &Signed<Entry>| {
        client.ask(Method::POST, &path(which, "join"), &enrol(which, entry)).await
    };
    let machine = Person::machine();
    let entry = team.joining(&machine, &invite);
    let wrong = (invite.0, key());
    assert_eq!(join(&wrong, &entry).await.code(), Code::NotFound, "without the code");
    let as_ann = team.joining(&Person { account: ann.account, ..Person::machine() }, &invite);
    assert_eq!(join(&invite, &as_ann).await.code(), Code::Refused, "by the id of an account");
    let somebody = Person::new("ben");
    let sneaky = team.joining(&somebody, &person);
    assert_eq!(join(&person, &sneaky).await.code(), Code::Forbidden, "a person without an account");
    for _ in 0..2 {
        assert_eq!(join(&invite, &entry).await.status, 200, "and the same again");
    }
    team.state.apply(&entry, &Strict).expect("it fits");
    let another = team.joining(&Person::machine(), &invite);
    assert_eq!(join(&invite, &another).await.code(), Code::NotFound, "once");
    let as_machine = Person { account: machine.account, ..Person::new("eve") };
    assert_eq!(as_machine.register(&client).await.code(), Code::Taken, "nobody registers by its id");
}

fn path(invite: &(Uuid, SigningKey), act: &str) -> String {
    format!("/v1/invites/{}/{act}", invite.0)
}

fn enrol(invite: &(Uuid, SigningKey), entry: &Signed<Entry>) -> Enrol {
    let time = Timestamp::now().as_second();
    Enrol { time, signature: asked_by(&invite.1, &path(invite, "join"), time), entry: entry.clone() }
}
