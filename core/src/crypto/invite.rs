//! The code of an invitation: it leads to the keys that the chain names, to the server, and to the chain it was made in.
//!
//! `asi1_` for a person or `asm1_` for a machine, then base64url of: the id (16 bytes), the secret (32), the digest of the chain's
//! end (32), and the server's origin. The code travels by another way than the server.

use agentsecrets_wire::{Hash, PublicKey, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::binding::Binding;
use super::device::{DeviceKey, ReceivingKey};
use super::fill_random;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const PERSON: &[u8] = b"asi1_";
const MACHINE: &[u8] = b"asm1_";
const FIXED: usize = 16 + 32 + 32;
/// The longest origin of a server.
const LONGEST: usize = 512;

/// A code, in guarded memory.
pub(crate) struct InviteCode {
    id: Uuid,
    machine: bool,
    secret: SecretValue,
    head: Hash,
    server: String,
}

/// The keys that a code leads to.
pub(crate) struct InviteKeys {
    signing: DeviceKey,
    receiving: ReceivingKey,
}

impl InviteCode {
    /// A new code, for a chain that ends so now.
    pub(crate) fn make(server: &str, head: Hash, machine: bool) -> Result<Self> {
        let mut secret = SecretBuf::zeroed(32);
        fill_random(secret.as_mut_slice())?;
        Ok(Self { id: Uuid::now_v7(), machine, secret: secret.into_value(), head, server: server.to_owned() })
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(server: &str, head: Hash, machine: bool, id: Uuid, secret: &[u8]) -> Self {
        Self { id, machine, secret: SecretValue::copy_from(secret), head, server: server.to_owned() }
    }

    /// Reads a code, with white space around it or in it, as a terminal breaks long lines.
    ///
    /// # Errors
    /// `invite_invalid`; the text is not repeated.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut joined = SecretBuf::with_capacity(text.len());
        text.iter().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| joined.push(*byte));
        let text = joined.as_slice();
        let (machine, encoded) = match (text.strip_prefix(PERSON), text.strip_prefix(MACHINE)) {
            (Some(encoded), _) => (false, encoded),
            (_, Some(encoded)) => (true, encoded),
            _ => return Err(invalid("this is no code of an invitation: it begins with asi1_ or asm1_")),
        };
        if encoded.len() > (FIXED + LONGEST) * 2 {
            return Err(invalid("the code is too long"));
        }
        let mut bytes = SecretBuf::zeroed(encoded.len());
        let length = URL_SAFE_NO_PAD
            .decode_slice(encoded, bytes.as_mut_slice())
            .map_err(|_| invalid("the code was cut or mistyped"))?;
        bytes.truncate(length);
        let (id, rest) = bytes.as_slice().split_first_chunk::<16>().ok_or_else(cut)?;
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let (head, server) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let server = std::str::from_utf8(server).map_err(|_| cut())?;
        // It is shown before anybody asks it, and an origin is plain (RFC 6454, section 6.2).
        if server.is_empty() || server.len() > LONGEST || !server.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(cut());
        }
        Ok(Self {
            id: Uuid::from_bytes(*id),
            machine,
            secret: SecretValue::copy_from(secret),
            head: Hash::from(*head),
            server: server.to_owned(),
        })
    }

    /// The code, as it is shown once.
    pub(crate) fn text(&self) -> SecretBuf {
        let mut bytes = SecretBuf::with_capacity(FIXED + self.server.len());
        bytes.extend(self.id.as_bytes());
        // EXPOSE: the secret goes into the code, which is shown to the human who asked for it.
        bytes.extend(self.secret.expose());
        bytes.extend(self.head.as_bytes());
        bytes.extend(self.server.as_bytes());
        let prefix = if self.machine { MACHINE } else { PERSON };
        let mut text = SecretBuf::zeroed(prefix.len() + (bytes.len() * 4).div_ceil(3));
        text.as_mut_slice()[..prefix.len()].copy_from_slice(prefix);
        let length = URL_SAFE_NO_PAD
            .encode_slice(bytes.as_slice(), &mut text.as_mut_slice()[prefix.len()..])
            .expect("the buffer is long enough");
        text.truncate(prefix.len() + length);
        text
    }

    /// The invitation's id.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Whether it is a machine's.
    pub(crate) fn is_machine(&self) -> bool {
        self.machine
    }

    /// The end of the chain when it was made.
    pub(crate) fn head(&self) -> Hash {
        self.head
    }

    /// The server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The keys that it leads to.
    pub(crate) fn keys(&self) -> Result<InviteKeys> {
        let derive = |purpose: &'static str| {
            let info = Binding::new("agentsecrets/invite/1").field(purpose.as_bytes()).field(self.id.as_bytes());
            // EXPOSE: the keys are derived from the secret.
            SubKey::expand(self.secret.expose(), &info)
        };
        Ok(InviteKeys {
            signing: DeviceKey::from_bytes(derive("signing")?.bytes())?,
            receiving: ReceivingKey::from_bytes(derive("receiving")?.bytes())?,
        })
    }
}

impl InviteKeys {
    /// Ed25519, as the chain names it.
    pub(crate) fn signing_public(&self) -> PublicKey {
        self.signing.public()
    }

    /// X25519, as the chain names it.
    pub(crate) fn receiving_public(&self) -> PublicKey {
        self.receiving.public()
    }

    /// What opens the seals of the invitation.
    pub(crate) fn receiving(&self) -> &ReceivingKey {
        &self.receiving
    }

    /// Proves that the code is known.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.signing.sign(message)
    }
}

fn cut() -> Error {
    invalid("the code was cut or mistyped")
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::InviteInvalid, why).with_hint("ask for another: agentsecrets workspace invite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_it_was_written_and_leads_to_the_same_keys() {
        for machine in [false, true] {
            let code = InviteCode::make("https://secrets.example.com", [7; 32].into(), machine).expect("random");
            let text = code.text();
            let read = InviteCode::parse(&[b" ", text.as_slice(), b"\n"].concat()).expect("a code");
            assert_eq!((read.id(), read.is_machine(), read.head()), (code.id(), machine, [7; 32].into()));
            assert_eq!(read.server(), "https://secrets.example.com");
            let keys = |code: &InviteCode| {
                let keys = code.keys().expect("derived");
                (keys.signing_public(), keys.receiving_public())
            };
            assert_eq!(keys(&read), keys(&code));
            for end in 0..text.len() - 40 {
                assert!(InviteCode::parse(&text.as_slice()[..end]).is_err(), "cut to {end}");
            }
        }
        for hostile in ["https://a.example\n", "https://\u{1b}[2J.example", "https://\u{202e}example", " "] {
            let text = InviteCode::make(hostile, [7; 32].into(), false).expect("random").text();
            assert!(InviteCode::parse(text.as_slice()).is_err(), "{hostile:?}");
        }
        for wrong in [&b""[..], b"asi1_", b"asi2_AAAA", b"as_agent_x", &[b'a'; 9000]] {
            assert_eq!(InviteCode::parse(wrong).err().expect("refused").code(), ErrorCode::InviteInvalid);
        }
    }
}
