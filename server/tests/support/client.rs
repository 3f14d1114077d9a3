//! Requests, with and without a session.

use agentsecrets_wire::{Code, Hash, Problem, Signature, proof};
use ed25519_dalek::{Signer, SigningKey};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::Server;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The message of a success.
    pub(crate) fn ok<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    /// A success without message.
    pub(crate) fn done(&self) {
        assert_eq!(self.status, 204, "{}", self.text());
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> Code {
        assert!(self.status >= 400, "{} {}", self.status, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!((problem.status, problem.code.status()), (self.status, self.status));
        problem.code
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One end of a conversation with a server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// What a session's requests are signed with.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) key: SigningKey,
}

impl Client {
    pub(crate) fn new(server: &Server) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{}", server.address) }
    }

    /// One that speaks TLS, and believes this authority alone.
    pub(crate) fn with_tls(server: &Server, authority: &[u8]) -> Self {
        let authority = reqwest::Certificate::from_pem(authority).expect("a certificate");
        let http = reqwest::Client::builder().tls_certs_only([authority]).build().expect("a client");
        let port = server.address.rsplit(':').next().unwrap_or_default();
        Self { http, base: format!("https://localhost:{port}") }
    }

    /// One that says for whom it speaks, as a proxy does.
    pub(crate) fn behind_proxy(server: &Server, from: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", from.parse().expect("text"));
        let http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
        Self { http, base: format!("http://{}", server.address) }
    }

    /// Asks without a session.
    pub(crate) async fn ask(&self, method: Method, target: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).expect("plain data");
        self.send(self.http.request(method, self.at(target)).body(body)).await.expect("an answer")
    }

    /// Asks within a session.
    pub(crate) async fn call(&self, session: &Session, method: Method, target: &str, body: &impl Serialize) -> Answer {
        self.try_call(session, method, target, body).await.expect("an answer")
    }

    /// The same, where there may be no answer.
    pub(crate) async fn try_call(
        &self,
        session: &Session,
        method: Method,
        target: &str,
        body: &impl Serialize,
    ) -> Result<Answer, reqwest::Error> {
        let body = serde_json::to_vec(body).expect("plain data");
        let seconds = jiff::Timestamp::now().as_second();
        let proof = proof_of(session, method.as_str(), target, &body, seconds);
        self.send_signed(session, method, target, body, &proof).await
    }

    /// Sends a request with this very proof.
    pub(crate) async fn send_signed(
        &self,
        session: &Session,
        method: Method,
        target: &str,
        body: Vec<u8>,
        proof: &str,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.http.request(method, self.at(target)).body(body);
        let token = format!("Bearer {}", session.token);
        self.send(request.header("authorization", token).header("agentsecrets-proof", proof)).await
    }

    /// Asks in a session whether a state is still the one of an etag.
    pub(crate) async fn get_if_new(&self, session: &Session, target: &str, etag: &str) -> Answer {
        let proof = proof_of(session, "GET", target, b"", jiff::Timestamp::now().as_second());
        let request = self.http.get(self.at(target)).header("if-none-match", etag);
        let token = format!("Bearer {}", session.token);
        let sent = self.send(request.header("authorization", token).header("agentsecrets-proof", proof));
        sent.await.expect("an answer")
    }

    /// Reads in a session.
    pub(crate) async fn get(&self, session: &Session, target: &str) -> Answer {
        let proof = proof_of(session, "GET", target, b"", jiff::Timestamp::now().as_second());
        self.send_signed(session, Method::GET, target, Vec::new(), &proof).await.expect("an answer")
    }

    /// Reads without a session.
    pub(crate) async fn read(&self, target: &str) -> Answer {
        self.send(self.http.get(self.at(target))).await.expect("an answer")
    }

    fn at(&self, target: &str) -> String {
        format!("{}{target}", self.base)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.header("content-type", "application/json").send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }
}

/// The header by which a device signs a request.
pub(crate) fn proof_of(session: &Session, method: &str, target: &str, body: &[u8], seconds: i64) -> String {
    let message = proof(method, target, &hash(body), &hash(session.token.as_bytes()), seconds);
    format!("t={seconds},s={}", sign(&session.key, &message))
}

pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Hash::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature::from(key.sign(message).to_bytes())
}
