//! The ways out that are no call: a granted command's environment, and the answer of an exec provider. The same stages
//! around them: policy, audit, resolve, redact, and whatever the exit, the record is closed.

mod provider;

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::caller::{Who, identify};
use super::loaded::Loaded;
use super::open::Engine;
use crate::audit::{Begun, Ended, Event, Outcome, PathTemplate, Reason};
use crate::call::Style;
use crate::context::{Place, Selection};
use crate::control::{GrantInfo, WireError};
use crate::error::{Error, ErrorCode, Result};
use crate::inject::WireForm;
use crate::policy::{Agent, Door, DoorAsked, Opening, Passage};
use crate::release::{self, DoorRequest, Finished, Launch, Ready, Terminal};
use crate::resolve::{self, MIN_VALUE, Released, in_background};
use crate::secret_ref::SecretName;

/// Who stands at a door.
#[derive(Clone, Copy)]
pub(super) struct Visitor<'a> {
    pub(super) caller: &'a UnixStream,
    /// The process at the other end, as the kernel says.
    pub(super) peer: Option<u32>,
    pub(super) selection: &'a Selection,
}

/// A command that a caller wants to run.
struct Wanted {
    secrets: Vec<SecretName>,
    argv: Vec<String>,
    variables: Vec<(String, String)>,
    terminal: Option<Terminal>,
    /// The names the caller may read in what comes back; `None` is all of them.
    visible: Option<HashSet<SecretName>>,
}

impl Engine {
    /// Opens a door for the caller at the other end of `caller`, which is told how it goes.
    pub(crate) async fn door(
        self: &Arc<Self>,
        said: DoorRequest,
        passed: Vec<OwnedFd>,
        caller: UnixStream,
        peer: Option<u32>,
    ) {
        let opened = match said {
            DoorRequest::Env { selection, secrets, argv, variables, terminal } => {
                let wanted = Wanted { secrets, argv, variables, terminal, visible: None };
                let visitor = Visitor { caller: &caller, peer, selection: &selection };
                match self.prepare(visitor, wanted, passed).await {
                    Ok((begun, launch)) => return self.run(begun, launch, caller),
                    Err(why) => Err(why),
                }
            }
            DoorRequest::Exec { selection, provider, ids } => {
                let visitor = Visitor { caller: &caller, peer, selection: &selection };
                self.provide(visitor, &provider, ids, passed).await
            }
        };
        let event = match opened {
            Ok(()) => release::Event::Ended { code: Some(0), signal: None },
            Err(why) => release::Event::Refused(WireError::of(&why)),
        };
        let _ = release::tell(&caller, &event);
    }

    /// Ends every child that was given a value.
    pub fn end_children(&self) {
        self.running.end_all();
    }

    async fn prepare(
        self: &Arc<Self>,
        visitor: Visitor<'_>,
        mut wanted: Wanted,
        passed: Vec<OwnedFd>,
    ) -> Result<(Begun, Launch)> {
        let started = Instant::now();
        let (loaded, place) = (self.loaded()?, self.place(visitor.selection)?);
        let (who, agent) = identify(&loaded, visitor.selection.agent_token.as_ref());
        let program = wanted.argv.first().and_then(|word| Path::new(word).file_name()?.to_str()).unwrap_or_default();
        let mut event = self.door_event(&place, &who, Style::Env, &wanted.secrets, program);
        let denied =
            |event: &Event, why: Error| self.audit.denied(event, why.code(), started.elapsed()).err().unwrap_or(why);
        let agent = agent.and_then(|agent| known(&loaded, &place, agent)).map_err(|why| denied(&event, why))?;
        wanted.visible = agent.map(|agent| loaded.document.visible_to(agent));
        let passage = self.pass(&loaded, &place, &wanted).map_err(|why| denied(&event, why))?;
        event.secrets = passage.secrets().to_vec();
        event.styles = vec![Style::Env; event.secrets.len()];
        let passed_by = opened(passage).await.map_err(|why| denied(&event, why))?;
        let limits = super::limits::of_door(&loaded.document, &event.secrets, place.project_id, agent);
        self.count_under(&loaded, limits).await.map_err(|why| denied(&event, why))?;
        let begun = self.audit.begin(&event)?;
        match self.through_door(loaded, &place, wanted, passed_by, passed, &event, visitor).await {
            Ok(launch) => Ok((begun, launch)),
            Err(why) => Err(super::closing::failed(begun, why)),
        }
    }

