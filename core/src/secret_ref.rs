//! Names, and only names: what an agent holds instead of a value.
//!
//! A [`SecretRef`] is frozen, hashable and safe to print, log and serialise; nothing in it leads to a value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorCode};

const URI_SCHEME: &str = "agentsecrets://";

/// The name of a secret: `[A-Z][A-Z0-9_]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Parses a name.
    ///
    /// # Errors
    /// `invalid_call` where the text is not `[A-Z][A-Z0-9_]{0,127}`; the hint proposes the nearest legal spelling.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let legal = text.len() <= Self::MAX_LEN
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if legal {
            return Ok(Self(text.into()));
        }
        // What was typed may be a value pasted where a name belongs, so the message never repeats it.
        let error = Error::new(ErrorCode::InvalidCall, "a secret's name is [A-Z][A-Z0-9_]*, at most 128 characters");
        Err(match Self::nearest(text) {
            Some(name) if looks_like_name(text) => error.with_hint(format!("use the name {name}")),
            _ => error.with_hint("agentsecrets secrets list  # the names there are"),
        })
    }

    /// The nearest legal spelling of a foreign name (`stripe-key` gives `STRIPE_KEY`), or `None` where nothing is left.
    #[must_use]
    pub fn nearest(text: &str) -> Option<Self> {
        let mut name: String = text
            .trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .take(Self::MAX_LEN)
            .collect();
        if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
            name.insert_str(0, "S_");
            name.truncate(Self::MAX_LEN);
        }
        Some(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A short text of name characters only, which a pasted value hardly ever is.
fn looks_like_name(text: &str) -> bool {
    text.len() <= 40
        && text.bytes().filter(u8::is_ascii_digit).count() <= 4
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '))
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The name of a workspace, project or environment: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Label {
    /// Parses a label.
    ///
    /// # Errors
    /// `invalid_call` where the text is not a label.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let legal = text.len() <= 64
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if legal {
            Ok(Self(text.into()))
        } else {
            Err(Error::new(
                ErrorCode::InvalidCall,
                "a workspace, project or environment is named with letters, digits, '.', '_' and '-', at most 64 of them",
            ))
        }
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a name is looked up; what is absent is taken from the client's selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The workspace's name.
    pub workspace: Option<Label>,
    /// The project's name.
    pub project: Option<Label>,
    /// The environment's name.
    pub environment: Option<Label>,
}

impl Scope {
    fn is_empty(&self) -> bool {
        self.workspace.is_none() && self.project.is_none() && self.environment.is_none()
    }
}

/// A reference to a secret: its name, perhaps its scope, perhaps the text to set around its value.
///
/// ```
/// use agentsecrets::SecretRef;
/// let key = SecretRef::new("STRIPE_KEY")?;
/// assert_eq!(key.to_string(), "STRIPE_KEY");
/// assert_eq!(key.placeholder()?, "AS_SECRET_STRIPE_KEY");
/// let scoped: SecretRef = "payments/production/STRIPE_KEY".parse()?;
/// let bot = SecretRef::new("DISCORD")?.format("Bot {}")?;
/// # Ok::<(), agentsecrets::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    name: SecretName,
    scope: Scope,
    format: Option<Format>,
}

impl SecretRef {
    /// Parses `NAME`, `PROJECT/ENVIRONMENT/NAME` or `agentsecrets://WORKSPACE/PROJECT/ENVIRONMENT/NAME`.
    ///
    /// # Errors
    /// `invalid_call` where the text is none of these.
    pub fn new(text: &str) -> Result<Self, Error> {
        let (scope, name) = match text.strip_prefix(URI_SCHEME) {
            Some(rest) => match rest.split('/').collect::<Vec<_>>()[..] {
                [workspace, project, environment, name] => {
                    (Scope { workspace: Some(Label::parse(workspace)?), ..scope_of(project, environment)? }, name)
                }
                _ => return Err(wrong_shape()),
            },
            None => match text.split('/').collect::<Vec<_>>()[..] {
                [name] => (Scope::default(), name),
                [project, environment, name] => (scope_of(project, environment)?, name),
                _ => return Err(wrong_shape()),
            },
        };
        Ok(Self { name: SecretName::parse(name)?, scope, format: None })
    }

    /// The same secret with text around its value: `format("Bot {}")`. The pattern has exactly one `{}`.
    ///
    /// # Errors
    /// `invalid_call` where the pattern has no `{}` or more than one.
    pub fn format(&self, pattern: &str) -> Result<Self, Error> {
        Ok(Self { format: Some(Format::parse(pattern)?), ..self.clone() })
    }

    /// The secret's name.
    #[must_use]
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Where the name is looked up.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The pattern given to [`format`](Self::format).
    #[must_use]
    pub fn pattern(&self) -> Option<String> {
        self.format.as_ref().map(|format| format!("{}{{}}{}", format.before, format.after))
    }

    /// What stands around the value, as (before, after).
    pub(crate) fn surround(&self) -> (&str, &str) {
        self.format.as_ref().map_or(("", ""), |format| (&format.before, &format.after))
    }

    /// The same secret with this text around its value.
    pub(crate) fn surrounded(&self, before: &str, after: &str) -> Self {
        Self { format: Some(Format { before: before.into(), after: after.into() }), ..self.clone() }
    }
}

impl From<SecretName> for SecretRef {
    fn from(name: SecretName) -> Self {
        Self { name, scope: Scope::default(), format: None }
    }
}

fn scope_of(project: &str, environment: &str) -> Result<Scope, Error> {
    Ok(Scope { workspace: None, project: Some(Label::parse(project)?), environment: Some(Label::parse(environment)?) })
}

fn wrong_shape() -> Error {
    Error::new(
        ErrorCode::InvalidCall,
        "a reference is NAME, PROJECT/ENVIRONMENT/NAME or agentsecrets://WORKSPACE/PROJECT/ENVIRONMENT/NAME",
    )
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(workspace) = &self.scope.workspace {
            write!(f, "{URI_SCHEME}{workspace}/")?;
        }
        if let (Some(project), Some(environment)) = (&self.scope.project, &self.scope.environment) {
            write!(f, "{project}/{environment}/")?;
        }
        fmt::Display::fmt(&self.name, f)
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef(\"{self}\")")
    }
}

impl FromStr for SecretRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl TryFrom<&str> for SecretRef {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for SecretRef {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::new(&text)
    }
}

impl TryFrom<&SecretRef> for SecretRef {
    type Error = Error;

    fn try_from(reference: &SecretRef) -> Result<Self, Error> {
        Ok(reference.clone())
    }
}

/// The text around a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Format {
    before: Arc<str>,
    after: Arc<str>,
}

impl Format {
    fn parse(pattern: &str) -> Result<Self, Error> {
        match pattern.split_once("{}") {
            Some((before, after)) if !after.contains("{}") => Ok(Self { before: before.into(), after: after.into() }),
            _ => Err(Error::new(ErrorCode::InvalidCall, "a format has exactly one {} for the value")
                .with_hint("SecretRef(\"NAME\").format(\"Bot {}\")")),
        }
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(|error| serde::de::Error::custom(error.message()))
            }
        }
    )*};
}

serde_as_text!(SecretName, Label);

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod placeholder;
#[cfg(test)]
mod tests;

pub(crate) use placeholder::{MAX_LIKE, PLACEHOLDER_PREFIX};
