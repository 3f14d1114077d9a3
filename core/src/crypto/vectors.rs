//! Known answers, made by an independent implementation: what is sealed today opens in every later version.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::binding::Binding;
use super::owner_key::{OwnerKey, OwnerPublic};
use super::use_key::{Purpose, UseKey};
use super::{envelope, passphrase};
use crate::resolve::value::SecretValue;

macro_rules! vectors {
    ($file:literal) => {
        parse(include_str!(concat!("../../../tests/vectors/crypto/", $file)))
    };
}

fn parse<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a vector file")
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("the right length")
}

fn purpose(label: &str) -> Purpose {
    let all = [Purpose::Records, Purpose::Index, Purpose::Pin, Purpose::DenyOverlay];
    all.into_iter().find(|purpose| purpose.label() == label).expect("a purpose")
}

#[derive(Deserialize)]
struct Derived {
    purpose: String,
    home: String,
    use_key: String,
    key: String,
}

#[test]
fn keys_are_derived_as_they_were() {
    let cases: Vec<Derived> = vectors!("derive.json");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let key = UseKey::from_bytes(&hex(&case.use_key)).expect("32 bytes");
        let derived = key.derive(purpose(&case.purpose), &hex(&case.home)).expect("derived");
        assert_eq!(derived.bytes(), &array::<32>(&case.key), "{}", case.purpose);
    }
}

#[derive(Deserialize)]
struct Records {
    use_key: String,
    home: String,
    cases: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    workspace: String,
    project: String,
    environment: String,
    name: String,
    version: u64,
    record: String,
    nonce: String,
    plaintext: String,
    binding: String,
    sealed: String,
}

#[test]
fn records_are_sealed_as_they_were() {
    let vectors: Records = vectors!("records.json");
    let use_key = UseKey::from_bytes(&hex(&vectors.use_key)).expect("32 bytes");
    let key = use_key.derive(Purpose::Records, &hex(&vectors.home)).expect("derived");
    assert_eq!(vectors.cases.len(), 3);
    for case in vectors.cases {
        let binding = Binding::new("agentsecrets/record/1")
            .field(&hex(&case.workspace))
            .field(&hex(&case.project))
            .field(case.environment.as_bytes())
            .field(case.name.as_bytes())
            .field(&case.version.to_le_bytes())
            .field(&hex(&case.record));
        assert_eq!(binding.as_bytes(), hex(&case.binding));
        let (plaintext, sealed) = (hex(&case.plaintext), hex(&case.sealed));
        assert_eq!(envelope::seal_with(&key, &binding, &plaintext, &array(&case.nonce)).expect("sealed"), sealed);
        assert_eq!(envelope::open(&key, &binding, &sealed).expect("opens").as_slice(), plaintext);
    }
}

#[derive(Deserialize)]
struct Passphrase {
    passphrase: String,
    purpose: String,
    home: String,
    key: String,
    sealed: String,
}

#[test]
fn keys_under_a_passphrase_open_as_they_did() {
    let cases: Vec<Passphrase> = vectors!("passphrase.json");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let purpose = if case.purpose == "use-key" { "use-key" } else { "owner-key" };
        let passphrase = SecretValue::copy_from(&hex(&case.passphrase));
        let opened = passphrase::open(&passphrase, purpose, &hex(&case.home), &hex(&case.sealed)).expect("opens");
        // EXPOSE: the test compares with the known answer.
        assert_eq!(opened.expose(), hex(&case.key));
    }
}

#[derive(Deserialize)]
struct Signed {
    seed: String,
    public: String,
    domain: String,
    message: String,
    signature: String,
}

#[test]
fn signatures_are_as_they_were() {
    let cases: Vec<Signed> = vectors!("signatures.json");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let (key, message) = (OwnerKey::from_seed(&array(&case.seed)), hex(&case.message));
        assert_eq!(key.public().to_bytes().to_vec(), hex(&case.public));
        assert_eq!(key.sign(&case.domain, &message).to_vec(), hex(&case.signature));
        let public = OwnerPublic::from_bytes(&hex(&case.public)).expect("a key");
        assert!(public.verify(&case.domain, &message, &hex(&case.signature)));
    }
}

#[derive(Deserialize)]
struct Authenticated {
    use_key: String,
    home: String,
    purpose: String,
    domain: String,
    message: String,
    mac: String,
}

#[test]
fn macs_are_as_they_were() {
    let cases: Vec<Authenticated> = vectors!("macs.json");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let use_key = UseKey::from_bytes(&hex(&case.use_key)).expect("32 bytes");
        let key = use_key.derive(purpose(&case.purpose), &hex(&case.home)).expect("derived");
        assert_eq!(key.mac(&case.domain, &hex(&case.message)).to_vec(), hex(&case.mac));
    }
}
