//! What a ciphertext, signature or MAC is bound to: a domain and fields, in one unambiguous encoding.

/// A domain followed by fields, each with its length in front (u32, little endian), so that no two lists of fields
/// encode alike.
pub(crate) struct Binding(Vec<u8>);

impl Binding {
    /// A binding without fields. A domain names one use and its version: `agentsecrets/record/1`.
    pub(crate) fn new(domain: &'static str) -> Self {
        Self(Vec::with_capacity(256)).field(domain.as_bytes())
    }

    /// Appends a field.
    #[must_use]
    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).expect("a field is shorter than 4 GiB");
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The encoding.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_fields_encode_alike() {
        let binding = |fields: &[&[u8]]| fields.iter().fold(Binding::new("d"), |b, field| b.field(field)).0;
        let lists: [&[&[u8]]; 6] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[b"", b"abc"], &[]];
        for (number, one) in lists.iter().enumerate() {
            for other in &lists[number + 1..] {
                assert_ne!(binding(one), binding(other));
            }
        }
        assert_eq!(Binding::new("d").field(b"xy").as_bytes(), b"\x01\0\0\0d\x02\0\0\0xy");
    }
}
