//! The owner key, which signs the policy and opens the doors (Ed25519, RFC 8032).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::binding::Binding;
use super::use_key::SubKey;
use super::{fill_random, passphrase};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

/// The secret half: a seed in guarded memory, expanded only while it signs.
pub(crate) struct OwnerKey(SecretValue);

impl OwnerKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        let mut seed = SecretBuf::zeroed(32);
        fill_random(seed.as_mut_slice())?;
        Ok(Self(seed.into_value()))
    }

    /// Seals the key under a passphrase. `home` is the home's id: the file opens in no other.
    pub(crate) fn seal(&self, passphrase: &SecretValue, home: &[u8]) -> Result<Vec<u8>> {
        passphrase::seal(passphrase, "owner-key", home, &self.0)
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// `wrong_passphrase`, or `store_corrupted` for what is no sealed key.
    pub(crate) fn open(passphrase: &SecretValue, home: &[u8], sealed: &[u8]) -> Result<Self> {
        let seed = passphrase::open(passphrase, "owner-key", home, sealed)?;
        if seed.len() == 32 {
            return Ok(Self(seed));
        }
        Err(Error::new(ErrorCode::StoreCorrupted, "the owner key is not 32 bytes long"))
    }

    /// The public half.
    pub(crate) fn public(&self) -> OwnerPublic {
        OwnerPublic(self.signing().verifying_key())
    }

    /// Signs a message of one domain (`policy`, `trust`): a signature counts in no other.
    pub(crate) fn sign(&self, domain: &str, message: &[u8]) -> [u8; 64] {
        self.signing().sign(signed(domain, message).as_bytes()).to_bytes()
    }

    /// A key that only the owner derives (HKDF-SHA-256, RFC 5869, without salt).
    pub(crate) fn derive(&self, purpose: &'static str) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/owner-key/1").field(purpose.as_bytes());
        // EXPOSE: the key is derived from the seed.
        SubKey::expand(self.0.expose(), &info)
    }

    fn signing(&self) -> SigningKey {
        // EXPOSE: the signature needs its key; the expanded one is wiped when dropped.
        SigningKey::from_bytes(self.0.expose().try_into().expect("a seed is 32 bytes long"))
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SecretValue::copy_from(seed))
    }
}

/// The public half: verifies, and may be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OwnerPublic(VerifyingKey);

impl OwnerPublic {
    /// The public key of 32 bytes.
    ///
    /// # Errors
    /// `policy_invalid` where they are no point, or a weak one under which anything verifies.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let array: Option<&[u8; 32]> = bytes.try_into().ok();
        let key = array.and_then(|bytes| VerifyingKey::from_bytes(bytes).ok()).filter(|key| !key.is_weak());
        key.map(Self).ok_or_else(|| Error::new(ErrorCode::PolicyInvalid, "the owner's public key is none"))
    }

    /// The key's bytes.
    pub(crate) fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether the owner signed the message in this domain. Strict: one message has one valid signature a signer, and
    /// weak keys verify nothing.
    pub(crate) fn verify(&self, domain: &str, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(signed(domain, message).as_bytes(), &signature).is_ok())
    }
}

impl fmt::Debug for OwnerPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerPublic(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

fn signed(domain: &str, message: &[u8]) -> Binding {
    Binding::new("agentsecrets/signature/1").field(domain.as_bytes()).field(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_for_its_key_domain_and_message() {
        let (key, other) = (OwnerKey::make().expect("random"), OwnerKey::make().expect("random"));
        let signature = key.sign("policy", b"grant");
        assert!(key.public().verify("policy", b"grant", &signature));
        assert!(!other.public().verify("policy", b"grant", &signature));
        assert!(!key.public().verify("trust", b"grant", &signature));
        assert!(!key.public().verify("policy", b"grants", &signature));
        assert!(!key.public().verify("policyg", b"rant", &signature));
        for bit in 0..512 {
            let mut altered = signature;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verify("policy", b"grant", &altered), "bit {bit}");
        }
        assert!(!key.public().verify("policy", b"grant", &signature[..63]));
    }

    #[test]
    fn a_sealed_key_signs_after_it_is_opened() {
        let key = OwnerKey::make().expect("random");
        let passphrase = SecretValue::copy_from(b"correct horse");
        let sealed = key.seal(&passphrase, b"home").expect("sealed");
        let opened = OwnerKey::open(&passphrase, b"home", &sealed).expect("opens");
        assert_eq!(opened.public(), key.public());
        let wrong = OwnerKey::open(&SecretValue::copy_from(b"wrong horse"), b"home", &sealed).err().expect("refused");
        assert_eq!(wrong.code(), ErrorCode::WrongPassphrase);
        let use_key = super::super::use_key::UseKey::open(&passphrase, b"home", &sealed);
        assert!(use_key.is_err(), "an owner key is no use key");
    }

    #[test]
    fn weak_and_malformed_public_keys_are_refused() {
        let key = OwnerKey::make().expect("random").public();
        assert_eq!(OwnerPublic::from_bytes(&key.to_bytes()).expect("legal"), key);
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut no_point = [0; 32];
        no_point[0] = 2;
        for wrong in [&identity[..], &[0; 32], &no_point, &[1; 31]] {
            assert_eq!(OwnerPublic::from_bytes(wrong).expect_err("refused").code(), ErrorCode::PolicyInvalid);
        }
    }
}
