//! People and machines with keys, and a workspace as they see it.

use agentsecrets_wire::chain::{Act, Device, Entry, Epoch, Head, Invite, Member, Role, Seal, State, join_proof};
use agentsecrets_wire::{
    Account, Append, Appended, Blob, Changes, Hash, LoggedIn, Login, LoginStart, LoginStarted, Outcome, PublicKey,
    Push, Pushed, Record, Register, RegisterStart, RegisterStarted, Resume, Session as Given, Signed, Verifier, opaque,
    open_proof,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use jiff::{SignedDuration, Timestamp};
use opaque_ke::rand::{CryptoRng, Error, RngCore};
use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse, Ristretto255, TripleDh,
};
use reqwest::Method;
use sha2_010::Sha512;
use uuid::Uuid;

use super::client::{Session, hash, sign};
use super::{Answer, Client};

/// The client's algorithms, without the stretching: a server cannot tell.
pub(crate) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = opaque_ke::ksf::Identity;
}

pub(crate) struct System;

impl RngCore for System {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(random())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(random())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("random bytes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for System {}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&random())
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from(key.verifying_key().to_bytes())
}

/// The client's own checks.
pub(crate) struct Strict;

impl Verifier for Strict {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &agentsecrets_wire::Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        VerifyingKey::from_bytes(key.as_bytes()).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        hash(bytes)
    }
}

/// Somebody with an account, or a machine without one.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) password: Vec<u8>,
    pub(crate) account: Uuid,
    pub(crate) signing: SigningKey,
    pub(crate) receiving: PublicKey,
    pub(crate) recovery: SigningKey,
    pub(crate) device: Uuid,
    pub(crate) device_key: SigningKey,
    pub(crate) token: String,
}

impl Person {
    /// Somebody new.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            email: format!("{name}-{}@example.test", Uuid::new_v4().simple()),
            password: random::<16>().to_vec(),
            account: Uuid::new_v4(),
            signing: key(),
            receiving: PublicKey::from(random()),
            recovery: key(),
            device: Uuid::new_v4(),
            device_key: key(),
            token: String::new(),
        }
    }

    /// A machine: its device's key is its own.
    pub(crate) fn machine() -> Self {
        let person = Self::new("machine");
        Self { signing: person.device_key.clone(), ..person }
    }

    /// Somebody with an account and a session.
    pub(crate) async fn registered(client: &Client, name: &str) -> Self {
        let mut person = Self::new(name);
        person.register(client).await.done();
        person.login(client).await;
        person
    }

    pub(crate) fn account(&self) -> Account {
        Account {
            account: self.account,
            signing: public(&self.signing),
            receiving: self.receiving,
            sealed: Blob(random::<64>().to_vec()),
            recovery: Blob(random::<64>().to_vec()),
            recovery_key: public(&self.recovery),
        }
    }

    pub(crate) fn member(&self) -> Member {
        Member {
            account: self.account,
            signing: public(&self.signing),
            receiving: self.receiving,
            label: Blob(random::<40>().to_vec()),
        }
    }

    pub(crate) fn device(&self) -> Device {
        Device { device: self.device, key: public(&self.device_key) }
    }

    pub(crate) fn session(&self) -> Session {
        Session { token: self.token.clone(), key: self.device_key.clone() }
    }

    /// Both halves of a registration message.
    pub(crate) async fn record(&self, client: &Client, start: &str) -> Blob {
        let begun = ClientRegistration::<Suite>::start(&mut System, &self.password).expect("begun");
        let request = Blob(begun.message.serialize().to_vec());
        let asked = RegisterStart { email: self.email.clone(), request };
        let answer: RegisterStarted = client.ask(Method::POST, start, &asked).await.ok();
        let response = RegistrationResponse::deserialize(answer.response.as_bytes()).expect("a response");
        let parameters = ClientRegistrationFinishParameters::new(identifiers(&self.email), None);
        let finished = begun.state.finish(&mut System, &self.password, response, parameters).expect("finished");
        Blob(finished.message.serialize().to_vec())
    }

    pub(crate) async fn register(&self, client: &Client) -> Answer {
        let record = self.record(client, "/v1/accounts/start").await;
        let asked = Register { email: self.email.clone(), record, account: self.account() };
        client.ask(Method::POST, "/v1/accounts", &asked).await
    }

    /// The first half of a login, and what the second needs.
    pub(crate) async fn login_start(&self, client: &Client) -> (Answer, ClientLogin<Suite>) {
        let begun = ClientLogin::<Suite>::start(&mut System, &self.password).expect("begun");
        let request = Blob(begun.message.serialize().to_vec());
        let asked = LoginStart { email: self.email.clone(), request };
        (client.ask(Method::POST, "/v1/login/start", &asked).await, begun.state)
    }

    /// The second half; none where the password does not fit what came.
    pub(crate) fn login_finish(&self, started: &LoginStarted, state: ClientLogin<Suite>) -> Option<Login> {
        let response = CredentialResponse::deserialize(started.response.as_bytes()).expect("a response");
        let context = Some(opaque::CONTEXT.as_bytes());
        let parameters = ClientLoginFinishParameters::new(context, identifiers(&self.email), None);
        let finished = state.finish(&mut System, &self.password, response, parameters).ok()?;
        let finalization = Blob(finished.message.serialize().to_vec());
        Some(Login { login: started.login, finalization, device: self.device() })
    }

    /// Logs in, with what comes of it.
    pub(crate) async fn login(&mut self, client: &Client) -> LoggedIn {
        let (answer, state) = self.login_start(client).await;
        let login = self.login_finish(&answer.ok(), state).expect("the password fits");
        let given: LoggedIn = client.ask(Method::POST, "/v1/login", &login).await.ok();
        self.token.clone_from(&given.session.token);
        given
    }

    /// Another session by the device's key.
    pub(crate) async fn resume(&mut self, client: &Client) -> Answer {
        let time = Timestamp::now().as_second();
        let asked = Resume { device: self.device, time, signature: asked_by(&self.device_key, "/v1/sessions", time) };
        let answer = client.ask(Method::POST, "/v1/sessions", &asked).await;
        if answer.status == 200 {
            self.token = answer.ok::<Given>().token;
        }
        answer
    }
}

