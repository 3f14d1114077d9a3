//! Records: compare and swap, pages, epochs, history.

use agentsecrets_wire::chain::{Act, Head, Role};
use agentsecrets_wire::{Blob, Code, Hash, History, Outcome, Pushed, Record, Signed};

use crate::support::client::sign;
use crate::support::people::{Strict, key, named, random};
use crate::support::{Client, Database, Kind, Person, Server, Team};

pub(crate) async fn of_ten_writers_one_is_stored_each_round(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let mut writers = vec![ann];
    for _ in 0..9 {
        writers.push(team.joined(&client, Role::Member).await);
    }
    let (scope, name) = (named("scope"), named("contested"));
    let mut before: Option<Signed<Record>> = None;
    for round in 1..=5 {
        let records: Vec<_> = writers.iter().map(|who| team.record(who, scope, name, before.as_ref())).collect();
        let pushed =
            writers.iter().zip(&records).map(|(who, record)| team.push(&client, who, std::slice::from_ref(record)));
        let answers = futures_util::future::join_all(pushed).await;
        let outcomes: Vec<Outcome> = answers.iter().map(|answer| answer.ok::<Pushed>().outcomes.remove(0)).collect();
        let won: Vec<usize> = (0..10).filter(|at| outcomes[*at] == Outcome::Stored).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let winner = records[won[0]].clone();
        let told = Outcome::Conflict { current: Some(Box::new(winner.clone())) };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == told).count(), 9, "each is told who was faster");
        // The winner's answer may have been lost: the same push again is answered as the first time.
        team.stores(&client, &writers[won[0]], std::slice::from_ref(&winner)).await;
        before = Some(winner);
    }
    let seen = team.changes(&client, &writers[3], 0, team.head().seq, 10).await;
    assert_eq!((seen.records, seen.cursor), (vec![before.expect("a winner")], 5));
}

pub(crate) async fn a_pull_comes_in_pages_and_only_what_is_new(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    let records: Vec<_> =
        (0..25).map(|n| team.record(&ann, named("scope"), named(&format!("name {n}")), None)).collect();
    assert_eq!(team.stores(&client, &ann, &records).await, 25);
    let (mut since, mut seen) = (0, Vec::new());
    for (count, more) in [(10, true), (10, true), (5, false)] {
        let page = team.changes(&client, &ann, since, 1, 10).await;
        assert_eq!((page.records.len(), page.more), (count, more));
        seen.extend(page.records);
        since = page.cursor;
    }
    assert_eq!((seen, since), (records.clone(), 25));
    let target = team.at("/changes?since=25&after=1");
    let nothing = client.get(&ann.session(), &target).await;
    let etag = nothing.header("etag").to_owned();
    assert!(nothing.ok::<agentsecrets_wire::Changes>().records.is_empty());
    let same = client.get_if_new(&ann.session(), &target, &etag).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let next = team.record(&ann, named("scope"), named("name 3"), Some(&records[3]));
    team.stores(&client, &ann, std::slice::from_ref(&next)).await;
    let answer = client.get_if_new(&ann.session(), &target, &etag).await;
    assert_eq!(answer.ok::<agentsecrets_wire::Changes>().records, vec![next]);
    let all = team.changes(&client, &ann, 0, 0, 1000).await;
    assert_eq!((all.records.len(), all.entries.len(), all.cursor), (25, 1, 26), "the old version is not shown");
    let ahead = team.changes(&client, &ann, 9_999, 9_999, 10).await;
    assert_eq!((ahead.cursor, ahead.more), (26, false), "who has seen more than there is, is told");
}

pub(crate) async fn an_old_epoch_is_refused_and_what_is_stored_stays(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let stored = team.record(&ann, named("scope"), named("name"), None);
    let late = team.record(&ann, named("scope"), named("late"), None);
    team.stores(&client, &ann, std::slice::from_ref(&stored)).await;
    let epoch = team.epoch(&[(ann.account, None)]);
    team.does(&client, &ann, Act::Rotate { epoch }).await;
    assert_eq!(team.push(&client, &ann, &[late]).await.code(), Code::EpochOutdated);
    team.stores(&client, &ann, std::slice::from_ref(&stored)).await;
    let next = team.record(&ann, named("scope"), named("name"), Some(&stored));
    team.stores(&client, &ann, &[next]).await;
    team.stores(&client, &ann, &[stored]).await;
}

pub(crate) async fn a_record_is_its_authors_and_of_this_chain(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let mut team = Team::founded(&client, &ann).await;
    let ben = team.joined(&client, Role::Member).await;
    let right = team.record(&ben, named("scope"), named("name"), None);
    let attempt = async |change: &dyn Fn(&mut Record)| {
        let mut record = right.parse().expect("a record");
        change(&mut record);
        let signed = Signed::make(&record, |message| sign(&ben.device_key, message));
        team.push(&client, &ben, &[signed]).await.code()
    };
    assert_eq!(attempt(&|it| it.author = ann.account).await, Code::Forbidden);
    assert_eq!(attempt(&|it| it.device = ann.device).await, Code::Forbidden);
    assert_eq!(attempt(&|it| it.workspace = uuid::Uuid::new_v4()).await, Code::Malformed);
    assert_eq!(attempt(&|it| it.v = 2).await, Code::Malformed);
    assert_eq!(attempt(&|it| it.version = 0).await, Code::Malformed);
    assert_eq!(attempt(&|it| it.version = 2).await, Code::Malformed, "a second without a first");
    assert_eq!(attempt(&|it| it.epoch = 2).await, Code::Refused);
    assert_eq!(attempt(&|it| it.head = Head { seq: 1, ..it.head }).await, Code::Refused, "before he was there");
    assert_eq!(attempt(&|it| it.head = Head { hash: Hash::from(random()), ..it.head }).await, Code::Refused, "a fork");
    assert_eq!(attempt(&|it| it.head = Head { seq: 99, ..it.head }).await, Code::Refused);
    let record = right.parse().expect("a record");
    let other = key();
    let forged = Signed::make(&record, |message| sign(&other, message));
    assert_eq!(team.push(&client, &ben, &[forged]).await.code(), Code::Forbidden);
    assert_eq!(team.push(&client, &ann, std::slice::from_ref(&right)).await.code(), Code::Forbidden, "another's");
    team.stores(&client, &ben, &[right]).await;
    // A version that skips one is a conflict, not a hole.
    let ahead = Record { version: 3, prev: Some(Hash::from(random())), sealed: Blob(vec![1]), ..record };
    let ahead = Signed::make(&ahead, |message| sign(&ben.device_key, message));
    let pushed: Pushed = team.push(&client, &ben, &[ahead]).await.ok();
    assert!(matches!(pushed.outcomes[0], Outcome::Conflict { current: Some(_) }));
}

pub(crate) async fn twenty_versions_are_kept(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    let (scope, name) = (named("scope"), named("name"));
    let mut versions = vec![team.record(&ann, scope, name, None)];
    for at in 0..24 {
        versions.push(team.record(&ann, scope, name, Some(&versions[at])));
    }
    team.stores(&client, &ann, &versions).await;
    let history: History = client.get(&ann.session(), &team.at(&format!("/records/{scope}/{name}"))).await.ok();
    versions.reverse();
    versions.truncate(20);
    assert_eq!(history.records, versions);
    assert_eq!(versions[0].parse().expect("a record").prev, Some(versions[1].hash(&Strict)));
}
