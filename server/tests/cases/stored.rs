//! What lies in the database, and what is logged.

use agentsecrets_wire::Blob;
use agentsecrets_wire::chain::{Act, Role};

use crate::support::people::{named, random};
use crate::support::process::check;
use crate::support::{Client, Database, Kind, Person, Server, Team};

pub(crate) async fn a_database_that_was_changed_is_found_out(kind: Kind) {
    for change in [
        "UPDATE records SET body = replace(body, '\"gone\":false', '\"gone\":true') WHERE version = 2",
        "UPDATE records SET latest = 0",
        "DELETE FROM records WHERE version = 2",
        "UPDATE records SET version = 9, cursor = 9 WHERE version = 2",
        "UPDATE entries SET body = replace(body, '\"role\":\"member\"', '\"role\":\"admin\"')",
        "DELETE FROM entries WHERE seq = 3",
        "UPDATE workspaces SET seq = 2",
        "UPDATE workspaces SET cursor = 1",
    ] {
        let database = Database::new(kind);
        {
            let server = Server::start(&database);
            let client = Client::new(&server);
            let ann = Person::registered(&client, "ann").await;
            let mut team = Team::founded(&client, &ann).await;
            let ben = team.joined(&client, Role::Member).await;
            let first = team.record(&ann, named("scope"), named("name"), None);
            let second = team.record(&ben, named("scope"), named("name"), Some(&first));
            team.stores(&client, &ben, &[]).await;
            team.stores(&client, &ann, &[first]).await;
            team.stores(&client, &ben, &[second]).await;
        }
        let (holds, said) = check(&database);
        assert!(holds && said.contains("1 workspaces, 3 entries and 2 records hold"), "{said}");
        database.execute(change).await;
        let (holds, said) = check(&database);
        assert!(!holds && said.contains("workspace"), "{change}: {said}");
    }
}

pub(crate) async fn nothing_that_should_be_unknown_is_stored_or_logged(kind: Kind) {
    let database = Database::new(kind);
    let marks = random::<12>().map(|byte| format!("{byte:02x}")).concat();
    let (email, password) = (format!("canary-{marks}"), format!("password-{marks}"));
    let mut logs = String::new();
    let mut ann = Person::new(&email);
    ann.password = password.clone().into_bytes();
    let mut control = Vec::new();
    let server = Server::start(&database);
    {
        let client = Client::new(&server);
        ann.register(&client).await.done();
        ann.login(&client).await;
        let mut team = Team::founded(&client, &ann).await;
        let label = Blob(format!("label-{marks}").into_bytes());
        control.push(serde_json::to_string(&label).expect("text").trim_matches('"').to_owned());
        team.does(&client, &ann, Act::SetPolicy { version: 1, sealed: label }).await;
        let wrong = client.ask(reqwest::Method::POST, "/v1/login/start", &password).await;
        assert_eq!(wrong.status, 400);
    }
    logs.push_str(&server.log());
    server.signal(libc::SIGTERM);
    logs.push_str(&server.ended().1);
    let stored = database.bytes();
    let finds = |text: &str| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let base64 = serde_json::to_string(&Blob(text.as_bytes().to_vec())).expect("text");
        let inner = base64.trim_matches('"');
        // The last letters of base64 depend on what follows.
        let forms = [text, hex.as_str(), &inner[..inner.len() - 2]];
        forms.iter().any(|form| stored.windows(form.len()).any(|window| window == form.as_bytes()))
    };
    for control in &control {
        assert!(finds(control), "the search finds what is there");
    }
    for secret in [&email, &ann.email, &password, &ann.token] {
        assert!(!finds(secret), "it is in the database");
        assert!(!logs.contains(secret.as_str()), "it is in the log");
    }
    assert!(logs.contains(&ann.account.to_string()), "the log is the one that was written");
}
