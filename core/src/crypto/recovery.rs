//! The recovery code: what opens an account's keys when the password is forgotten.
//!
//! 32 random bytes and two of a checksum, in Crockford's base32 (55 characters), in groups of five with a hyphen between.

use agentsecrets_wire::{PublicKey, Signature};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::binding::Binding;
use super::make_secret;
use super::signing::SigningKey;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const SECRET: usize = 32;
const SUM: usize = 2;
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = ((SECRET + SUM) * 8).div_ceil(5);
const GROUP: usize = 5;

/// A recovery code, in guarded memory.
pub(crate) struct RecoveryCode(SecretValue);

impl RecoveryCode {
    /// A new random code.
    pub(crate) fn make() -> Result<Self> {
        make_secret().map(Self)
    }

    /// A code as somebody types it: in either case, with any spaces and hyphens, O for 0, I and L for 1.
    ///
    /// # Errors
    /// `wrong_credentials` where it is none, or mistyped.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let mut bytes = SecretBuf::with_capacity(SECRET + SUM);
        let (mut held, mut bits, mut letters) = (0_u32, 0, 0);
        for letter in text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'-') {
            held = (held << 5) | value(*letter).ok_or_else(mistyped)?;
            (bits, letters) = (bits + 5, letters + 1);
            if letters > LENGTH {
                return Err(mistyped());
            }
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits).map_err(|_| mistyped())?);
                held &= (1 << bits) - 1;
            }
        }
        if letters != LENGTH || held != 0 || bytes.as_slice()[SECRET..] != checksum(&bytes.as_slice()[..SECRET]) {
            return Err(mistyped());
        }
        bytes.truncate(SECRET);
        Ok(Self(bytes.into_value()))
    }

    /// The code, for the terminal.
    pub(crate) fn text(&self) -> SecretBuf {
        let mut bytes = SecretBuf::with_capacity(SECRET + SUM);
        bytes.extend(self.bytes());
        bytes.extend(&checksum(self.bytes()));
        let bytes = bytes.as_slice();
        let mut text = SecretBuf::with_capacity(LENGTH + LENGTH / GROUP);
        for number in 0..LENGTH {
            if number > 0 && number % GROUP == 0 {
                text.push(b'-');
            }
            let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
            text.push(LETTERS[(0..5).fold(0, |letter, next| letter << 1 | bit(number * 5 + next))]);
        }
        text
    }

    /// What seals the account's keys.
    pub(super) fn sealing(&self, account: &Uuid) -> Result<SubKey> {
        self.derive("seal", account)
    }

    /// What proves to the server that the code is known; its public half is all that the server has.
    pub(crate) fn signing(&self, account: &Uuid) -> Result<SigningKey> {
        self.derive("sign", account).map(|seed| SigningKey::from_derived(&seed))
    }

    /// The public half, for the server.
    pub(crate) fn public(&self, account: &Uuid) -> Result<PublicKey> {
        self.signing(account).map(|key| key.public())
    }

    /// Signs what asks for another password.
    pub(crate) fn sign(&self, account: &Uuid, message: &[u8]) -> Result<Signature> {
        self.signing(account).map(|key| key.sign(message))
    }

    fn derive(&self, purpose: &str, account: &Uuid) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/recovery/1").field(purpose.as_bytes()).field(account.as_bytes());
        SubKey::expand(self.bytes(), &info)
    }

    fn bytes(&self) -> &[u8] {
        // EXPOSE: the code is shown to its owner, or keys are derived from it.
        self.0.expose()
    }
}

fn checksum(secret: &[u8]) -> [u8; SUM] {
    let mut digest = Sha256::new();
    digest.update(b"agentsecrets/recovery-sum/1");
    digest.update(secret);
    let digest = digest.finalize();
    [digest[0], digest[1]]
}

fn value(letter: u8) -> Option<u32> {
    let letter = match letter.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    LETTERS.iter().position(|known| *known == letter).and_then(|at| u32::try_from(at).ok())
}

fn mistyped() -> Error {
    Error::new(ErrorCode::WrongCredentials, "the recovery code is mistyped: it has 55 letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_it_is_written_by_hand() {
        let code = RecoveryCode::make().expect("random");
        let text = String::from_utf8(code.text().as_slice().to_vec()).expect("letters");
        assert_eq!(text.len(), 55 + 10);
        let spaced = text.replace('-', " \n");
        let alike = text.to_lowercase().replace('0', "o").replace('1', "l");
        for typed in [text.clone(), text.to_lowercase(), text.replace('-', ""), spaced, alike] {
            assert_eq!(RecoveryCode::parse(typed.as_bytes()).expect("a code").bytes(), code.bytes());
        }
        for wrong in [&text[1..], &text[..64], "", "U", &format!("{text}0")] {
            assert_eq!(
                RecoveryCode::parse(wrong.as_bytes()).err().expect("no code").code(),
                ErrorCode::WrongCredentials
            );
        }
    }

    #[test]
    fn a_mistyped_letter_is_found() {
        let text = RecoveryCode::make().expect("random").text().as_slice().to_vec();
        let mut taken = 0;
        for at in (0..text.len()).filter(|at| text[*at] != b'-') {
            let mut typed = text.clone();
            let next = LETTERS.iter().position(|letter| *letter == text[at]).expect("a letter");
            typed[at] = LETTERS[(next + 1) % 32];
            taken += usize::from(RecoveryCode::parse(&typed).is_ok());
        }
        // One in 65,536 goes unnoticed by two bytes of a checksum; such a code opens nothing.
        assert!(taken <= 1);
    }

    #[test]
    fn accounts_and_uses_have_keys_of_their_own() {
        let code = RecoveryCode::make().expect("random");
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let key = |account| *code.sealing(account).expect("derived").bytes();
        assert_ne!(key(&one), key(&other));
        assert_ne!(code.public(&one).expect("derived"), code.public(&other).expect("derived"));
        assert_ne!(code.signing(&one).expect("derived").bytes(), &key(&one));
    }
}
