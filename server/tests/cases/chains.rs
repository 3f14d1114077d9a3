//! Chains: who may append what, and who is there.

use agentsecrets_wire::chain::{Act, Device, Role};
use agentsecrets_wire::{Append, Appended, Beat, Code, Heartbeat, Signed, Workspaces};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use uuid::Uuid;

use crate::support::client::sign;
use crate::support::people::{Strict, key, named, public};
use crate::support::{Client, Database, Kind, Person, Server, Team};

pub(crate) async fn of_ten_writers_one_goes_on_each_round(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    for round in 0..3 {
        let entries: Vec<_> = (0..10)
            .map(|_| {
                team.entry(&ann, Act::AddDevice { device: Device { device: Uuid::new_v4(), key: public(&key()) } })
            })
            .collect();
        let sent = entries.iter().map(|entry| team.send(&client, &ann, entry));
        let answers = futures_util::future::join_all(sent).await;
        let won: Vec<usize> = (0..10).filter(|at| answers[*at].status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let lost = answers.iter().filter(|answer| answer.status != 200);
        assert!(lost.map(|answer| answer.code()).all(|code| code == Code::ChainMoved));
        team.state.apply(&entries[won[0]], &Strict).expect("what won fits");
    }
    assert_eq!(team.changes(&client, &ann, 0, 0, 10).await.entries.len(), 4);
}

pub(crate) async fn the_same_entry_again_is_answered_as_the_first_time(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let genesis = team.changes(&client, &ann, 0, 0, 10).await.entries.remove(0);
    let entry = team.entry(&ann, Act::AddDevice { device: Device { device: Uuid::new_v4(), key: public(&key()) } });
    for _ in 0..2 {
        let done: Appended = team.send(&client, &ann, &entry).await.ok();
        assert_eq!(done.head.seq, 2);
    }
    team.state.apply(&entry, &Strict).expect("it fits");
    let founded = client.call(&ann.session(), Method::POST, "/v1/workspaces", &Append { entry: genesis }).await;
    assert_eq!(founded.ok::<Appended>().head, team.head());
    let another = team.entry(&ann, Act::Withdraw { invite: Uuid::nil() });
    assert_eq!(team.send(&client, &ann, &another).await.code(), Code::Refused, "the rules hold");
}

pub(crate) async fn nobody_comes_in_with_keys_of_another(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut eve = Person::registered(&client, "eve").await;
    let mut team = Team::founded(&client, &ann).await;
    let invite = team.invites(&client, Role::Member, &[]).await;
    let own_key = Person { signing: key(), ..eve.clone() };
    let as_ann = Person { account: ann.account, ..eve.clone() };
    let own_device = Person { device: ann.device, ..eve.clone() };
    for wrong in [own_key, as_ann, own_device] {
        let entry = team.joining(&wrong, &invite);
        let refused = team.send(&client, &eve, &entry).await.code();
        assert_eq!(refused, Code::Forbidden);
    }
    // A workspace of one's own does not make somebody else's device one's own.
    let thief = Person { device: ann.device, device_key: ann.device_key.clone(), ..eve.clone() };
    let mut fake = Team { founder: thief.clone(), state: agentsecrets_wire::chain::State::new(Uuid::new_v4()) };
    let epoch = fake.epoch(&[(thief.account, None)]);
    let entry = fake.entry(&thief, Act::Genesis { member: thief.member(), device: thief.device(), epoch });
    let asked = Append { entry };
    let founded = client.call(&eve.session(), Method::POST, "/v1/workspaces", &asked).await;
    assert_eq!(founded.code(), Code::Forbidden);
    fake.founder = eve.clone();
    let entry = team.joining(&eve, &invite);
    assert_eq!(team.send(&client, &eve, &entry).await.status, 200, "the control");
    assert_eq!(eve.resume(&client).await.status, 200);
}

pub(crate) async fn who_is_no_member_finds_nothing(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let eve = Person::registered(&client, "eve").await;
    let mut team = Team::founded(&client, &ann).await;
    let ben = team.joined(&client, Role::Member).await;
    let record = team.record(&ben, named("scope"), named("name"), None);
    team.stores(&client, &ben, std::slice::from_ref(&record)).await;
    let nowhere = format!("/v1/workspaces/{}/changes", Uuid::new_v4());
    for target in [team.at("/changes"), team.at(&format!("/records/{}/{}", named("scope"), named("name"))), nowhere] {
        assert_eq!(client.get(&eve.session(), &target).await.code(), Code::NotFound, "{target}");
    }
    assert_eq!(team.push(&client, &eve, &[record]).await.code(), Code::NotFound);
    let listed: Workspaces = client.get(&eve.session(), "/v1/workspaces").await.ok();
    assert!(listed.workspaces.is_empty());
    let listed: Workspaces = client.get(&ben.session(), "/v1/workspaces").await.ok();
    assert_eq!(listed.workspaces.iter().map(|it| it.workspace).collect::<Vec<_>>(), [team.state.workspace()]);
    let epoch = team.epoch(&[(ann.account, None)]);
    team.does(&client, &ann, Act::Remove { account: ben.account, epoch }).await;
    assert_eq!(client.get(&ben.session(), &team.at("/changes")).await.code(), Code::NotFound, "removed");
    let listed: Workspaces = client.get(&ben.session(), "/v1/workspaces").await.ok();
    assert!(listed.workspaces.is_empty());
}

pub(crate) async fn a_removed_device_is_out(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let mut laptop = Person { device: Uuid::new_v4(), device_key: key(), ..ann.clone() };
    laptop.login(&client).await;
    assert_eq!(client.get(&laptop.session(), &team.at("/changes")).await.status, 200, "to be added, it has to read");
    let record = team.record(&laptop, named("scope"), named("name"), None);
    assert_eq!(team.push(&client, &laptop, &[record]).await.code(), Code::Forbidden, "but writes nothing");
    team.does(&client, &laptop, Act::AddDevice { device: laptop.device() }).await;
    let record = team.record(&laptop, named("scope"), named("name"), None);
    team.stores(&client, &laptop, &[record]).await;
    team.does(&client, &ann, Act::RemoveDevice { device: laptop.device }).await;
    assert_eq!(client.get(&laptop.session(), &team.at("/changes")).await.code(), Code::Forbidden);
}

pub(crate) async fn a_sign_of_life_is_an_admins(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let ben = team.joined(&client, Role::Member).await;
    let beat = |who: &Person, off: i64| {
        let heartbeat = Heartbeat {
            v: 1,
            workspace: team.state.workspace(),
            author: who.account,
            device: who.device,
            head: team.head(),
            time: Timestamp::now() + SignedDuration::from_secs(off),
        };
        let signed = Signed::make(&heartbeat, |message| sign(&who.device_key, message));
        Beat { heartbeat: signed }
    };
    let send =
        async |who: &Person, beat: Beat| client.call(&who.session(), Method::PUT, &team.at("/heartbeat"), &beat).await;
    assert_eq!(send(&ben, beat(&ben, 0)).await.code(), Code::Forbidden);
    assert_eq!(send(&ben, beat(&ann, 0)).await.code(), Code::Forbidden, "another's");
    assert_eq!(send(&ann, beat(&ann, 3600)).await.code(), Code::ClockSkew, "of the future");
    let newest = beat(&ann, 10);
    send(&ann, newest.clone()).await.done();
    send(&ann, newest.clone()).await.done();
    send(&ann, beat(&ann, 0)).await.done();
    let seen = team.changes(&client, &ben, 0, 0, 10).await.heartbeat;
    assert_eq!(seen, Some(newest.heartbeat), "an older one replaces none");
}
