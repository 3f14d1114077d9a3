//! The one type that holds a value, and the scratch it is built in.
//!
//! Neither can be cloned, printed, compared or serialised. [`SecretValue::expose`] is the only way to the bytes, and every
//! line that calls it says why.

use super::arena::Slot;

/// A value, in guarded memory.
pub(crate) struct SecretValue {
    slot: Slot,
    len: usize,
}

impl SecretValue {
    /// A copy of `bytes`, which the caller wipes.
    pub(crate) fn copy_from(bytes: &[u8]) -> Self {
        let mut buffer = SecretBuf::with_capacity(bytes.len());
        buffer.extend(bytes);
        buffer.into_value()
    }

    /// The bytes. Every caller stands under a comment that says why it needs them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.slot.bytes()[..self.len]
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Scratch in guarded memory: grows by copying into a larger slot, and wipes what it leaves.
pub(crate) struct SecretBuf {
    slot: Slot,
    len: usize,
}

impl SecretBuf {
    /// An empty buffer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { slot: Slot::new(capacity), len: 0 }
    }

    /// A buffer of `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { slot: Slot::new(len), len }
    }

    /// Appends bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.reserve(end);
        self.slot.bytes_mut()[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Appends one byte.
    pub(crate) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    /// Cuts to `len` bytes and wipes the rest.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            let end = self.len;
            zeroize::Zeroize::zeroize(&mut self.slot.bytes_mut()[len..end]);
            self.len = len;
        }
    }

    /// The bytes so far.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.slot.bytes()[..self.len]
    }

    /// The bytes so far, to be written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.slot.bytes_mut()[..self.len]
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes as a value, without a copy.
    pub(crate) fn into_value(self) -> SecretValue {
        SecretValue { slot: self.slot, len: self.len }
    }

    fn reserve(&mut self, wanted: usize) {
        if wanted <= self.slot.bytes().len() {
            return;
        }
        let mut larger = Slot::new(wanted.max(2 * self.len));
        larger.bytes_mut()[..self.len].copy_from_slice(&self.slot.bytes()[..self.len]);
        self.slot = larger;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use super::*;
    use crate::resolve::input::SecretInput;

    /// Does not compile where the type has the trait: then two implementations could be meant.
    macro_rules! assert_lacks {
        ($($holder:ty),* : $trait:path) => {{
            trait Ambiguous<Choice> { fn choose() {} }
            struct Has;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
            $(<$holder as Ambiguous<_>>::choose();)*
        }};
    }

    #[test]
    fn what_holds_a_value_cannot_be_copied_shown_or_written() {
        assert_lacks!(SecretValue, SecretBuf, SecretInput: Clone);
        assert_lacks!(SecretValue, SecretBuf, SecretInput: Debug);
        assert_lacks!(SecretValue, SecretBuf, SecretInput: Display);
        assert_lacks!(SecretValue, SecretBuf, SecretInput: serde::Serialize);
        assert_lacks!(SecretValue, SecretBuf, SecretInput: AsRef<[u8]>);
        assert_lacks!(SecretValue, SecretBuf, SecretInput: PartialEq);
    }

    #[test]
    fn a_buffer_grows_shrinks_and_becomes_a_value() {
        let mut buffer = SecretBuf::with_capacity(0);
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for chunk in bytes.chunks(777) {
            buffer.extend(chunk);
        }
        buffer.push(1);
        assert_eq!(buffer.len(), 100_001);
        buffer.truncate(100_000);
        buffer.truncate(200_000);
        assert_eq!(buffer.as_slice(), bytes);
        let value = buffer.into_value();
        // EXPOSE: the test compares what went in with what came out.
        assert_eq!(value.expose(), bytes);
        assert_eq!(value.len(), bytes.len());
    }

    #[test]
    fn a_cut_tail_is_wiped() {
        let mut buffer = SecretBuf::zeroed(0);
        assert!(buffer.is_empty());
        buffer.extend(b"abcdef");
        buffer.truncate(2);
        assert_eq!(&buffer.slot.bytes()[..6], b"ab\0\0\0\0");
        buffer.as_mut_slice()[0] = b'x';
        assert_eq!(buffer.as_slice(), b"xb");
    }
}
