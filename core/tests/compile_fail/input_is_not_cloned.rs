// refused: E0277 + Clone
pub fn f(value: &agentsecrets::SecretInput) -> agentsecrets::SecretInput {
    agentsecrets::SecretInput::clone(value)
}
