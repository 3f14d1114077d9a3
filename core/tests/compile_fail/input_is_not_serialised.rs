// refused: E0277 + Serialize
pub fn f(value: &agentsecrets::SecretInput) -> String {
    serde_json::to_string(value).unwrap()
}
