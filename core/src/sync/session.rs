//! The device's session at the server: made by a login, made again by the device's signature.

use agentsecrets_wire::chain::Role;
use agentsecrets_wire::{Beat, Code, Heartbeat, Resume, Session as Given, Signed, open_proof};
use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::folder::KeptSession;
use super::remote::{Refused, Session};
use super::{Sync, View};
use crate::error::Result;

const RESUME: &str = "/v1/sessions";
/// How often an admin's device gives a sign of life, in seconds: once a day.
const BEAT: i64 = 86_400;
/// A session that ends so soon is made anew, in seconds.
const SOON: i64 = 60;

impl Sync {
    /// Asks within the session, which is made again where the server knows it no more.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Refused> {
        let kept = self.kept()?;
        let session = match kept {
            Some(session) => session,
            None => self.resume().await?,
        };
        match self.remote.request(Some(&session), method.clone(), target, body).await {
            Err(refused) if refused.code() == Some(Code::Unauthenticated) => {
                let session = self.resume().await?;
                self.remote.request(Some(&session), method, target, body).await
            }
            answered => answered,
        }
    }

    fn kept(&self) -> Result<Option<Session>> {
        let kept = self.folder().session(&self.use_key)?;
        let live = kept.filter(|kept| kept.expires.as_second() > Timestamp::now().as_second() + SOON);
        Ok(live.map(|kept| Session { token: kept.token, device: self.device.clone() }))
    }

    async fn resume(&self) -> Result<Session, Refused> {
        let time = Timestamp::now().as_second();
        let signature = self.device.sign(&open_proof(RESUME, time));
        let asked = Resume { device: self.account.device, time, signature };
        let given: Given = self.remote.ask(Method::POST, RESUME, Some(&asked)).await?;
        let kept = KeptSession { token: given.token.clone(), expires: given.expires };
        self.folder().save_session(&self.use_key, &kept)?;
        Ok(Session { token: given.token, device: self.device.clone() })
    }

    /// Says for an admin that the chain's end, as it is seen here, is of today.
    ///
    /// # Errors
    /// Those of the server and of the store.
    pub(crate) async fn give_a_sign(&self, view: &View) -> Result<()> {
        let admin = view.chain.state().member(&self.account.account).is_some_and(|own| own.role == Role::Admin);
        let now = Timestamp::now();
        let heard = view.known.as_ref().and_then(|known| known.heard);
        if !admin || heard.is_some_and(|heard| now.as_second() - heard.as_second() < BEAT) {
            return Ok(());
        }
        let heartbeat = Heartbeat {
            v: 1,
            workspace: self.workspace,
            author: self.account.account,
            device: self.account.device,
            head: view.chain.head()?,
            time: now,
        };
        let heartbeat = Signed::make(&heartbeat, |bytes| self.device.sign(bytes));
        let target = format!("/v1/workspaces/{}/heartbeat", self.workspace);
        self.request::<Option<()>>(Method::PUT, &target, Some(&Beat { heartbeat })).await?;
        // What waits may be another list by now.
        if let Some(mut known) = self.folder().known(&self.use_key, self.workspace)? {
            known.heard = Some(now);
            self.folder().save_known(&self.use_key, self.workspace, &known)?;
        }
        Ok(())
    }
}
