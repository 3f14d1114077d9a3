// refused: E0277
pub fn f(value: &agentsecrets::SecretInput) -> &[u8] {
    fn bytes<T: AsRef<[u8]>>(value: &T) -> &[u8] {
        value.as_ref()
    }
    bytes(value)
}
