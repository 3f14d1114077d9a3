//! Sizes, rates, and what the server says of itself.

use agentsecrets_wire::{Code, LoginStart, Push, limits};
use opaque_ke::ClientLogin;
use reqwest::Method;

use crate::support::people::{Suite, System, named};
use crate::support::process::program;
use crate::support::{Client, Database, Kind, Person, Server, Team};

pub(crate) async fn what_is_too_large_is_refused(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    let session = ann.session();
    let large = "x".repeat(limits::BODY + 1);
    assert_eq!(client.call(&session, Method::POST, &team.at("/records"), &large).await.code(), Code::TooLarge);
    assert_eq!(client.ask(Method::POST, "/v1/login", &large).await.code(), Code::TooLarge, "without a session, too");
    let one = team.record(&ann, named("scope"), named("name"), None);
    let many = Push { records: vec![one.clone(); limits::PUSH + 1] };
    assert_eq!(client.call(&session, Method::POST, &team.at("/records"), &many).await.code(), Code::TooLarge);
    let most = Push { records: vec![one; limits::PUSH] };
    assert_eq!(client.call(&session, Method::POST, &team.at("/records"), &most).await.status, 200, "the control");
}

pub(crate) async fn guessing_is_slowed_down(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start_with(&database, &["--logins-per-minute", "5", "--requests-per-minute", "50"], &[]);
    let client = Client::new(&server);
    let (ann, ben) = (Person::new("ann"), Person::new("ben"));
    let begin = async |person: &Person| {
        let begun = ClientLogin::<Suite>::start(&mut System, b"a guess").expect("begun");
        let request = agentsecrets_wire::Blob(begun.message.serialize().to_vec());
        client.ask(Method::POST, "/v1/login/start", &LoginStart { email: person.email.clone(), request }).await
    };
    let mut answers = Vec::new();
    // A minute may begin in between: then the counters do, too.
    for _ in 0..11 {
        answers.push(begin(&ann).await);
    }
    let refused = answers.iter().find(|answer| answer.status == 429).expect("slowed down");
    assert_eq!(refused.code(), Code::TooManyRequests);
    let after: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&after));
    assert_eq!(answers[0].status, 200);
    assert_eq!(begin(&ben).await.status, 200, "another account is not");
    let mut refused = 0;
    for _ in 0..1200 {
        refused += u32::from(client.read("/v1/workspaces").await.status == 429);
    }
    assert!(refused > 0, "nor may one address ask for everything");
}

pub(crate) async fn registration_can_be_closed(kind: Kind) {
    let database = Database::new(kind);
    let ann = {
        let server = Server::start(&database);
        Person::registered(&Client::new(&server), "ann").await
    };
    let server = Server::start_with(&database, &["--registration", "closed"], &[]);
    let client = Client::new(&server);
    assert_eq!(Person::new("ben").register(&client).await.code(), Code::Forbidden);
    let mut ann = ann;
    ann.login(&client).await;
}

pub(crate) async fn the_document_is_the_one_that_is_served(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let served = client.read("/openapi.json").await.body;
    let printed = program(&database).arg("openapi").output().expect("it runs").stdout;
    assert!(served == printed, "one document");
    assert!(served == include_bytes!("../../openapi.json"), "agentsecrets-server openapi > server/openapi.json");
    assert_eq!((client.read("/healthz").await.status, client.read("/readyz").await.status), (200, 200));
    let metrics = String::from_utf8(client.read("/metrics").await.body).expect("text");
    assert!(metrics.contains("agentsecrets_server_requests_total{route=\"/healthz\",status=\"200\"} 1"), "{metrics}");
    assert_eq!(client.read("/v1/nothing").await.code(), Code::NotFound);
    for target in ["/v1/workspaces/1/changes", "/v1/workspaces/00000000-0000-0000-0000-000000000000/changes?since=-1"] {
        assert_eq!(client.read(target).await.code(), Code::Malformed, "{target}");
    }
}
