//! The way in: a value is handed over once and cannot be looked at again.

use std::io::Read;
use std::os::fd::AsRawFd;

use rpassword::ConfigBuilder;
use zeroize::{Zeroize, Zeroizing};

use super::value::{SecretBuf, SecretValue};
use crate::error::{Error, ErrorCode, Result};

/// The longest value: 64 KiB, enough for a PEM chain or a service account.
pub(crate) const MAX_VALUE: usize = 64 << 10;
/// Shorter values cannot be found again in an answer without finding half the answer, so they must be asked for.
pub(crate) const MIN_VALUE: usize = 8;

/// A value on its way into the store. It has no accessor, and cannot be cloned, printed or serialised.
pub struct SecretInput {
    bytes: SecretBuf,
}

impl SecretInput {
    /// Takes bytes over, and wipes them where they were.
    ///
    /// # Errors
    /// `invalid_value` where they are none or more than 64 KiB.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let source = Zeroizing::new(bytes);
        let mut bytes = SecretBuf::with_capacity(source.len().min(MAX_VALUE));
        if source.len() <= MAX_VALUE {
            bytes.extend(&source);
            return Self { bytes }.checked();
        }
        Err(too_long())
    }

    /// Reads a value to the end, byte for byte.
    ///
    /// # Errors
    /// `invalid_value` where it is empty, longer than 64 KiB or cannot be read.
    pub fn from_reader(reader: impl Read) -> Result<Self> {
        Self { bytes: read_all(reader, MAX_VALUE)? }.checked()
    }

    /// Reads a value as a shell pipes it: to the end, and without one newline at the end.
    ///
    /// # Errors
    /// As [`from_reader`](Self::from_reader).
    pub fn from_pipe(reader: impl Read) -> Result<Self> {
        let mut bytes = read_all(reader, MAX_VALUE + 2)?;
        let text = bytes.as_slice();
        let kept = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).map_or(text.len(), <[u8]>::len);
        bytes.truncate(kept);
        Self { bytes }.checked()
    }

    /// Asks for a value at the controlling terminal, without showing it.
    ///
    /// # Errors
    /// `invalid_value` where there is no terminal, or nothing was typed.
    pub fn from_terminal(prompt: &str) -> Result<Self> {
        let hidden = ConfigBuilder::new().password_feedback_hide().build();
        // Before the prompt stands there: whoever types or pastes at once must not see it.
        let _quiet = Quiet::terminal();
        let typed = rpassword::prompt_password_with_config(prompt, hidden).map_err(|error| {
            Error::new(ErrorCode::InvalidValue, format!("no value could be read at a terminal: {}", error.kind()))
                .with_hint("without a terminal, pipe the value in: agentsecrets secrets set NAME < FILE")
        })?;
        Self::from_bytes(typed.into_bytes())
    }

    /// The value on its way to the broker that will keep it; wiped when it is sent.
    pub(crate) fn into_bytes(self) -> bytes::Bytes {
        struct Wiped(SecretBuf);
        impl AsRef<[u8]> for Wiped {
            fn as_ref(&self) -> &[u8] {
                self.0.as_slice()
            }
        }
        bytes::Bytes::from_owner(Wiped(self.bytes))
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The value, once its length was judged.
    pub(crate) fn into_value(self, weak: bool) -> Result<SecretValue> {
        if !weak && self.bytes.len() < MIN_VALUE {
            return Err(Error::new(
                ErrorCode::InvalidValue,
                "a value under 8 bytes is hidden in answers only in the exact form it was sent",
            )
            .with_hint("agentsecrets secrets set NAME --weak  # where the service leaves no choice"));
        }
        Ok(self.bytes.into_value())
    }

    fn checked(self) -> Result<Self> {
        match self.bytes.len() {
            0 => Err(Error::new(ErrorCode::InvalidValue, "the value is empty")),
            1..=MAX_VALUE => Ok(self),
            _ => Err(too_long()),
        }
    }
}

fn read_all(mut reader: impl Read, limit: usize) -> Result<SecretBuf> {
    let mut bytes = SecretBuf::with_capacity(4096);
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        match reader.read(chunk.as_mut_slice()) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let message = format!("the value could not be read: {}", error.kind());
                return Err(Error::new(ErrorCode::InvalidValue, message));
            }
        }
        chunk.zeroize();
        if bytes.len() > limit {
            return Err(too_long());
        }
    }
}

