//! A limit as the command line asks for it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Amount, Bound, Change, Document, LimitKind, Subject};
use crate::secret_ref::{Label, SecretName};

/// How many calls a secret or an agent may make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetLimit {
    /// The project's name.
    pub project: Label,
    /// The secret, unless an agent's calls are counted whatever they carry.
    pub secret: Option<SecretName>,
    /// The agent, unless all callers are counted together.
    pub agent: Option<Label>,
    /// Budgets: `1000/1d`.
    pub calls: Vec<String>,
    /// Rates: `10/1m`.
    pub rates: Vec<String>,
}

impl SetLimit {
    /// Reads the terms without a document, so that a mistyped one is told before a passphrase is asked for.
    ///
    /// # Errors
    /// `invalid_call`.
    pub fn check(&self) -> Result<()> {
        self.amounts().map(drop)
    }

    fn amounts(&self) -> Result<Vec<(LimitKind, Amount)>> {
        if self.secret.is_none() && self.agent.is_none() {
            return Err(Error::new(ErrorCode::InvalidCall, "a limit is for a secret, an agent, or both")
                .with_hint("agentsecrets limit NAME --calls 1000/1d, or --agent A in place of NAME"));
        }
        let calls = self.calls.iter().map(|text| (LimitKind::Calls, text));
        let rates = self.rates.iter().map(|text| (LimitKind::Rate, text));
        let amounts: Vec<_> =
            calls.chain(rates).map(|(kind, text)| Ok((kind, Amount::parse(text)?))).collect::<Result<_>>()?;
        if amounts.is_empty() {
            return Err(Error::new(ErrorCode::InvalidCall, "a limit has a number")
                .with_hint("write it as in --calls 1000/1d or --rate 10/1m"));
        }
        Ok(amounts)
    }

    pub(super) fn apply(&self, document: &mut Document, project: uuid::Uuid) -> Result<Vec<Change>> {
        let agent = self.agent.as_ref().map(|name| document.agent(project, name).map(Bound::from)).transpose()?;
        let subject = Subject { project, secret: self.secret.clone(), agent };
        let amounts = self.amounts()?.into_iter();
        Ok(amounts.map(|(kind, amount)| document.set_limit(subject.clone(), kind, amount)).collect())
    }
}
