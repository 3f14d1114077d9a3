//! What an agent shows to say which one it is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The beginning of every token, by which one that lies about is found.
pub(crate) const TOKEN_PREFIX: &str = "as_agent_";

/// A token as an agent holds it. It opens nothing by itself: it names the agent of a call. It is shown nowhere and goes
/// nowhere but over the socket, in the header of a call.
#[derive(Clone)]
pub struct AgentToken(Arc<Zeroizing<String>>);

impl AgentToken {
    /// A token from its text. Whether it is one is decided where the tokens are known.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The token of this process: `AGENTSECRETS_AGENT_TOKEN`.
    #[must_use]
    pub fn from_process() -> Option<Self> {
        std::env::var("AGENTSECRETS_AGENT_TOKEN").ok().filter(|text| !text.is_empty()).map(Self::new)
    }

    /// SHA-256 of the text, in hex: all of a token that is ever kept.
    pub(crate) fn digest(&self) -> String {
        crate::hex::lower(&Sha256::digest(self.0.as_bytes()))
    }

    /// The text, for the one who made it to hand it over once.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for AgentToken {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for AgentToken {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for AgentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentToken(hidden)")
    }
}

impl PartialEq for AgentToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for AgentToken {}

// For the socket and nothing else.
impl Serialize for AgentToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgentToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown_and_crosses_the_socket_whole() {
        let token = AgentToken::new("as_agent_x\"y");
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "AgentToken(hidden) Some(AgentToken(hidden))");
        let crossed: AgentToken = serde_json::from_str(&serde_json::to_string(&token).expect("JSON")).expect("JSON");
        assert_eq!((crossed.digest(), crossed == token), (token.digest(), true));
        assert_ne!(token, AgentToken::new("as_agent_x"));
    }
}
