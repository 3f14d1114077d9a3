//! The home: where everything of one user lies, and what `init` recorded about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result, Stage};

/// A home's folder. Naming one does not make it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home at `root`, else at `AGENTSECRETS_HOME`, else at `~/.agentsecrets`.
    ///
    /// # Errors
    /// `not_initialized` where none of the three is known.
    pub fn locate(root: Option<&Path>) -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let root = root
            .map(Path::to_owned)
            .or_else(|| variable("AGENTSECRETS_HOME"))
            .or_else(|| variable("HOME").map(|home| home.join(".agentsecrets")))
            .ok_or_else(|| {
                Error::new(ErrorCode::NotInitialized, "neither AGENTSECRETS_HOME nor HOME says where the home is")
                    .with_hint("export AGENTSECRETS_HOME=/path/of/your/choice")
            })?;
        let absolute = std::path::absolute(&root).unwrap_or(root);
        Ok(Self { root: absolute })
    }

    /// The home's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `init` recorded.
    ///
    /// # Errors
    /// `not_initialized` where there is no home, `store_unavailable` where it cannot be read, `store_corrupted`.
    pub fn config(&self) -> Result<HomeConfig> {
        let file = self.file("home.json");
        match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|why| {
                Error::new(ErrorCode::StoreCorrupted, format!("home.json is not readable: {why}")).at(Stage::Store)
            }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::new(ErrorCode::NotInitialized, format!("there is no home at {}", self.root.display())))
            }
            Err(why) => Err(Error::new(ErrorCode::StoreUnavailable, format!("home.json cannot be read: {why}"))),
        }
    }

    /// A file or folder of the home.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder of the audit log.
    pub(crate) fn audit(&self) -> PathBuf {
        self.file("audit")
    }

    /// The folder of the broker's socket.
    pub(crate) fn run(&self) -> PathBuf {
        self.file("run")
    }
}

/// What `init` recorded: no key, no name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeConfig {
    /// The format of this file; 1.
    pub format: u32,
    /// The home's own id.
    pub id: Uuid,
    /// Where sealed records rest.
    pub store: StoreKind,
    /// Where the use key lies.
    pub unlock: Unlock,
    /// Whether there is an owner key. Without one the policy stays as it was made.
    pub owner: bool,
    /// The public key that signs the policy, in base64url.
    pub policy_key: String,
    /// The executable that made the home: what an SDK without its own starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<Executable>,
    /// When the home was made.
    pub created: jiff::Timestamp,
}

/// An executable and what it contained when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Its absolute path.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// Where sealed records rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// The keychain of the operating system.
    Keychain,
    /// Encrypted files in the home.
    File,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keychain => "keychain",
            Self::File => "file",
        })
    }
}

impl FromStr for StoreKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "keychain" => Ok(Self::Keychain),
            "file" => Ok(Self::File),
            _ => Err(Error::new(ErrorCode::InvalidCall, "a store is keychain or file")),
        }
    }
}

/// The place the use key is kept in: a place is named, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlock {
    /// The keychain of the operating system: agents start alone.
    Keychain,
    /// Sealed under a passphrase, opened once a session by `agentsecrets unlock`.
    Passphrase,
    /// A file of 32 bytes in base64url.
    File(PathBuf),
    /// A descriptor that gives the same, read once.
    Fd(i32),
}

impl Unlock {
    /// The kind of place, as `status --json` names it in `use_key`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::Passphrase => "passphrase",
            Self::File(_) => "file",
            Self::Fd(_) => "fd",
        }
    }
}

impl fmt::Display for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Fd(number) => write!(f, "fd:{number}"),
            _ => f.write_str(self.kind()),
        }
    }
}

impl FromStr for Unlock {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The text may be a key written where its place belongs, so the message does not repeat it.
        let wrong = || Error::new(ErrorCode::InvalidCall, "a place is keychain, passphrase, file:PATH or fd:N");
        match text.split_once(':') {
            None if text == "keychain" => Ok(Self::Keychain),
            None if text == "passphrase" => Ok(Self::Passphrase),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(std::path::absolute(path).map_err(|_| wrong())?)),
            Some(("fd", number)) => number.parse().ok().filter(|fd| *fd >= 0).map(Self::Fd).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Unlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Unlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}
