// refused: E0277 + Debug
pub fn f(value: &agentsecrets::SecretInput) -> String {
    format!("{value:?}")
}