/// What a key signs outside of any session.
pub(crate) fn asked_by(key: &SigningKey, path: &str, time: i64) -> agentsecrets_wire::Signature {
    sign(key, &open_proof(path, time))
}

fn identifiers(email: &str) -> Identifiers<'_> {
    Identifiers { client: Some(email.as_bytes()), server: Some(opaque::SERVER.as_bytes()) }
}

/// A workspace, as its founder follows it.
#[derive(Clone)]
pub(crate) struct Team {
    pub(crate) founder: Person,
    pub(crate) state: State,
}

impl Team {
    pub(crate) async fn founded(client: &Client, founder: &Person) -> Self {
        let mut team = Self { founder: founder.clone(), state: State::new(Uuid::new_v4()) };
        let epoch = team.epoch(&[(founder.account, None)]);
        let genesis = Act::Genesis { member: founder.member(), device: founder.device(), epoch };
        let entry = team.entry(founder, genesis);
        let asked = Append { entry: entry.clone() };
        let done: Appended = client.call(&founder.session(), Method::POST, "/v1/workspaces", &asked).await.ok();
        assert_eq!(team.state.apply(&entry, &Strict), Ok(done.head));
        team
    }

    pub(crate) fn at(&self, rest: &str) -> String {
        format!("/v1/workspaces/{}{rest}", self.state.workspace())
    }

    pub(crate) fn head(&self) -> Head {
        self.state.head().expect("founded")
    }

    /// A new epoch for these, or for all who are there.
    pub(crate) fn epoch(&self, recipients: &[(Uuid, Option<Hash>)]) -> Epoch {
        let number = self.state.epoch() + 1;
        let seals = recipients.iter().map(|(id, scope)| seal(*id, number, *scope)).collect();
        let previous = (number > 1).then(|| Blob(random::<48>().to_vec()));
        Epoch { number, commitment: Hash::from(random()), previous, seals }
    }

    pub(crate) fn entry(&self, by: &Person, act: Act) -> Signed<Entry> {
        let head = self.state.head();
        let entry = Entry {
            v: 1,
            workspace: self.state.workspace(),
            seq: head.map_or(1, |head| head.seq + 1),
            prev: head.map(|head| head.hash),
            time: Timestamp::now(),
            author: by.account,
            act,
        };
        Signed::make(&entry, |message| sign(&by.signing, message))
    }

    /// Sends an entry.
    pub(crate) async fn send(&self, client: &Client, by: &Person, entry: &Signed<Entry>) -> Answer {
        let asked = Append { entry: entry.clone() };
        client.call(&by.session(), Method::POST, &self.at("/chain"), &asked).await
    }

