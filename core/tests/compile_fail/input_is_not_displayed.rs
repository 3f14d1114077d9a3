// refused: E0277 + Display
pub fn f(value: &agentsecrets::SecretInput) -> String {
    format!("{value}")
}
