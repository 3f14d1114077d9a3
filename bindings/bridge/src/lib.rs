//! AgentSecrets.
