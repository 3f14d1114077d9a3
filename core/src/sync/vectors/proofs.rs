//! What devices, codes and invitations sign to be let in.

use agentsecrets_wire::chain::{Device, Member, join_proof};
use agentsecrets_wire::{Blob, Hash, Signature, Verifier, open_proof, proof};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Cast, Hex, file};
use crate::crypto::Strict;

/// The bytes that are signed, and signatures over them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofFile {
    about: String,
    /// By Anna's device.
    sessions: Vec<SessionCase>,
    /// By the key of Ben's invitation.
    open: OpenCase,
    /// By the same key.
    join: JoinCase,
}

/// The proof that goes with a request in a session.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionCase {
    method: String,
    target: String,
    body: String,
    token: String,
    seconds: i64,
    bytes: Hex,
    signature: Signature,
}

/// The proof outside of any session.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenCase {
    path: String,
    seconds: i64,
    bytes: Hex,
    signature: Signature,
}

/// The proof that stands in a join.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinCase {
    workspace: Uuid,
    invite: Uuid,
    member: Member,
    device: Device,
    bytes: Hex,
    signature: Signature,
}

fn digest(text: &str) -> Hash {
    <[u8; 32]>::from(Sha256::digest(text.as_bytes())).into()
}

fn session(cast: &Cast, method: &str, target: &str, body: &str) -> SessionCase {
    let (token, seconds) = ("a token of a session".to_owned(), 1_767_323_045);
    let bytes = proof(method, target, &digest(body), &digest(&token), seconds);
    let signature = cast.people["anna"].device_key().sign(&bytes);
    let (method, target, body) = (method.to_owned(), target.to_owned(), body.to_owned());
    SessionCase { method, target, body, token, seconds, bytes: Hex(bytes), signature }
}

/// All of them. Nothing is random.
pub(super) fn make(cast: &Cast) -> ProofFile {
    let (invite, ben) = (cast.invitations["ben"].id, &cast.people["ben"]);
    let keys = cast.code("ben", Hash::from([0; 32])).keys().expect("derived");
    let path = format!("/v1/invites/{invite}/open");
    let open = open_proof(&path, 1_767_323_045);
    let changes = format!("/v1/workspaces/{}/changes?since=0&after=0&limit=1000", cast.workspace);
    let (signing, receiving) = (ben.signing().public(), ben.receiving().public());
    let member = Member { account: ben.account, signing, receiving, label: Blob::default() };
    let device = Device { device: ben.device, key: ben.device_key().public() };
    let join = join_proof(&cast.workspace, &invite, &member, &device);
    let sessions = [("GET", &*changes, ""), ("POST", "/v1/workspaces", r#"{"entry":{}}"#)];
    ProofFile {
        about: "What is signed to use a session, to ask outside of one, and to join.".to_owned(),
        sessions: sessions.map(|(method, target, body)| session(cast, method, target, body)).into(),
        open: OpenCase { path, seconds: 1_767_323_045, signature: keys.sign(&open), bytes: Hex(open) },
        join: JoinCase {
            workspace: cast.workspace,
            invite,
            member,
            device,
            signature: keys.sign(&join),
            bytes: Hex(join),
        },
    }
}

fn files() -> (Cast, ProofFile) {
    (file!("cast.json"), file!("proofs.json"))
}

#[test]
fn every_proof_is_made_as_it_was() {
    let (cast, file) = files();
    let made = serde_json::to_value(make(&cast)).expect("JSON");
    assert_eq!(made, serde_json::to_value(&file).expect("JSON"));
    assert_eq!(file.sessions.len(), 2);
}

#[test]
fn a_proof_of_a_session_counts_for_that_request_and_moment_alone() {
    let (cast, file) = files();
    let key = cast.people["anna"].device_key().public();
    for case in &file.sessions {
        let counts = |bytes: &[u8]| Strict.verify(&key, bytes, &case.signature);
        let (body, token) = (digest(&case.body), digest(&case.token));
        let (method, target, seconds, other) = (&*case.method, &*case.target, case.seconds, digest("another"));
        assert!(counts(&proof(method, target, &body, &token, seconds)));
        assert!(!counts(&proof("PUT", target, &body, &token, seconds)));
        assert!(!counts(&proof(method, &format!("{target}0"), &body, &token, seconds)));
        assert!(!counts(&proof(method, target, &other, &token, seconds)));
        assert!(!counts(&proof(method, target, &body, &other, seconds)));
        assert!(!counts(&proof(method, target, &body, &token, seconds + 1)));
        assert!(!counts(&open_proof(target, seconds)));
        assert!(counts(&case.bytes.0) && none_counts_altered(&case.bytes, counts));
    }
}

#[test]
fn a_proof_outside_of_a_session_counts_for_that_path_and_moment_alone() {
    let (cast, file) = files();
    let keys = cast.code("ben", Hash::from([0; 32])).keys().expect("derived");
    let (open, join) = (&file.open, &file.join);
    let counts = |bytes: &[u8]| Strict.verify(&keys.signing_public(), bytes, &open.signature);
    assert!(counts(&open_proof(&open.path, open.seconds)) && none_counts_altered(&open.bytes, counts));
    assert!(!counts(&open_proof(&open.path.replace("open", "join"), open.seconds)));
    assert!(!counts(&open_proof(&open.path, open.seconds - 1)) && !counts(&join.bytes.0));
    let counts = |bytes: &[u8]| Strict.verify(&keys.signing_public(), bytes, &join.signature);
    let proof = |workspace, invite, member: &Member, device: &Device| join_proof(workspace, invite, member, device);
    let (other, member, device) = (Uuid::from_u128(1), &join.member, &join.device);
    assert!(counts(&proof(&join.workspace, &join.invite, member, device)) && none_counts_altered(&join.bytes, counts));
    assert!(!counts(&proof(&other, &join.invite, member, device)));
    assert!(!counts(&proof(&join.workspace, &other, member, device)));
    let key = [1; 32].into();
    for member in [
        Member { account: other, ..member.clone() },
        Member { signing: key, ..member.clone() },
        Member { receiving: key, ..member.clone() },
    ] {
        assert!(!counts(&proof(&join.workspace, &join.invite, &member, device)));
    }
    for device in [Device { device: other, ..device.clone() }, Device { key, ..device.clone() }] {
        assert!(!counts(&proof(&join.workspace, &join.invite, member, &device)));
    }
}

/// Whether a signature counts for no bytes that differ in one.
fn none_counts_altered(bytes: &Hex, counts: impl Fn(&[u8]) -> bool) -> bool {
    (0..bytes.0.len()).all(|at| {
        let mut altered = bytes.0.clone();
        altered[at] ^= 1;
        !counts(&altered)
    })
}
