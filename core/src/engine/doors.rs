//! The ways out that are no call: a granted command's environment, and the answer of an exec provider. The same stages
//! around them: policy, audit, resolve, redact, and whatever the exit, the record is closed.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
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
use crate::release::{self, DoorRequest, ExecAnswer, Finished, Launch, Ready, Terminal};
use crate::resolve::{self, MIN_VALUE, Released, in_background};
use crate::secret_ref::{Label, SecretName};

/// The most names an exec provider may ask for at once.
const MOST_IDS: usize = 256;

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
    pub(crate) async fn door(self: &Arc<Self>, said: DoorRequest, passed: Vec<OwnedFd>, caller: UnixStream) {
        let opened = match said {
            DoorRequest::Env { selection, secrets, argv, variables, terminal } => {
                let wanted = Wanted { secrets, argv, variables, terminal, visible: None };
                match self.prepare(&selection, wanted, passed).await {
                    Ok((begun, launch)) => return self.run(begun, launch, caller),
                    Err(why) => Err(why),
                }
            }
            DoorRequest::Exec { selection, provider, ids } => self.provide(&selection, &provider, ids, passed).await,
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
        selection: &Selection,
        mut wanted: Wanted,
        passed: Vec<OwnedFd>,
    ) -> Result<(Begun, Launch)> {
        let started = Instant::now();
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        let (who, agent) = identify(&loaded, selection.agent_token.as_ref());
        let program = wanted.argv.first().and_then(|word| Path::new(word).file_name()?.to_str()).unwrap_or_default();
        let mut event = self.door_event(&place, &who, Style::Env, &wanted.secrets, program);
        let denied =
            |event: &Event, why: Error| self.audit.denied(event, why.code(), started.elapsed()).err().unwrap_or(why);
        let agent = agent.and_then(|agent| known(&loaded, &place, agent)).map_err(|why| denied(&event, why))?;
        wanted.visible = agent.map(|agent| loaded.document.visible_to(agent));
        let passage = self.pass(&loaded, &place, &wanted).map_err(|why| denied(&event, why))?;
        event.secrets = passage.secrets().to_vec();
        event.styles = vec![Style::Env; event.secrets.len()];
        let (passage, ready) = in_background(move || {
            let names: Vec<&str> = passage.secrets().iter().map(SecretName::as_str).collect();
            let ready = Ready::open(passage.commands(), &names)?;
            Ok((passage, ready))
        })
        .await
        .map_err(|why| denied(&event, why))?;
        let begun = self.audit.begin(&event)?;
        match self.launch(&loaded, &place, wanted, &passage, ready, passed).await {
            Ok(launch) => Ok((begun, launch)),
            Err(why) => Err(super::closing::failed(begun, why)),
        }
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

    async fn provide(
        self: &Arc<Self>,
        selection: &Selection,
        provider: &Label,
        ids: Vec<String>,
        passed: Vec<OwnedFd>,
    ) -> Result<()> {
        let started = Instant::now();
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        if ids.len() > MOST_IDS {
            return Err(Error::new(ErrorCode::InvalidCall, format!("a provider is asked for at most {MOST_IDS} ids")));
        }
        let names: BTreeSet<SecretName> = ids.iter().filter_map(|id| SecretName::parse(id).ok()).collect();
        let names: Vec<SecretName> = names.into_iter().collect();
        let (who, agent) = identify(&loaded, selection.agent_token.as_ref());
        if let Err(why) = agent.and_then(|agent| known(&loaded, &place, agent)) {
            let event = self.door_event(&place, &who, Style::Exec, &names, provider.as_str());
            return Err(self.audit.denied(&event, why.code(), started.elapsed()).err().unwrap_or(why));
        }
        let passage = loaded.document.pass_provider(&loaded.overlay, &asked(&place, &names), provider);
        let mut answer = ExecAnswer::default();
        for id in ids {
            let name = SecretName::parse(&id).ok();
            if name.as_ref().is_some_and(|name| passage.secrets().contains(name)) {
                continue;
            }
            let named: Vec<SecretName> = name.into_iter().collect();
            let event = self.door_event(&place, &who, Style::Exec, &named, provider.as_str());
            self.audit.denied(&event, ErrorCode::CommandNotAllowed, started.elapsed())?;
            let shown = named.first().map_or("NAME", SecretName::as_str);
            let why = format!("not granted to this provider: agentsecrets allow {shown} --provider {provider}");
            answer.refuse(id, why);
        }
        let sink = passed.into_iter().next().map(File::from);
        let sink = sink.ok_or_else(|| Error::new(ErrorCode::InvalidCall, "stdout did not come"))?;
        let event = self.door_event(&place, &who, Style::Exec, passage.secrets(), provider.as_str());
        self.hand_over(&loaded, &place, &event, &passage, answer, sink).await
    }

    /// Opens the values, each with its own outcome, and writes the answer.
    async fn hand_over(
        &self,
        loaded: &Loaded,
        place: &Place,
        event: &Event,
        passage: &Passage,
        mut answer: ExecAnswer,
        mut sink: File,
    ) -> Result<()> {
        if passage.secrets().is_empty() {
            return in_background(move || release::write_answer(&answer, &mut sink)).await;
        }
        let begun = self.audit.begin(event)?;
        let work = async {
            self.audit.make_durable().await?;
            let linked = self.linked_at_door(loaded, place, passage).await;
            for (name, value) in resolve::release(self.vault()?, place.workspace_id, passage, linked).await? {
                answer.put(&name, value);
            }
            in_background(move || release::write_answer(&answer, &mut sink)).await
        };
        match work.await {
            Ok(()) => {
                let record = ended_as(Outcome::Ok, None, begun.elapsed());
                begun.end(record)
            }
            Err(why) => Err(super::closing::failed(begun, why)),
        }
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
            approve: false,
            limits: Vec::new(),
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
    let active = listed(loaded, place, None, now).into_iter().filter(|info| info.state == "active");
    let mut names: Vec<SecretName> = active.map(|info| info.secret).collect();
    names.sort();
    names.dedup();
    names
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