fn too_long() -> Error {
    Error::new(ErrorCode::InvalidValue, "the value is longer than 64 KiB")
}

/// The controlling terminal without echo; dropped, it is as it was.
struct Quiet(Option<(std::fs::File, libc::termios)>);

impl Quiet {
    fn terminal() -> Self {
        Self(Self::silence())
    }

    fn silence() -> Option<(std::fs::File, libc::termios)> {
        let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let mut found = std::mem::MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and the pointer leads to a local of the type that is written.
        if unsafe { libc::tcgetattr(terminal.as_raw_fd(), found.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: tcgetattr succeeded, so it is written.
        let found: libc::termios = unsafe { found.assume_init() };
        let mut quiet = found;
        quiet.c_lflag &= !(libc::ECHO | libc::ECHONL);
        // SAFETY: the descriptor is open, and the pointer leads to a live local.
        (unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &raw const quiet) } == 0)
            .then_some((terminal, found))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some((terminal, found)) = &self.0 {
            // SAFETY: the descriptor is open, and the pointer leads to what tcgetattr gave.
            unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &raw const *found) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(input: Result<SecretInput>) -> Result<Vec<u8>> {
        // EXPOSE: the test compares what went in with what came out.
        input.and_then(|input| input.into_value(true)).map(|value| value.expose().to_vec())
    }

    #[test]
    fn a_value_goes_in_byte_for_byte() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(shown(SecretInput::from_bytes(bytes.clone())).expect("legal"), bytes);
        assert_eq!(shown(SecretInput::from_reader(&bytes[..])).expect("legal"), bytes);
        assert_eq!(shown(SecretInput::from_reader(&b"with newline\n"[..])).expect("legal"), b"with newline\n");
    }

    #[test]
    fn a_pipe_loses_one_newline_and_no_more() {
        for (piped, kept) in [
            (&b"value\n"[..], &b"value"[..]),
            (b"value\r\n", b"value"),
            (b"value\n\n", b"value\n"),
            (b"value", b"value"),
        ] {
            assert_eq!(shown(SecretInput::from_pipe(piped)).expect("legal"), kept);
        }
        assert!(SecretInput::from_pipe(&b"\n"[..]).is_err());
    }

    #[test]
    fn lengths_are_judged() {
        let code = |input: Result<Vec<u8>>| input.expect_err("refused").code();
        for empty in [shown(SecretInput::from_bytes(Vec::new())), shown(SecretInput::from_reader(&b""[..]))] {
            assert_eq!(code(empty), ErrorCode::InvalidValue);
        }
        let longest = vec![b'x'; MAX_VALUE];
        assert!(SecretInput::from_bytes(longest.clone()).is_ok());
        assert!(SecretInput::from_reader(&longest[..]).is_ok());
        assert!(SecretInput::from_pipe(&[&longest[..], b"\n"].concat()[..]).is_ok());
        let longer = vec![b'x'; MAX_VALUE + 1];
        assert_eq!(code(shown(SecretInput::from_bytes(longer.clone()))), ErrorCode::InvalidValue);
        assert_eq!(code(shown(SecretInput::from_reader(&longer[..]))), ErrorCode::InvalidValue);
        assert_eq!(code(shown(SecretInput::from_pipe(&longer[..]))), ErrorCode::InvalidValue);
        assert!(SecretInput::from_reader(std::io::repeat(b'x')).is_err(), "an endless source ends");
    }

    #[test]
    fn a_short_value_must_be_asked_for() {
        let short = || SecretInput::from_bytes(b"1234567".to_vec()).expect("not empty");
        let error = short().into_value(false).err().expect("refused");
        assert_eq!(error.code(), ErrorCode::InvalidValue);
        assert!(error.hint().is_some_and(|hint| hint.contains("--weak")));
        assert!(short().into_value(true).is_ok());
        assert!(SecretInput::from_bytes(b"12345678".to_vec()).expect("eight").into_value(false).is_ok());
    }
}
