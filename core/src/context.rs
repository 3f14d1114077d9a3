//! Which workspace, project and environment a call means. Names only; the home decides what the names may open.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result, Stage};
use crate::secret_ref::{Label, Scope};

mod agent_token;

pub use agent_token::AgentToken;
pub(crate) use agent_token::TOKEN_PREFIX;

/// The project file, looked up from the working directory upwards.
pub const PROJECT_FILE: &str = ".agentsecrets/project.json";
/// The environment a project starts in.
pub const DEFAULT_ENVIRONMENT: &str = "development";
/// The environments every project has.
pub const STANDARD_ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];
/// The largest project file that is read, in bytes.
const MAX_PROJECT_FILE: u64 = 64 << 10;

/// What a caller selected, by argument, environment variable or project file. It proposes; the home decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// A workspace named outright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Label>,
    /// A project named outright; it must be linked somewhere in this home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Label>,
    /// An environment named outright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Label>,
    /// What the nearest project file proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// What the caller shows to say which agent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_token: Option<AgentToken>,
}

/// A project file's word, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The directory that holds the file, made canonical.
    pub directory: PathBuf,
    /// The project it names.
    pub project: Label,
    /// The environment it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Label>,
}

impl Selection {
    /// The selection of this process: `AGENTSECRETS_WORKSPACE`, `_PROJECT`, `_ENVIRONMENT`, `_AGENT_TOKEN`, then the
    /// nearest project file.
    ///
    /// # Errors
    /// `invalid_call` for a variable or file that names no legal label.
    pub fn from_process() -> Result<Self> {
        let proposal = match std::env::current_dir() {
            Ok(directory) => Proposal::nearest(&directory)?,
            Err(_) => None,
        };
        Ok(Self {
            workspace: label_from("AGENTSECRETS_WORKSPACE")?,
            project: label_from("AGENTSECRETS_PROJECT")?,
            environment: label_from("AGENTSECRETS_ENVIRONMENT")?,
            proposal,
            agent_token: AgentToken::from_process(),
        })
    }

    /// This selection, narrowed by what a call or reference says.
    #[must_use]
    pub fn narrowed(&self, scope: &Scope) -> Self {
        Self {
            workspace: scope.workspace.clone().or_else(|| self.workspace.clone()),
            project: scope.project.clone().or_else(|| self.project.clone()),
            environment: scope.environment.clone().or_else(|| self.environment.clone()),
            proposal: self.proposal.clone(),
            agent_token: self.agent_token.clone(),
        }
    }
}

impl Proposal {
    /// The project file nearest to `directory`, at or above it.
    ///
    /// # Errors
    /// `invalid_call` for a file that cannot be read as `{"project": NAME, "environment"?: NAME}`.
    pub fn nearest(directory: &Path) -> Result<Option<Self>> {
        let Ok(directory) = directory.canonicalize() else { return Ok(None) };
        for candidate in directory.ancestors() {
            let file = candidate.join(PROJECT_FILE);
            match std::fs::metadata(&file) {
                Ok(found) if found.is_file() && found.len() <= MAX_PROJECT_FILE => {
                    return Self::read(candidate, &file).map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn read(directory: &Path, file: &Path) -> Result<Self> {
        let bad = |why: &dyn fmt::Display| {
            Error::new(ErrorCode::InvalidCall, format!("the project file {} is not usable: {why}", file.display()))
                .at(Stage::Context)
                .with_hint("agentsecrets project use PROJECT  # writes it anew")
        };
        let text = std::fs::read(file).map_err(|why| bad(&why))?;
        let said: ProjectFile = serde_json::from_slice(&text).map_err(|why| bad(&why))?;
        Ok(Self { directory: directory.to_owned(), project: said.project, environment: said.environment })
    }
}

/// What a project file says; unknown fields are left to later versions.
#[derive(Serialize, Deserialize)]
pub struct ProjectFile {
    /// The project.
    pub project: Label,
    /// The environment, where the repository wants another than the home's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Label>,
}

fn label_from(variable: &str) -> Result<Option<Label>> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => Label::parse(&text).map(Some).map_err(|_| {
            Error::new(ErrorCode::InvalidCall, format!("{variable} names no workspace, project or environment"))
                .at(Stage::Context)
        }),
        _ => Ok(None),
    }
}

/// The project and environment a call was found to mean.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) workspace: Label,
    pub(crate) workspace_id: uuid::Uuid,
    pub(crate) project: Label,
    pub(crate) project_id: uuid::Uuid,
    pub(crate) environment: Label,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_project_file_proposes() {
        let root = tempfile::tempdir().expect("temp dir");
        let inner = root.path().join("a/b/c");
        std::fs::create_dir_all(&inner).expect("dirs");
        for (at, project) in [("", "outer"), ("a/b", "inner")] {
            let file = root.path().join(at).join(PROJECT_FILE);
            std::fs::create_dir_all(file.parent().expect("parent")).expect("dir");
            std::fs::write(&file, format!(r#"{{"project":"{project}","later":1}}"#)).expect("file");
        }
        let found = Proposal::nearest(&inner).expect("readable").expect("found");
        assert_eq!(found.project.as_str(), "inner");
        assert_eq!(found.directory, root.path().join("a/b").canonicalize().expect("canonical"));
        let outer = Proposal::nearest(&root.path().join("a")).expect("readable").expect("found");
        assert_eq!(outer.project.as_str(), "outer");
    }

    #[test]
    fn an_unusable_project_file_is_said_to_be_one() {
        let root = tempfile::tempdir().expect("temp dir");
        let file = root.path().join(PROJECT_FILE);
        std::fs::create_dir_all(file.parent().expect("parent")).expect("dir");
        for text in ["", "{}", r#"{"project":"../x"}"#, "[]"] {
            std::fs::write(&file, text).expect("file");
            assert_eq!(Proposal::nearest(root.path()).expect_err(text).code(), ErrorCode::InvalidCall);
        }
    }
}
