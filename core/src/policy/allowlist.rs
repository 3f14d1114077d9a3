//! The workspace allowlist: the coarser gate that every call passes, whatever was granted to its secrets.

use uuid::Uuid;

use super::change::Change;
use super::check::{Asked, Permitted, Policy};
use super::document::Document;
use super::rule::Rule;
use crate::error::{Error, ErrorCode, Result};

impl Document {
    /// Adds a destination. The first makes the list, which binds from then on.
    pub(crate) fn add_to_allowlist(&mut self, rule: Rule) -> Change {
        let makes = self.allowlist.is_none();
        let rules = self.allowlist.get_or_insert_default();
        if rules.contains(&rule) {
            return Change::none(format!("The workspace allowlist names {} already", rule.short()));
        }
        let clear = if rule.is_https() { "" } else { " in cleartext" };
        let mut says = format!("Calls without a secret may go to {}{clear}", rule.short());
        if makes {
            says.push_str("; from now on no call goes anywhere that the workspace allowlist does not name");
        }
        rules.push(rule);
        Change::made(says)
    }

    /// Takes a destination out. Without the last one the list is empty and still binds.
    ///
    /// # Errors
    /// `invalid_call` where the list does not name it.
    pub(crate) fn remove_from_allowlist(&mut self, rule: &Rule) -> Result<Change> {
        let rules = self.allowlist.as_mut().filter(|rules| rules.contains(rule)).ok_or_else(|| {
            Error::new(ErrorCode::InvalidCall, "the workspace allowlist does not name this destination")
                .with_hint("agentsecrets workspace allowlist list")
        })?;
        rules.retain(|other| other != rule);
        let rest = if rules.is_empty() { "; the list is empty now, and no call goes anywhere" } else { "" };
        Ok(Change::made(format!("No call goes to {} any more{rest}", rule.short())))
    }

    /// Takes the list away: grants alone decide again.
    pub(crate) fn drop_allowlist(&mut self) -> Change {
        match self.allowlist.take() {
            Some(_) => Change::made("Secrets may go wherever they are granted: the workspace allowlist is taken away"),
            None => Change::none("The workspace has no allowlist"),
        }
    }
}

impl Policy {
    /// Refuses a destination that the home's list, or that of a workspace whose secrets go there, does not name.
    pub(super) fn check_allowlists(&self, asked: &Asked<'_>, workspaces: impl Iterator<Item = Uuid>) -> Result<()> {
        let shared = workspaces.filter_map(|workspace| self.shared.get(&workspace));
        let closed = |rules: &&Vec<Rule>| !rules.iter().any(|rule| rule.covers(asked.url));
        match self.allowlist.iter().chain(shared).find(closed) {
            Some(_) => {
                let origin = asked.url.origin();
                let message = format!("the workspace allowlist does not name {origin}");
                Err(Error::new(ErrorCode::DestinationNotAllowed, message)
                    .with_hint(format!("agentsecrets workspace allowlist add {}", Rule::of(origin).short())))
            }
            None => Ok(()),
        }
    }

    /// A call without a name goes to the allowlist's origins only: the broker is no open way out.
    pub(super) fn check_bare(&self, asked: &Asked<'_>) -> Result<Permitted> {
        let workspace = self.workspace_of(asked.project);
        let lists = || self.allowlist.iter().chain(self.shared.get(&workspace));
        let allowed = lists().flatten().find(|rule| rule.covers(asked.url));
        let rule = allowed.ok_or_else(|| {
            Error::new(ErrorCode::NothingToInject, "the call names no secret")
                .with_hint("name the secret and its place, as in --bearer NAME; plain requests need no AgentSecrets")
        })?;
        self.check_allowlists(asked, std::iter::once(workspace))?;
        Ok(Permitted::bare(asked, rule))
    }
}