    /// Waits for a human where the grant wants one, and opens the values.
    #[allow(clippy::too_many_arguments, reason = "what was found out before, each used once")]
    async fn through_door(
        &self,
        mut loaded: Arc<Loaded>,
        place: &Place,
        mut wanted: Wanted,
        (mut passage, mut ready): (Passage, Ready),
        passed: Vec<OwnedFd>,
        event: &Event,
        visitor: Visitor<'_>,
    ) -> Result<Launch> {
        if passage.wants_approval() {
            // The files are let go meanwhile, and what is approved is these names and no others.
            drop(ready);
            wanted.secrets = passage.secrets().to_vec();
            let opening = passage.commands().first().map(|command| Opening::Command(command.clone()).in_words());
            self.approved_at_door(event, place, opening.unwrap_or_default(), &visitor).await?;
            loaded = self.after_approval(place, &visitor)?;
            (passage, ready) = opened(self.pass(&loaded, place, &wanted)?).await?;
        }
        self.launch(&loaded, place, wanted, &passage, ready, passed).await
    }

    /// A human takes a while: whatever was changed meanwhile counts, of the policy and of who asks.
    fn after_approval(&self, place: &Place, visitor: &Visitor<'_>) -> Result<Arc<Loaded>> {
        let loaded = self.loaded()?;
        let agent = identify(&loaded, visitor.selection.agent_token.as_ref()).1?;
        known(&loaded, place, agent)?;
        Ok(loaded)
    }

    /// Policy: the names that this very command may be given.
    fn pass(&self, loaded: &Loaded, place: &Place, wanted: &Wanted) -> Result<Passage> {
        let asked = asked(place, &wanted.secrets);
        loaded
            .document
            .pass_command(&loaded.overlay, &asked, &wanted.argv)
            .map_err(|why| self.missing(place, &wanted.secrets).unwrap_or(why))
    }

    async fn launch(
        &self,
        loaded: &Loaded,
        place: &Place,
        wanted: Wanted,
        passage: &Passage,
        ready: Ready,
        passed: Vec<OwnedFd>,
    ) -> Result<Launch> {
        let [stdin, stdout, stderr, directory] =
            passed.try_into().map_err(|_| Error::new(ErrorCode::InvalidCall, "the child's streams did not come"))?;
        self.audit.make_durable().await?;
        let linked = self.linked_at_door(loaded, place, passage).await;
        let values = resolve::release(self.vault()?, place.workspace_id, passage, linked).await?;
        let values = values.into_iter().map(|(name, value)| Ok((name, value?))).collect::<Result<Vec<Released>>>()?;
        let forms: Vec<WireForm> = values.iter().filter(|(_, value)| value.len() < MIN_VALUE).map(form).collect();
        let known = values.iter().map(|(name, value)| (name, value));
        let Wanted { variables, terminal, visible, .. } = wanted;
        let scanner = self.needles.scanner_of(self.vault()?, loaded, place, visible, known, &forms).await?;
        Ok(Launch { ready, values, variables, streams: [stdin, stdout, stderr], directory, terminal, scanner })
    }

    /// Runs the child on a thread of its own, with which it would also die.
    fn run(self: &Arc<Self>, begun: Begun, launch: Launch, caller: UnixStream) {
        let engine = Arc::clone(self);
        let work = move || {
            let event = match release::run(launch, &caller, &engine.running) {
                Ok(finished) => {
                    // An end that cannot be written is owed by the log: no call begins before it is.
                    let record = ended(&finished, begun.elapsed());
                    let _ = begun.end(record);
                    finished.event()
                }
                Err(why) => release::Event::Refused(WireError::of(&super::closing::failed(begun, why))),
            };
            let _ = release::tell(&caller, &event);
        };
        // Without a thread the record is closed as cancelled, and the caller sees the connection end.
        let _ = std::thread::Builder::new().name("door".to_owned()).spawn(work);
    }

