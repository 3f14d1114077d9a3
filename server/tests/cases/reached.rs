//! How the server is reached: by TLS, through a proxy, as one of several processes.

use agentsecrets_wire::{Blob, Code, LoginStart};
use opaque_ke::ClientLogin;
use reqwest::Method;

use crate::support::people::{Suite, System, named};
use crate::support::{Answer, Client, Database, Kind, Person, Server, Team};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_makes_it_speak_tls_alone() {
    let database = Database::new(Kind::Sqlite);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (database.folder().join("cert.pem"), database.folder().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
    let server = Server::start_with(&database, &["--tls-cert", &cert, "--tls-key", &key], &[]);
    let client = Client::with_tls(&server, made.cert.pem().as_bytes());
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    team.stores(&client, &ann, &[team.record(&ann, named("scope"), named("name"), None)]).await;
    let plain = reqwest::get(format!("http://{}/healthz", server.address)).await;
    assert!(plain.is_err(), "in cleartext there is no answer");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let stranger = Client::with_tls(&server, other.cert.pem().as_bytes());
    assert!(stranger.try_call(&ann.session(), Method::GET, "/v1/workspaces", &()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxys_word_counts_where_it_is_believed() {
    for (options, told_apart) in
        [(["--logins-per-minute", "1", "--trust-proxy"].as_slice(), true), (&["--logins-per-minute", "1"], false)]
    {
        let database = Database::new(Kind::Sqlite);
        let server = Server::start_with(&database, options, &[]);
        let (here, there) =
            (Client::behind_proxy(&server, "198.51.100.1"), Client::behind_proxy(&server, "9.9.9.9, 198.51.100.2"));
        // Ten of one address in a minute, twice in case a minute begins in between.
        let mut refused = false;
        for _ in 0..21 {
            refused |= begin(&here, &Person::new("ann")).await.status == 429;
        }
        assert!(refused);
        assert_eq!(begin(&there, &Person::new("ann")).await.status == 200, told_apart, "{options:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_count_together() {
    let database = Database::new(Kind::Postgres);
    let options = ["--logins-per-minute", "4"];
    let servers = [0; 2].map(|_| Server::start_with(&database, &options, &[]));
    let clients = servers.each_ref().map(Client::new);
    let ann = Person::new("ann");
    let mut passed = 0;
    for at in 0..20 {
        let answer = begin(&clients[at % 2], &ann).await;
        if answer.status == 200 {
            passed += 1;
        } else {
            assert_eq!(answer.code(), Code::TooManyRequests);
        }
    }
    // Four, or four on each side of a minute's end: never four of each process.
    assert!((4..=8).contains(&passed), "{passed}");
    let seen = servers.each_ref().map(|server| server.log().contains("\"status\":429"));
    assert_eq!(seen, [true, true], "both refuse");
}

async fn begin(client: &Client, person: &Person) -> Answer {
    let begun = ClientLogin::<Suite>::start(&mut System, b"a guess").expect("begun");
    let request = Blob(begun.message.serialize().to_vec());
    client.ask(Method::POST, "/v1/login/start", &LoginStart { email: person.email.clone(), request }).await
}
