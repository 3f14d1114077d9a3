// refused: E0624 + private
pub fn f(value: agentsecrets::SecretInput) {
    let _ = value.into_bytes();
}