    /// Does something, and follows.
    pub(crate) async fn does(&mut self, client: &Client, by: &Person, act: Act) {
        let entry = self.entry(by, act);
        let done: Appended = self.send(client, by, &entry).await.ok();
        assert_eq!(self.state.apply(&entry, &Strict), Ok(done.head));
    }

    /// Invites somebody; the key stands for the code.
    pub(crate) async fn invites(&mut self, client: &Client, role: Role, scopes: &[Hash]) -> (Uuid, SigningKey) {
        let (id, code) = (Uuid::new_v4(), key());
        let invite = Invite {
            invite: id,
            role,
            scopes: scopes.to_vec(),
            signing: public(&code),
            receiving: PublicKey::from(random()),
            expires: Timestamp::now() + SignedDuration::from_hours(1),
            seals: seals(id, self.state.epoch(), scopes),
        };
        let founder = self.founder.clone();
        self.does(client, &founder, Act::Invite { invite }).await;
        (id, code)
    }

    /// The entry by which somebody joins.
    pub(crate) fn joining(&self, who: &Person, (invite, code): &(Uuid, SigningKey)) -> Signed<Entry> {
        let (member, device) = (who.member(), who.device());
        let proof = sign(code, &join_proof(&self.state.workspace(), invite, &member, &device));
        let invited = self.state.invites().find(|(id, _)| *id == invite);
        let scopes = invited.map_or_else(Vec::new, |(_, it)| it.invite.scopes.clone());
        let seals = seals(who.account, self.state.epoch(), &scopes);
        self.entry(who, Act::Join { invite: *invite, proof, member, device, seals })
    }

    /// Somebody new with an account joins.
    pub(crate) async fn joined(&mut self, client: &Client, role: Role) -> Person {
        let person = Person::registered(client, "member").await;
        let invite = self.invites(client, role, &[]).await;
        let entry = self.joining(&person, &invite);
        let done: Appended = self.send(client, &person, &entry).await.ok();
        assert_eq!(self.state.apply(&entry, &Strict), Ok(done.head));
        person
    }

    /// A record of somebody's.
    pub(crate) fn record(
        &self,
        by: &Person,
        scope: Hash,
        name: Hash,
        before: Option<&Signed<Record>>,
    ) -> Signed<Record> {
        let version = before.map_or(1, |before| before.parse().expect("a record").version + 1);
        let record = Record {
            v: 1,
            workspace: self.state.workspace(),
            scope,
            record: name,
            version,
            prev: before.map(|before| before.hash(&Strict)),
            epoch: self.state.epoch(),
            author: by.account,
            device: by.device,
            head: self.head(),
            time: Timestamp::now(),
            gone: false,
            sealed: Blob(random::<296>().to_vec()),
        };
        Signed::make(&record, |message| sign(&by.device_key, message))
    }

    pub(crate) async fn push(&self, client: &Client, by: &Person, records: &[Signed<Record>]) -> Answer {
        let asked = Push { records: records.to_vec() };
        client.call(&by.session(), Method::POST, &self.at("/records"), &asked).await
    }

    /// Pushes what is stored.
    pub(crate) async fn stores(&self, client: &Client, by: &Person, records: &[Signed<Record>]) -> u64 {
        let pushed: Pushed = self.push(client, by, records).await.ok();
        assert!(pushed.outcomes.iter().all(|outcome| *outcome == Outcome::Stored), "{:?}", pushed.outcomes);
        pushed.cursor
    }

    pub(crate) async fn changes(&self, client: &Client, by: &Person, since: u64, after: u64, limit: usize) -> Changes {
        let target = self.at(&format!("/changes?since={since}&after={after}&limit={limit}"));
        client.get(&by.session(), &target).await.ok()
    }
}

/// A scope or a name.
pub(crate) fn named(text: &str) -> Hash {
    hash(text.as_bytes())
}

fn seals(recipient: Uuid, epoch: u64, scopes: &[Hash]) -> Vec<Seal> {
    match scopes {
        [] => vec![seal(recipient, epoch, None)],
        scopes => scopes.iter().map(|scope| seal(recipient, epoch, Some(*scope))).collect(),
    }
}

fn seal(recipient: Uuid, epoch: u64, scope: Option<Hash>) -> Seal {
    Seal { recipient, epoch, scope, sealed: Blob(random::<80>().to_vec()) }
}
