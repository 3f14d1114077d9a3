//! Why a connection cannot go on.

use super::code;

/// What a side did that the protocol does not allow, with the close code for it (RFC 6455, section 7.4.1). It says
/// nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The close code.
    pub(crate) code: u16,
    /// The reason, in words.
    pub(crate) why: &'static str,
}

impl Fault {
    pub(super) const fn protocol(why: &'static str) -> Self {
        Self { code: code::PROTOCOL, why }
    }

    pub(super) const fn data(why: &'static str) -> Self {
        Self { code: code::DATA, why }
    }

    pub(super) const fn size(why: &'static str) -> Self {
        Self { code: code::SIZE, why }
    }
}
