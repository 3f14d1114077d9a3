//! The workspace allowlist: read by anybody, changed by the owner.

use serde::{Deserialize, Serialize};

use super::policy_file;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::policy::{Change, Document, Rule};

/// A change of the workspace allowlist, with its rules as typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowlistChange {
    /// These destinations are on it.
    Add(Vec<String>),
    /// These are not.
    Remove(Vec<String>),
    /// There is none.
    Drop,
}

impl AllowlistChange {
    /// The list that becomes of one.
    ///
    /// # Errors
    /// `invalid_call` for a malformed rule, and for one to be removed that is not there.
    pub(super) fn applied(&self, list: Option<&[Rule]>) -> Result<Option<Vec<Rule>>> {
        let mut rules = list.unwrap_or_default().to_vec();
        match self {
            Self::Drop => return Ok(None),
            Self::Add(new) => {
                for rule in new.iter().map(|text| Rule::parse(text)) {
                    let rule = rule?;
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
            }
            Self::Remove(old) => {
                for rule in old.iter().map(|text| Rule::read(text)) {
                    let rule = rule?;
                    let at = rules.iter().position(|other| *other == rule).ok_or_else(|| {
                        Error::new(ErrorCode::InvalidCall, "the workspace allowlist does not name this destination")
                            .with_hint("agentsecrets workspace allowlist list")
                    })?;
                    rules.remove(at);
                }
            }
        }
        Ok(Some(rules))
    }

    pub(super) fn apply(&self, document: &mut Document) -> Result<Vec<Change>> {
        match self {
            Self::Add(rules) => rules.iter().map(|text| Ok(document.add_to_allowlist(Rule::parse(text)?))).collect(),
            Self::Remove(rules) => {
                rules.iter().map(|text| document.remove_from_allowlist(&Rule::read(text)?)).collect()
            }
            Self::Drop => Ok(vec![document.drop_allowlist()]),
        }
    }
}

/// The destinations of the workspace allowlist, `None` where the workspace has none. It needs no key, and works while
/// the store is locked.
///
/// # Errors
/// `not_initialized`, `policy_invalid`.
pub fn allowlist(home: &Home) -> Result<Option<Vec<String>>> {
    let rules = policy_file::load(home, &home.config()?)?.allowlist;
    Ok(rules.map(|rules| rules.iter().map(ToString::to_string).collect()))
}
