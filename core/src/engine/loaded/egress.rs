//! The owner's proxy as the sender is handed it: where it is, who goes past it, and the value that opens it.

use std::sync::Arc;

use http::HeaderValue;
use url::Host;
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result, Stage};
use crate::inject;
use crate::log_safe::Origin;
use crate::policy::{Document, Egress, Login};
use crate::resolve::{SecretValue, in_background};
use crate::secret_ref::{SecretName, SecretRef};
use crate::send::{Credentials, Gateway};
use crate::store::{self, Vault};

struct Way {
    egress: Egress,
    workspace: Uuid,
    vault: Arc<Vault>,
}

/// The way out that the document names, where it names one.
pub(in crate::engine) fn gateway(document: &Document, vault: &Arc<Vault>) -> Option<Arc<dyn Gateway>> {
    let egress = document.egress.clone()?;
    Some(Arc::new(Way { egress, workspace: document.workspace.id, vault: Arc::clone(vault) }))
}

/// Where the proxy's login is stored, where it has one.
pub(in crate::engine) fn login_of(document: &Document) -> Option<(store::Place, SecretName)> {
    let login = document.egress.as_ref()?.login.as_ref()?;
    Some((place_of(login, document.workspace.id), login.secret.clone()))
}

fn place_of(login: &Login, workspace: Uuid) -> store::Place {
    store::Place { workspace, project: login.project, environment: login.environment.clone() }
}

impl Way {
    /// The value as it stands now: one that was set anew opens the next connection.
    async fn value(&self, login: &Login) -> Result<Arc<SecretValue>> {
        let (place, name) = (place_of(login, self.workspace), login.secret.clone());
        let found = match self.vault.in_memory(&place, &name) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => {
                let vault = Arc::clone(&self.vault);
                in_background(move || vault.value(&place, &name)).await
            }
            Err(why) => Err(why),
        };
        found.map_err(|why| match why.code() {
            ErrorCode::SecretNotFound => {
                let Login { environment, secret, .. } = login;
                let message = format!("the login of the proxy, {secret}, has no value in {environment}");
                Error::new(ErrorCode::SecretNotFound, message)
                    .at(Stage::Send)
                    .with_hint("agentsecrets egress  # whose login it is")
            }
            _ => why,
        })
    }

    async fn header(&self) -> Result<Option<HeaderValue>> {
        let Some(login) = &self.egress.login else { return Ok(None) };
        let secret = SecretRef::new(login.secret.as_str())?;
        let value = self.value(login).await?;
        // EXPOSE: the login is written into the header that opens the owner's proxy, and goes to nobody else.
        inject::proxy_authorization(&secret, value.expose()).map(Some)
    }
}

impl Gateway for Way {
    fn origin(&self) -> &Origin {
        self.egress.proxy.origin()
    }

    fn bypasses(&self, host: &Host<Arc<str>>) -> bool {
        self.egress.bypasses(host)
    }

    fn credentials(&self) -> Credentials<'_> {
        Box::pin(self.header())
    }
}
