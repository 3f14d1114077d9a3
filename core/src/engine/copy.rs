//! Copying values between environments, on the owner's signature. They never leave the engine.

use super::open::Engine;
use crate::context::{Place, Selection};
use crate::control::{SecretInfo, SignedAct};
use crate::error::{Error, ErrorCode, Result};
use crate::owner;
use crate::store::{Copied, RecordId};

impl Engine {
    /// Does what the owner signed, whole or not at all; gives what the names are in their new place.
    pub(super) fn copy(&self, selection: &Selection, signed: &SignedAct) -> Result<Vec<SecretInfo>> {
        let act = owner::verify_copy(&self.config, signed)?;
        let place = self.place(selection)?;
        let other = |what| Error::new(ErrorCode::OwnerRequired, what);
        if act.project != place.project || act.workspace != self.shared_id(&place)? {
            return Err(other("the owner signed a copy in another project"));
        }
        if act.from == act.to && act.secrets.iter().any(|secret| secret.moves_to.is_none()) {
            return Err(Error::new(ErrorCode::InvalidCall, "a value is copied to another environment"));
        }
        let parse = |text: &str| RecordId::parse(text).ok_or_else(|| other("the owner signed another record"));
        let copied = act.secrets.iter().map(|secret| {
            let replaces = secret.replaces.as_deref().map(parse).transpose()?;
            let moves_to = secret.moves_to.clone();
            Ok(Copied { name: secret.name.clone(), record: parse(&secret.record)?, replaces, moves_to })
        });
        let at = |environment| Place { environment, ..place.clone() };
        let (from, to) = (at(act.from.clone()), at(act.to.clone()));
        self.vault()?.copy(&from.in_store(), &to.in_store(), &copied.collect::<Result<Vec<_>>>()?)?;
        let mut secrets = self.secrets(&to)?;
        secrets.retain(|info| {
            act.secrets.iter().any(|secret| *secret.moves_to.as_ref().unwrap_or(&secret.name) == info.name)
        });
        Ok(secrets)
    }
}
