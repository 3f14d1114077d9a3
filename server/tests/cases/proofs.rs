//! Sessions, and what proves that a request is its device's.

use agentsecrets_wire::Code;
use agentsecrets_wire::chain::Act;
use jiff::Timestamp;
use reqwest::Method;

use crate::support::client::{Session, proof_of};
use crate::support::people::key;
use crate::support::{Client, Database, Kind, Person, Server, Team};

const PATH: &str = "/v1/workspaces";

pub(crate) async fn a_token_without_the_devices_signature_opens_nothing(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    assert_eq!(client.read(PATH).await.code(), Code::Unauthenticated);
    let stolen = Session { token: ann.token.clone(), key: key() };
    assert_eq!(client.get(&stolen, PATH).await.code(), Code::Unauthenticated);
    let guessed = Session { token: "A".repeat(43), key: ann.device_key.clone() };
    assert_eq!(client.get(&guessed, PATH).await.code(), Code::Unauthenticated);
    for proof in ["", "t=1", "t=,s=", "s=x,t=1", "t=99999999999999999999,s=AA"] {
        let answer = client.send_signed(&ann.session(), Method::GET, PATH, Vec::new(), proof).await.expect("an answer");
        assert_eq!(answer.code(), Code::Unauthenticated, "{proof}");
    }
    assert_eq!(client.get(&ann.session(), PATH).await.status, 200, "the control");
}

pub(crate) async fn a_proof_fits_one_request(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let team = Team::founded(&client, &ann).await;
    let (session, now) = (ann.session(), Timestamp::now().as_second());
    let target = team.at("/changes?since=0&after=0");
    let proof = proof_of(&session, "GET", &target, b"", now);
    let send = |method: Method, target: String, body: &'static [u8]| {
        let (client, session, proof) = (client.clone(), session.clone(), proof.clone());
        async move { client.send_signed(&session, method, &target, body.to_vec(), &proof).await.expect("an answer") }
    };
    assert_eq!(send(Method::GET, target.clone(), b"").await.status, 200, "the control");
    assert_eq!(send(Method::GET, team.at("/changes?since=0&after=1"), b"").await.code(), Code::Unauthenticated);
    assert_eq!(send(Method::GET, PATH.into(), b"").await.code(), Code::Unauthenticated);
    assert_eq!(send(Method::GET, target.clone(), b" ").await.code(), Code::Unauthenticated);
    assert_eq!(send(Method::POST, team.at("/records"), b"{}").await.code(), Code::Unauthenticated);
    // Nor with another session of the same device.
    let mut again = ann.clone();
    again.login(&client).await;
    let answer = client.send_signed(&again.session(), Method::GET, &target, Vec::new(), &proof).await;
    assert_eq!(answer.expect("an answer").code(), Code::Unauthenticated);
}

pub(crate) async fn a_clock_that_is_off_is_told(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let ann = Person::registered(&client, "ann").await;
    let session = ann.session();
    for (off, refused) in [(-900, true), (900, true), (-200, false), (200, false)] {
        let proof = proof_of(&session, "GET", PATH, b"", Timestamp::now().as_second() + off);
        let answer = client.send_signed(&session, Method::GET, PATH, Vec::new(), &proof).await.expect("an answer");
        if refused {
            assert_eq!(answer.code(), Code::ClockSkew, "{off}");
            assert!(answer.header("date").ends_with("GMT"), "the server says what time it is");
        } else {
            assert_eq!(answer.status, 200, "{off}");
        }
    }
}

pub(crate) async fn a_session_ends_and_a_device_begins_another(kind: Kind) {
    let database = Database::new(kind);
    let server = Server::start(&database);
    let client = Client::new(&server);
    let mut ann = Person::registered(&client, "ann").await;
    assert_eq!(ann.resume(&client).await.code(), Code::Unauthenticated, "no workspace knows the device yet");
    let mut team = Team::founded(&client, &ann).await;
    client.call(&ann.session(), Method::DELETE, "/v1/sessions", &()).await.done();
    assert_eq!(client.get(&ann.session(), PATH).await.code(), Code::Unauthenticated);
    let mut stranger = ann.clone();
    stranger.device_key = key();
    assert_eq!(stranger.resume(&client).await.code(), Code::Unauthenticated);
    assert_eq!(ann.resume(&client).await.status, 200);
    team.founder = ann.clone();
    let mut other = ann.clone();
    (other.device, other.device_key) = (uuid::Uuid::new_v4(), key());
    team.does(&client, &ann, Act::AddDevice { device: other.device() }).await;
    assert_eq!(other.resume(&client).await.status, 200, "a device that was added");
    team.does(&client, &ann, Act::RemoveDevice { device: other.device }).await;
    assert_eq!(other.resume(&client).await.code(), Code::Unauthenticated, "and removed");
}
