//! Values on their way in: new names for anybody, names that have a value with the owner's act.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::open::Engine;
use crate::control::{ActKind, SecretInfo, SetManyRequest, SetRequest};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::{SecretInput, in_background};
use crate::secret_ref::SecretName;
use crate::store::{Expectation, NewSecret};

impl Engine {
    /// Stores a value under a new name, or over an old one with the owner's act.
    pub(crate) async fn set(self: &Arc<Self>, said: &SetRequest, value: SecretInput) -> Result<SecretInfo> {
        let SetRequest { selection, name, weak, act } = said.clone();
        let many = SetManyRequest { selection, names: vec![name], lengths: Vec::new(), weak, act };
        let info = self.set_many(&many, vec![value]).await?.pop();
        info.ok_or_else(|| Error::new(ErrorCode::StoreUnavailable, "another process deleted the name at once"))
    }

    /// Sets every value or none. Names that have one need the owner's act on the very records they have.
    pub(crate) async fn set_many(
        self: &Arc<Self>,
        said: &SetManyRequest,
        values: Vec<SecretInput>,
    ) -> Result<Vec<SecretInfo>> {
        if said.names.len() != values.len() {
            return Err(Error::new(ErrorCode::InvalidCall, "there are not as many values as names"));
        }
        let (engine, said) = (Arc::clone(self), said.clone());
        in_background(move || {
            let place = engine.place(&said.selection)?;
            let names: HashSet<&SecretName> = said.names.iter().collect();
            engine.refuse_linked(&place, said.names.iter())?;
            let mut agreed = HashMap::new();
            for listed in engine.vault()?.list(&place.in_store())?.iter().filter(|listed| names.contains(&listed.name))
            {
                engine.authorised(said.act.as_ref(), ActKind::Overwrite, &place, listed)?;
                agreed.insert(listed.name.clone(), listed.record);
            }
            let new = said.names.iter().zip(values);
            let new = new.map(|(name, input)| NewSecret { name: name.clone(), input, weak: said.weak }).collect();
            engine.vault()?.set_many(&place.in_store(), new, &Expectation::Replace(agreed))?;
            Ok(engine.secrets(&place)?.into_iter().filter(|info| names.contains(&info.name)).collect())
        })
        .await
    }
}
