//! The code of an invitation: what the joiner needs that the server must not have.
//!
//! `asi1_` (a machine's enrolment: `asm1_`), and in base64url the invitation's id (16 bytes), a secret (32), the digest of the end
//! of the chain (32) and the server's address.

use agentsecrets_wire::chain::{Device, Member, join_proof};
use agentsecrets_wire::{Hash, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::binding::Binding;
use super::make_secret;
use super::sharing::ReceivingKey;
use super::signing::SigningKey;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const ID: usize = 16;
const SECRET: usize = 32;
const HEAD: usize = 32;
/// The longest address of a server in a code.
const ADDRESS: usize = 512;

/// Whom an invitation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Somebody with an account.
    Person,
    /// A machine.
    Machine,
}

impl Guest {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Person => b"asi1_",
            Self::Machine => b"asm1_",
        }
    }
}

/// A code, whose secret lies in guarded memory.
pub(crate) struct InviteCode {
    /// Whom it is for.
    pub(crate) guest: Guest,
    /// The invitation's id.
    pub(crate) invite: Uuid,
    /// The end of the chain when it was made: the chain that the joiner is shown has to pass through it.
    pub(crate) head: Hash,
    /// The server's address.
    pub(crate) server: String,
    secret: SecretValue,
}

impl InviteCode {
    /// A new code with a random secret.
    ///
    /// # Errors
    /// `invite_invalid` where the address is longer than a code takes.
    pub(crate) fn make(guest: Guest, invite: Uuid, head: Hash, server: &str) -> Result<Self> {
        if server.is_empty() || server.len() > ADDRESS {
            return Err(invalid("the server's address does not fit in a code"));
        }
        Ok(Self { guest, invite, head, server: server.to_owned(), secret: make_secret()? })
    }

    /// A code as it was handed over; white space around it is ignored. The caller wipes the text.
    ///
    /// # Errors
    /// `invite_invalid` for what is none.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let text = text.trim_ascii();
        let guest = [Guest::Person, Guest::Machine].into_iter().find(|guest| text.starts_with(guest.prefix()));
        let guest = guest.ok_or_else(|| invalid("a code begins with asi1_ or asm1_"))?;
        let text = &text[guest.prefix().len()..];
        if text.len() > (ID + SECRET + HEAD + ADDRESS).div_ceil(3) * 4 {
            return Err(invalid("the code is too long"));
        }
        let mut bytes = SecretBuf::zeroed(text.len());
        let length = URL_SAFE_NO_PAD
            .decode_slice(text, bytes.as_mut_slice())
            .map_err(|_| invalid("the code is mistyped or was cut"))?;
        bytes.truncate(length);
        Self::decode(guest, bytes.as_slice()).ok_or_else(|| invalid("the code is mistyped or was cut"))
    }

    /// The code, for the terminal.
    pub(crate) fn text(&self) -> SecretBuf {
        let mut bytes = SecretBuf::with_capacity(ID + SECRET + HEAD + self.server.len());
        bytes.extend(self.invite.as_bytes());
        bytes.extend(self.secret());
        bytes.extend(self.head.as_bytes());
        bytes.extend(self.server.as_bytes());
        let start = self.guest.prefix().len();
        let mut text = SecretBuf::zeroed(start + bytes.len().div_ceil(3) * 4);
        text.as_mut_slice()[..start].copy_from_slice(self.guest.prefix());
        let written = URL_SAFE_NO_PAD.encode_slice(bytes.as_slice(), &mut text.as_mut_slice()[start..]);
        text.truncate(start + written.expect("the buffer is long enough"));
        text
    }

    /// The key that proves that the code is known.
    pub(crate) fn signing(&self) -> Result<SigningKey> {
        self.derive("sign").map(|seed| SigningKey::from_derived(&seed))
    }

    /// The key that the workspace's keys are sealed to.
    pub(crate) fn receiving(&self) -> Result<ReceivingKey> {
        self.derive("receive").map(|key| ReceivingKey::from_derived(&key))
    }

    /// Proves to all members, over the joiner's own keys, that the code was known.
    pub(crate) fn prove(&self, workspace: &Uuid, member: &Member, device: &Device) -> Result<Signature> {
        Ok(self.signing()?.sign(&join_proof(workspace, &self.invite, member, device)))
    }

    fn decode(guest: Guest, bytes: &[u8]) -> Option<Self> {
        let (invite, rest) = bytes.split_first_chunk::<ID>()?;
        let (secret, rest) = rest.split_first_chunk::<SECRET>()?;
        let (head, server) = rest.split_first_chunk::<HEAD>()?;
        let server = std::str::from_utf8(server).ok().filter(|server| !server.is_empty() && server.len() <= ADDRESS)?;
        if server.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let secret = SecretValue::copy_from(secret);
        Some(Self { guest, invite: Uuid::from_bytes(*invite), head: Hash::from(*head), server: server.into(), secret })
    }

    fn derive(&self, purpose: &str) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/invite/1").field(self.guest.prefix());
        SubKey::expand(self.secret(), &info.field(self.invite.as_bytes()).field(purpose.as_bytes()))
    }

    fn secret(&self) -> &[u8] {
        // EXPOSE: the code is shown to its maker, or keys are derived from it.
        self.secret.expose()
    }
}

fn invalid(why: &'static str) -> Error {
    Error::new(ErrorCode::InviteInvalid, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(guest: Guest) -> InviteCode {
        let head = Hash::from([3; 32]);
        InviteCode::make(guest, Uuid::from_u128(5), head, "https://sync.example.test").expect("random")
    }

    #[test]
    fn a_code_leads_to_the_same_keys_wherever_it_is_typed() {
        for guest in [Guest::Person, Guest::Machine] {
            let code = code(guest);
            let text = [b" ", code.text().as_slice(), b"\n"].concat();
            let typed = InviteCode::parse(&text).expect("a code");
            assert_eq!((typed.guest, typed.invite, typed.head), (guest, code.invite, code.head));
            assert_eq!(typed.server, code.server);
            assert_eq!(typed.signing().expect("a key").public(), code.signing().expect("a key").public());
            let receiving = |code: &InviteCode| code.receiving().and_then(|key| key.public()).expect("a key");
            assert_eq!(receiving(&typed), receiving(&code));
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let text = code(Guest::Person).text().as_slice().to_vec();
        let short = [&b"asi1_"[..], &[b'A'; 107]].concat();
        let long = [&text[..], &[b'A'; 4000]].concat();
        for wrong in
            [&b""[..], b"asi1_", b"asx1_AAAA", &text[5..], &text[..60], &short, &long, &[&text[..], b"="].concat()]
        {
            assert_eq!(InviteCode::parse(wrong).err().expect("refused").code(), ErrorCode::InviteInvalid);
        }
    }

    #[test]
    fn a_machines_code_is_no_persons() {
        let mut text = code(Guest::Person).text().as_slice().to_vec();
        let key = InviteCode::parse(&text).and_then(|code| code.signing()).expect("a key").public();
        text[2] = b'm';
        assert_ne!(InviteCode::parse(&text).and_then(|code| code.signing()).expect("a key").public(), key);
    }
}
