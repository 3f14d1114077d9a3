//! The way out: read by anybody, changed by the owner.

use serde::{Deserialize, Serialize};

use super::acts::id_of;
use super::policy_file;
use crate::control::{EgressInfo, LoginInfo};
use crate::error::Result;
use crate::home::Home;
use crate::policy::{Change, Document, Egress, Login};
use crate::secret_ref::{Label, SecretName};

/// A change of the way out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressChange {
    /// Public calls leave by this proxy.
    SetProxy(SetProxy),
    /// They go straight to their hosts.
    RemoveProxy,
}

/// A proxy as its owner names it. It is made by parsing, so that a password in a URL is refused before it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetProxy {
    proxy: String,
    bypass: Vec<String>,
    login: Option<(Label, Label, SecretName)>,
}

impl SetProxy {
    /// The proxy at this URL. `login` is the stored secret that opens it, with its project and environment.
    ///
    /// # Errors
    /// `invalid_call` for a URL that is no proxy's or carries a user name, and for a host that is none.
    pub fn new(proxy: &str, bypass: &[String], login: Option<(Label, Label, SecretName)>) -> Result<Self> {
        let read = Egress::parse(proxy, bypass, None)?;
        let bypass = read.bypass.iter().map(ToString::to_string).collect();
        Ok(Self { proxy: read.proxy.to_string(), bypass, login })
    }
}

impl EgressChange {
    pub(super) fn apply(&self, document: &mut Document) -> Result<Change> {
        let Self::SetProxy(SetProxy { proxy, bypass, login }) = self else { return Ok(document.remove_egress()) };
        let login = match login {
            None => None,
            Some((project, environment, secret)) => Some(Login {
                project: id_of(document, project)?,
                environment: environment.clone(),
                secret: secret.clone(),
            }),
        };
        document.set_egress(Egress::parse(proxy, bypass, login)?)
    }
}

/// The proxy that public calls leave by, `None` where they go straight. It needs no key, and works while the store is
/// locked.
///
/// # Errors
/// `not_initialized`, `policy_invalid`.
pub fn egress(home: &Home) -> Result<Option<EgressInfo>> {
    Ok(egress_of(&policy_file::load(home, &home.config()?)?))
}

/// What a document says of the way out.
pub(crate) fn egress_of(document: &Document) -> Option<EgressInfo> {
    let egress = document.egress.as_ref()?;
    let login = egress.login.as_ref().and_then(|login| {
        Some(LoginInfo {
            project: document.project(login.project)?.name.clone(),
            environment: login.environment.clone(),
            name: login.secret.clone(),
        })
    });
    Some(EgressInfo {
        proxy: egress.proxy.to_string(),
        bypass: egress.bypass.iter().map(ToString::to_string).collect(),
        auth: login,
    })
}
