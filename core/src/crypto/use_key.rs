//! The use key, which opens values, and the keys derived from it, one for each purpose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::binding::Binding;
use super::{fill_random, passphrase};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const KEY: usize = 32;

/// The key that opens values: 32 random bytes in guarded memory.
pub(crate) struct UseKey(SecretValue);

impl UseKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        let mut bytes = SecretBuf::zeroed(KEY);
        fill_random(bytes.as_mut_slice())?;
        Ok(Self(bytes.into_value()))
    }

    /// A key from its 32 bytes, which the caller wipes.
    ///
    /// # Errors
    /// `store_corrupted` where they are not 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() == KEY {
            return Ok(Self(SecretValue::copy_from(bytes)));
        }
        Err(Error::new(ErrorCode::StoreCorrupted, "the use key is not 32 bytes long"))
    }

    /// A key from base64url without padding, as it stands in a key file or comes from a descriptor; white space around
    /// it is ignored. The caller wipes the text.
    ///
    /// # Errors
    /// `store_corrupted` where the text is no such key.
    pub(crate) fn parse_text(text: &[u8]) -> Result<Self> {
        let mut bytes = SecretBuf::zeroed(KEY + 2);
        match URL_SAFE_NO_PAD.decode_slice(text.trim_ascii(), bytes.as_mut_slice()) {
            Ok(KEY) => Self::from_bytes(&bytes.as_slice()[..KEY]),
            _ => Err(Error::new(ErrorCode::StoreCorrupted, "the use key's place does not hold 32 bytes in base64url")),
        }
    }

    /// The key in base64url, for the place the owner chose.
    pub(crate) fn to_text(&self) -> SecretBuf {
        let mut text = SecretBuf::zeroed(KEY.div_ceil(3) * 4);
        let len = URL_SAFE_NO_PAD.encode_slice(self.bytes(), text.as_mut_slice()).expect("the buffer is long enough");
        text.truncate(len);
        text
    }

    /// The key's bytes, for the keychain item that holds them.
    pub(crate) fn bytes(&self) -> &[u8] {
        // EXPOSE: the type guards the key further; callers put it to rest or derive from it.
        self.0.expose()
    }

    /// Seals the key under a passphrase. `home` is the home's id: the file opens in no other.
    pub(crate) fn seal(&self, passphrase: &SecretValue, home: &[u8]) -> Result<Vec<u8>> {
        passphrase::seal(passphrase, "use-key", home, &self.0)
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// `wrong_passphrase`, or `store_corrupted` for what is no sealed key.
    pub(crate) fn open(passphrase: &SecretValue, home: &[u8], sealed: &[u8]) -> Result<Self> {
        let key = passphrase::open(passphrase, "use-key", home, sealed)?;
        // EXPOSE: copied into the type that guards it further.
        Self::from_bytes(key.expose())
    }

    /// The key for one purpose in one home (HKDF-SHA-256, RFC 5869, without salt).
    pub(crate) fn derive(&self, purpose: Purpose, home: &[u8]) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/use-key/1").field(purpose.label().as_bytes()).field(home);
        SubKey::expand(self.bytes(), &info)
    }
}

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sealing values.
    Records,
    /// Sealing the index.
    Index,
    /// Remembering the newest policy seen.
    Pin,
    /// Authenticating what agents deny themselves.
    DenyOverlay,
    /// Authenticating how much of each limit is used.
    Limits,
    /// Sealing the policies of shared workspaces, as they were verified.
    Shared,
    /// Sealing the keys of an account and its device, and what is known of each shared workspace.
    Account,
}

impl Purpose {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Index => "index",
            Self::Pin => "pin",
            Self::DenyOverlay => "deny-overlay",
            Self::Limits => "limits",
            Self::Shared => "shared",
            Self::Account => "account",
        }
    }
}

/// A key of one purpose, derived or drawn: 32 bytes in guarded memory.
pub(crate) struct SubKey(SecretValue);

impl SubKey {
    /// The key of 32 bytes.
    ///
    /// # Errors
    /// `store_corrupted` where they are not 32.
    pub(super) fn of(bytes: SecretValue) -> Result<Self> {
        if bytes.len() == KEY {
            return Ok(Self(bytes));
        }
        Err(Error::new(ErrorCode::StoreCorrupted, "a key is not 32 bytes long"))
    }

    /// HKDF-SHA-256 (RFC 5869) without salt.
    pub(super) fn expand(key: &[u8], info: &Binding) -> Result<Self> {
        let mut bytes = SecretBuf::zeroed(KEY);
        Hkdf::<Sha256>::new(None, key)
            .expand(info.as_bytes(), bytes.as_mut_slice())
            .map_err(|_| Error::new(ErrorCode::Internal, "a key cannot be derived"))?;
        Ok(Self(bytes.into_value()))
    }

    /// The key's bytes, for a cipher or MAC.
    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        // EXPOSE: the type guards the key further; ciphers and MACs take it by reference.
        self.0.expose().try_into().expect("a derived key is 32 bytes long")
    }

    /// The HMAC-SHA-256 of a message of one domain.
    pub(crate) fn mac(&self, domain: &str, message: &[u8]) -> [u8; 32] {
        self.keyed(domain, message).finalize().into_bytes().into()
    }

    /// Whether `mac` is that of the message, compared in constant time.
    pub(crate) fn verify_mac(&self, domain: &str, message: &[u8], mac: &[u8]) -> bool {
        self.keyed(domain, message).verify_slice(mac).is_ok()
    }

    fn keyed(&self, domain: &str, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes keys of any length");
        mac.update(Binding::new("agentsecrets/mac/1").field(domain.as_bytes()).field(message).as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_homes_have_keys_of_their_own() {
        let key = UseKey::make().expect("random");
        let mut derived = Vec::new();
        let purposes = [
            Purpose::Records,
            Purpose::Index,
            Purpose::Pin,
            Purpose::DenyOverlay,
            Purpose::Limits,
            Purpose::Shared,
            Purpose::Account,
        ];
        for purpose in purposes {
            for home in [&b"one"[..], b"two"] {
                derived.push(*key.derive(purpose, home).expect("derived").bytes());
            }
        }
        derived.push(key.bytes().try_into().expect("32 bytes"));
        for (number, one) in derived.iter().enumerate() {
            assert!(!derived[number + 1..].contains(one));
        }
        assert_ne!(UseKey::make().expect("random").bytes(), key.bytes());
    }

    #[test]
    fn a_key_file_reads_as_it_was_written() {
        let key = UseKey::make().expect("random");
        let text = key.to_text();
        assert_eq!(text.len(), 43);
        assert_eq!(UseKey::parse_text(text.as_slice()).expect("legal").bytes(), key.bytes());
        assert!(UseKey::parse_text(&[text.as_slice(), b"\n"].concat()).is_ok());
        for wrong in [&text.as_slice()[1..], &[text.as_slice(), b"AAAA"].concat(), b"", b"not a key", &[b'A'; 4000]] {
            assert_eq!(UseKey::parse_text(wrong).err().expect("refused").code(), ErrorCode::StoreCorrupted);
        }
    }

    #[test]
    fn a_mac_binds_domain_and_message() {
        let key = UseKey::make().and_then(|key| key.derive(Purpose::DenyOverlay, b"home")).expect("derived");
        let mac = key.mac("overlay", b"deny all");
        assert!(key.verify_mac("overlay", b"deny all", &mac));
        assert!(!key.verify_mac("overlay", b"deny al", &mac));
        assert!(!key.verify_mac("pin", b"deny all", &mac));
        assert!(!key.verify_mac("overlay", b"deny all", &mac[..31]));
    }
}
