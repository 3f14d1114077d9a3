//! The recovery code: what opens an account's keys where the password is forgotten.
//!
//! 160 random bits and a check of 20, in groups of four letters of Crockford's base 32, which has no I, L, O and U.

use agentsecrets_wire::{PublicKey, Signature};
use sha2::{Digest, Sha256};

use super::binding::Binding;
use super::device::DeviceKey;
use super::fill_random;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES: usize = 20;
const DIGITS: usize = 32;
const CHECK: usize = 4;

/// A code, in guarded memory.
pub(crate) struct RecoveryCode(SecretValue);

impl RecoveryCode {
    /// A new random code.
    pub(crate) fn make() -> Result<Self> {
        let mut bytes = SecretBuf::zeroed(BYTES);
        fill_random(bytes.as_mut_slice())?;
        Ok(Self(bytes.into_value()))
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(SecretValue::copy_from(bytes))
    }

    /// Reads a code as a human types it: in any case, with or without dashes and spaces, O for 0, I and L for 1.
    ///
    /// # Errors
    /// `wrong_credentials` where it is none, or was mistyped.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorCode::WrongCredentials, "this is no recovery code, or it was mistyped")
                .with_hint("nine groups of four letters and digits, as they were shown at the first login")
        };
        let mut digits = SecretBuf::with_capacity(DIGITS + CHECK);
        for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'-') {
            if digits.len() == DIGITS + CHECK {
                return Err(wrong());
            }
            digits.push(digit(*byte).ok_or_else(wrong)?);
        }
        let (code, check) = digits.as_slice().split_at_checked(DIGITS).ok_or_else(wrong)?;
        let mut bytes = SecretBuf::zeroed(BYTES);
        for (eight, five) in code.chunks_exact(8).zip(bytes.as_mut_slice().chunks_exact_mut(5)) {
            let number = eight.iter().fold(0u64, |number, digit| number << 5 | u64::from(*digit));
            five.copy_from_slice(&number.to_be_bytes()[3..]);
        }
        if check != check_of(bytes.as_slice()) {
            return Err(wrong());
        }
        Ok(Self(bytes.into_value()))
    }

    /// The code, as it is shown once.
    pub(crate) fn text(&self) -> SecretBuf {
        let mut text = SecretBuf::with_capacity(DIGITS + CHECK + 8);
        let mut count = 0;
        let mut put = |digit: u8| {
            if count > 0 && count % 4 == 0 {
                text.push(b'-');
            }
            text.push(LETTERS[usize::from(digit)]);
            count += 1;
        };
        // EXPOSE: the code is shown to the human it is for.
        for five in self.0.expose().chunks_exact(5) {
            let number = five.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            (0..8).rev().for_each(|at| put(u8::try_from(number >> (5 * at) & 31).expect("five bits")));
        }
        // EXPOSE: the check is made of the code.
        check_of(self.0.expose()).into_iter().for_each(put);
        text
    }

    /// The key that the account's keys are sealed under.
    pub(super) fn sealing(&self) -> Result<SubKey> {
        self.derive("sealing")
    }

    /// What the server knows the code by.
    pub(crate) fn public(&self) -> Result<PublicKey> {
        Ok(DeviceKey::from_bytes(self.derive("signing")?.bytes())?.public())
    }

    fn derive(&self, purpose: &'static str) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/recovery/1").field(purpose.as_bytes());
        // EXPOSE: the keys are derived from the code.
        SubKey::expand(self.0.expose(), &info)
    }

    /// Proves that the code is known.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature> {
        Ok(DeviceKey::from_bytes(self.derive("signing")?.bytes())?.sign(message))
    }
}

fn digit(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        byte => byte,
    };
    LETTERS.iter().position(|letter| *letter == byte).and_then(|at| u8::try_from(at).ok())
}

/// Twenty bits of a digest, so that a mistyped letter is told from a wrong code.
fn check_of(code: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::digest([b"agentsecrets/recovery-check/1", code].concat());
    std::array::from_fn(|at| digest[at] & 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_it_is_typed_and_a_mistyped_letter_is_said() {
        let code = RecoveryCode::make().expect("random");
        let text = code.text();
        let shown = String::from_utf8(text.as_slice().to_vec()).expect("text");
        assert_eq!((shown.len(), shown.split('-').count()), (44, 9));
        let public = |code: &RecoveryCode| code.public().expect("derived");
        for typed in [shown.clone(), shown.to_lowercase().replace('-', " "), shown.replace('-', "").replace('0', "o")] {
            assert_eq!(public(&RecoveryCode::parse(typed.as_bytes()).expect("a code")), public(&code));
        }
        for at in (0..shown.len()).filter(|at| shown.as_bytes()[*at] != b'-') {
            let mut typed = shown.clone().into_bytes();
            typed[at] = if typed[at] == b'7' { b'8' } else { b'7' };
            // One in a million is found by nobody, and this is not one of them.
            assert!(RecoveryCode::parse(&typed).is_err(), "letter {at}");
        }
        for wrong in [&b""[..], b"AAAA", &shown.as_bytes()[..40], &[shown.as_bytes(), b"A"].concat(), b"\xff\xff"] {
            assert!(RecoveryCode::parse(wrong).is_err());
        }
    }
}
