//! The command line and broker of AgentSecrets.
mod broker;
fn main() {
    let _ = (broker::run, broker::serve);
}
