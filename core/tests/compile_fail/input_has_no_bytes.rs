// refused: E0616 + private
pub fn f(value: &agentsecrets::SecretInput) -> usize {
    let bytes = &value.bytes;
    0
}
