//! A new agent token: made in the owner's child, shown once by it, and kept by nobody.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::acts::PolicyAct;
use super::prompt::{no_terminal, open_fd};
use crate::context::{AgentToken, TOKEN_PREFIX};
use crate::crypto::fill_random;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::parse_expiry;
use crate::secret_ref::Label;

/// How long a token counts unless the owner says otherwise.
const DEFAULT_LIFE: &str = "30d";

/// A token to be issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewToken {
    /// The shared workspace that the project is in; none where it is the home's own.
    #[serde(default)]
    pub workspace: Option<uuid::Uuid>,
    /// The project's name.
    pub project: Label,
    /// The agent.
    pub agent: Label,
    /// For how long: `30d` unless said.
    pub expires: Option<String>,
    /// Where the text goes.
    pub sink: TokenSink,
}

/// Where the text of a new token goes, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSink {
    /// The controlling terminal.
    Terminal,
    /// A descriptor, for provisioning.
    Fd(i32),
    /// A new file, for its user alone.
    File(PathBuf),
}

impl TokenSink {
    /// The descriptors it writes to.
    pub(super) fn descriptors(&self) -> Vec<i32> {
        match self {
            Self::Fd(number) => vec![*number],
            Self::Terminal | Self::File(_) => Vec::new(),
        }
    }

    /// Opens the place before anything is signed, so that no token counts that nobody got.
    pub(super) fn open(&self) -> Result<File> {
        match self {
            Self::Terminal => std::fs::OpenOptions::new().write(true).open("/dev/tty").map_err(|_| {
                no_terminal().with_hint("show the token elsewhere: --out FILE, or --token-fd N in provisioning")
            }),
            Self::Fd(number) => open_fd(*number),
            Self::File(path) => {
                use std::os::unix::fs::OpenOptionsExt;
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
                options.open(path).map_err(|why| undelivered(&why))
            }
        }
    }

    /// Takes a place back that nothing was written to.
    pub(super) fn give_up(&self) {
        if let Self::File(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Writes another text that is shown once.
    pub(super) fn deliver_text(&self, mut place: File, text: &[u8]) -> Result<()> {
        place.write_all(text).and_then(|()| place.write_all(b"\n")).map_err(|why| undelivered(&why))
    }

    /// Writes the token.
    pub(super) fn deliver(&self, mut place: File, token: &AgentToken) -> Result<()> {
        let line = match self {
            Self::Terminal => format!("The token, shown this once:\n{}\n", token.text()),
            Self::Fd(_) | Self::File(_) => format!("{}\n", token.text()),
        };
        place.write_all(Zeroizing::new(line).as_bytes()).map_err(|why| undelivered(&why))
    }
}

/// A random token of 256 bits, and the act that makes it count.
pub(super) fn make(new: &NewToken, now: Timestamp) -> Result<(AgentToken, String, PolicyAct)> {
    let expires = parse_expiry(new.expires.as_deref().unwrap_or(DEFAULT_LIFE), now)?;
    let mut bytes = Zeroizing::new([0; 32]);
    fill_random(bytes.as_mut_slice())?;
    let mut text = String::with_capacity(TOKEN_PREFIX.len() + 43);
    text.push_str(TOKEN_PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    let token = AgentToken::new(text);
    let id = crate::hex::lower(&crate::crypto::make_random::<6>()?);
    let (project, agent, sha256) = (new.project.clone(), new.agent.clone(), token.digest());
    Ok((token, id.clone(), PolicyAct::AddToken { project, agent, id, sha256, expires }))
}

fn undelivered(why: &std::io::Error) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the token cannot be written there: {}", why.kind()))
        .with_hint("--out names a file that does not exist yet, --token-fd an open descriptor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_shape_and_rests_as_a_hash() {
        let label = |text| Label::parse(text).expect("a label");
        let new = NewToken {
            workspace: None,
            project: label("shop"),
            agent: label("bot"),
            expires: None,
            sink: TokenSink::Terminal,
        };
        let now = Timestamp::now();
        let (token, id, act) = make(&new, now).expect("random");
        assert!(token.text().starts_with("as_agent_") && token.text().len() == 9 + 43 && id.len() == 12);
        let PolicyAct::AddToken { sha256, expires, .. } = &act else { panic!("another act") };
        assert_eq!((sha256.len(), expires.duration_since(now).as_hours()), (64, 30 * 24));
        assert!(!serde_json::to_string(&act).expect("JSON").contains(&token.text()[9..]));
        assert_ne!(make(&new, now).expect("random").0, token);
    }
}
