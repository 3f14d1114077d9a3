//! What somebody could read who has left since, and nobody has changed: what should be rotated.

use std::collections::HashMap;

use agentsecrets_wire::Hash;
use agentsecrets_wire::chain::Act;
use uuid::Uuid;

use super::View;
use super::chain::Chain;
use crate::error::Result;
use crate::store::Vault;

/// A removal: the epoch that the leaver cannot open, and the scopes of a machine; none of a member, who could read all.
struct Removal {
    epoch: u64,
    scopes: Vec<Hash>,
}

/// The names whose value is sealed under an epoch that somebody had the key of who has left, as `project/environment/NAME`.
///
/// # Errors
/// Those of the store.
pub(super) fn exposed(view: &View, vault: &Vault) -> Result<Vec<String>> {
    let removals = removals(&view.chain);
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let Some(policy) = view.policy() else { return Ok(Vec::new()) };
    let (_, names) = vault.shared(view.workspace())?;
    let mut scopes = HashMap::new();
    let mut exposed = Vec::new();
    for one in names {
        let (Some(base), Some(_)) = (one.base, one.record) else { continue };
        let Some(project) = policy.project(one.place.project) else { continue };
        let scope = match scopes.get(&one.place) {
            Some(scope) => *scope,
            None => {
                let scope = view.ring.scope_of(one.place.project, &one.place.environment)?;
                scopes.insert(one.place.clone(), scope);
                scope
            }
        };
        let could = |removal: &Removal| {
            base.epoch < removal.epoch && (removal.scopes.is_empty() || removal.scopes.contains(&scope))
        };
        if removals.iter().any(could) {
            exposed.push(format!("{}/{}/{}", project.name, one.place.environment, one.name));
        }
    }
    exposed.sort_unstable();
    Ok(exposed)
}

fn removals(chain: &Chain) -> Vec<Removal> {
    let mut invited: HashMap<Uuid, &[Hash]> = HashMap::new();
    let mut members: HashMap<Uuid, &[Hash]> = HashMap::new();
    let mut removals = Vec::new();
    for entry in chain.said() {
        match &entry.act {
            Act::Invite { invite } => {
                invited.insert(invite.invite, &invite.scopes);
            }
            Act::Join { invite, member, .. } => {
                members.insert(member.account, invited.get(invite).copied().unwrap_or_default());
            }
            Act::Remove { account, epoch } => {
                let scopes = members.get(account).copied().unwrap_or_default().to_vec();
                removals.push(Removal { epoch: epoch.number, scopes });
            }
            _ => {}
        }
    }
    removals
}
