//! Copying values between environments: names go to the engine, and nothing comes back but names.

use super::Client;
use crate::control::{Ask, SecretInfo, SignedAct};
use crate::error::Result;

impl Client {
    /// Copies values from one environment to another, with the owner's [`CopyAct`](crate::CopyAct): all of them or none.
    ///
    /// # Errors
    /// `owner_required` for an act that is not the owner's or where a record was changed since, `secret_not_found`,
    /// `store_locked`.
    pub async fn copy_secrets(&self, act: SignedAct) -> Result<Vec<SecretInfo>> {
        self.ask(Ask::Copy { act }).await
    }
}
