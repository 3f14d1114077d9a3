//! AgentSecrets.
fn main() {}