    fn door_event(&self, place: &Place, who: &Who, style: Style, secrets: &[SecretName], program: &str) -> Event {
        Event {
            workspace: Some(place.workspace.clone()),
            project: Some(place.project.clone()),
            environment: Some(place.environment.clone()),
            secrets: secrets.to_vec(),
            styles: vec![style; secrets.len().max(1)],
            path: Some(PathTemplate::new(&format!("/{program}"), None)),
            agent: who.agent.clone(),
            ..Event::new(who.identity, self.isolation)
        }
    }
}

/// The doors of a project as they are listed.
pub(super) fn listed(
    loaded: &Loaded,
    place: &Place,
    name: Option<&SecretName>,
    asking: Option<&Agent>,
    now: jiff::Timestamp,
) -> Vec<GrantInfo> {
    let own = |door: &&Door| door.project == place.project_id && name.is_none_or(|name| door.secret == *name);
    let info = |door: &Door| {
        let (style, command, provider) = match &door.opening {
            Opening::Command(command) => (Style::Env, Some(command), None),
            Opening::Provider(provider) => (Style::Exec, None, Some(provider.clone())),
        };
        GrantInfo {
            secret: door.secret.clone(),
            project: place.project.clone(),
            rule: door.opening.in_words(),
            slots: vec![style.as_str().to_owned()],
            methods: Vec::new(),
            environment: door.environment.clone(),
            expires: door.expires,
            private: false,
            permit_headers: Vec::new(),
            agent: None,
            approve: door.approve,
            limits: loaded.document.limits_of_door(door, asking),
            source: super::sources::program_of(loaded, place, &door.secret),
            state: door.state(&loaded.overlay, now).to_owned(),
            discloses: true,
            command: command.map(|command| command.argv.clone()),
            program: command.map(|command| command.program.path.clone()),
            provider,
        }
    };
    loaded.document.doors.iter().filter(own).map(info).collect()
}

/// The names whose values may leave by a door now.
pub(super) fn disclosed(loaded: &Loaded, place: &Place) -> Vec<SecretName> {
    let now = jiff::Timestamp::now();
    let active = listed(loaded, place, None, None, now).into_iter().filter(|info| info.state == "active");
    let mut names: Vec<SecretName> = active.map(|info| info.secret).collect();
    names.sort();
    names.dedup();
    names
}

/// The command behind a passage, opened and found to be what was granted.
async fn opened(passage: Passage) -> Result<(Passage, Ready)> {
    in_background(move || {
        let names: Vec<&str> = passage.secrets().iter().map(SecretName::as_str).collect();
        let ready = Ready::open(passage.commands(), &names)?;
        Ok((passage, ready))
    })
    .await
}

/// Where agents are registered nobody else opens a door, and no agent one of another project.
fn known<'l>(loaded: &Loaded, place: &Place, agent: Option<&'l Agent>) -> Result<Option<&'l Agent>> {
    loaded.policy.check_at_door(place.project_id, &place.project, agent).map(|()| agent)
}

fn asked<'a>(place: &'a Place, secrets: &'a [SecretName]) -> DoorAsked<'a> {
    DoorAsked { project: place.project_id, environment: &place.environment, secrets, now: jiff::Timestamp::now() }
}

/// A value too short to be looked for in every form is looked for as it is.
fn form((name, value): &Released) -> WireForm {
    // EXPOSE: what is handed to the child is looked for in what it writes.
    WireForm { name: name.clone(), text: Zeroizing::new(value.expose().to_vec()) }
}

fn ended(finished: &Finished, elapsed: Duration) -> Ended {
    let found = &finished.found;
    let outcome = match finished.ended_by {
        None => Outcome::Ok,
        Some(ErrorCode::Cancelled) => Outcome::Cancelled,
        Some(_) => Outcome::Denied,
    };
    let reason = finished.ended_by.map(Reason::Code).or(found.any().then_some(Reason::CredentialEcho));
    Ended { redacted: found.names().cloned().collect(), ..ended_as(outcome, reason, elapsed) }
}

fn ended_as(outcome: Outcome, reason: Option<Reason>, elapsed: Duration) -> Ended {
    let duration_ms = u64::try_from(elapsed.as_millis()).ok();
    Ended { outcome, status: None, reason, redacted: Vec::new(), duration_ms }
}
