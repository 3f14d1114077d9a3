//! A statement and the signature over its exact bytes.
//!
//! What is signed is the text that was sent, never a rendering of what was parsed from it, so there is no canonical form for two
//! programs to disagree about.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Hash, PublicKey, Signature};

/// What is said is not of the form that was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not of the form that the protocol names")
    }
}

impl std::error::Error for Malformed {}

/// A kind of statement. A signature under one domain counts in no other.
pub trait Statement: Serialize + DeserializeOwned {
    /// The domain: the use and its version.
    const DOMAIN: &'static str;
}

/// What a program checks signatures and makes digests with.
pub trait Verifier {
    /// Whether the key's owner signed the message (Ed25519, RFC 8032, strict: no weak key, one valid signature).
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool;

    /// SHA-256 (FIPS 180-4).
    fn hash(&self, bytes: &[u8]) -> Hash;
}

/// A statement as it travels and is stored: its JSON text, and who stands for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// The statement, as the JSON text that was signed.
    pub body: String,
    /// By the key that the statement's author has in the chain.
    pub signature: Signature,
    #[serde(skip)]
    statement: PhantomData<fn() -> T>,
}

impl<T: Statement> Signed<T> {
    /// Renders a statement and has its bytes signed.
    #[must_use]
    pub fn make(statement: &T, sign: impl FnOnce(&[u8]) -> Signature) -> Self {
        let body = serde_json::to_string(statement).expect("a statement is plain data with text keys");
        let signature = sign(&to_be_signed::<T>(&body));
        Self { body, signature, statement: PhantomData }
    }

    /// A statement and signature from where they are stored.
    #[must_use]
    pub fn from_parts(body: String, signature: Signature) -> Self {
        Self { body, signature, statement: PhantomData }
    }

    /// What is said, unverified.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one form, fields that this version does not know included.
    pub fn parse(&self) -> Result<T, Malformed> {
        serde_json::from_str(&self.body).map_err(|_| Malformed)
    }

    /// Whether the key stands for these bytes.
    pub fn is_signed_by(&self, key: &PublicKey, verifier: &impl Verifier) -> bool {
        verifier.verify(key, &to_be_signed::<T>(&self.body), &self.signature)
    }

    /// The digest by which the next statement names this one: of domain, body and signature.
    pub fn hash(&self, verifier: &impl Verifier) -> Hash {
        let fields = [T::DOMAIN.as_bytes(), self.body.as_bytes(), self.signature.as_bytes()];
        verifier.hash(&bound("agentsecrets/hash/1", &fields))
    }
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes)", self.body.len())
    }
}

fn to_be_signed<T: Statement>(body: &str) -> Vec<u8> {
    bound("agentsecrets/signature/1", &[T::DOMAIN.as_bytes(), body.as_bytes()])
}

/// A domain and fields, each with its length in front (u32, little endian): no two lists encode alike.
#[must_use]
pub(crate) fn bound(domain: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum::<usize>() + domain.len() + 4);
    for field in std::iter::once(domain.as_bytes()).chain(fields.iter().copied()) {
        bytes.extend_from_slice(&u32::try_from(field.len()).expect("a field is shorter than 4 GiB").to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}
