//! What a close frame says (RFC 6455, sections 5.5.1 and 7.4).

use super::{Fault, MAX_CONTROL};

/// The close codes that are said here.
pub(crate) mod code {
    /// This side goes away.
    pub(crate) const AWAY: u16 = 1001;
    /// The other side broke the protocol.
    pub(crate) const PROTOCOL: u16 = 1002;
    /// A text was no UTF-8, or a message could not be decompressed.
    pub(crate) const DATA: u16 = 1007;
    /// A message is too big.
    pub(crate) const SIZE: u16 = 1009;
    /// This side cannot go on, through no fault of the other.
    pub(crate) const FAILED: u16 = 1011;
}

/// A close frame's payload: nothing, or a code and a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Close {
    /// The code, where one is said.
    pub(crate) code: Option<u16>,
    /// The reason.
    pub(crate) reason: String,
}

impl Close {
    pub(crate) fn new(code: u16, reason: &str) -> Self {
        Self { code: Some(code), reason: reason.to_owned() }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// A code that no side may send, half a code, a reason that is no UTF-8.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Fault> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() { Ok(Self::default()) } else { Err(Fault::protocol("half a close code")) };
        };
        let code = u16::from_be_bytes(*code);
        if !is_sendable(code) {
            return Err(Fault::protocol("a close code that is never sent"));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Fault::data("a close reason that is no UTF-8"))?;
        Ok(Self { code: Some(code), reason: reason.to_owned() })
    }

    /// The payload; a reason that is too long for it is cut.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let Some(code) = self.code else { return Vec::new() };
        let mut end = self.reason.len().min(MAX_CONTROL - 2);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        [&code.to_be_bytes()[..], &self.reason.as_bytes()[..end]].concat()
    }
}

/// The registered codes that stand in frames (section 7.4.1 and the IANA registry), and those of libraries and programs.
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
