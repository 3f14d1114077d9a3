// refused: E0599 + clone
pub fn f(value: &agentsecrets::SecretInput) {
    let _ = value.clone();
    let _: agentsecrets::SecretInput = agentsecrets::SecretInput::clone(value);
}
