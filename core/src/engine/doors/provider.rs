//! The answer of an exec provider: granted names, each with its own outcome, written to the caller's descriptor.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::{Visitor, asked, ended_as, known};
use crate::audit::{Event, Outcome};
use crate::call::Style;
use crate::context::Place;
use crate::engine::caller::{Who, identify};
use crate::engine::loaded::Loaded;
use crate::engine::open::Engine;
use crate::engine::{closing, limits};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Agent, Opening, Passage};
use crate::release::{self, ExecAnswer};
use crate::resolve::{self, in_background};
use crate::secret_ref::{Label, SecretName};

/// The most names an exec provider may ask for at once.
const MOST_IDS: usize = 256;

/// A question of a provider's, as far as it was understood.
struct Wanted<'a> {
    provider: &'a Label,
    names: Vec<SecretName>,
    started: Instant,
}

impl Engine {
    /// Answers each id by itself; what waits for a human, waits together.
    pub(super) async fn provide(
        &self,
        visitor: Visitor<'_>,
        provider: &Label,
        ids: Vec<String>,
        passed: Vec<OwnedFd>,
    ) -> Result<()> {
        let started = Instant::now();
        let (loaded, place) = (self.loaded()?, self.place(visitor.selection)?);
        if ids.len() > MOST_IDS {
            return Err(Error::new(ErrorCode::InvalidCall, format!("a provider is asked for at most {MOST_IDS} ids")));
        }
        let names: BTreeSet<SecretName> = ids.iter().filter_map(|id| SecretName::parse(id).ok()).collect();
        let wanted = Wanted { provider, names: names.into_iter().collect(), started };
        let (who, agent) = identify(&loaded, visitor.selection.agent_token.as_ref());
        let agent = agent.and_then(|agent| known(&loaded, &place, agent)).map_err(|why| {
            let event = self.door_event(&place, &who, Style::Exec, &wanted.names, provider.as_str());
            self.audit.denied(&event, why.code(), started.elapsed()).err().unwrap_or(why)
        })?;
        let mut passage = loaded.document.pass_provider(&loaded.overlay, &asked(&place, &wanted.names), provider);
        let mut answer = ExecAnswer::default();
        let others = ids.into_iter().filter(|id| !passage.secrets().iter().any(|name| name.as_str() == id));
        for id in others {
            let named: Vec<SecretName> = SecretName::parse(&id).into_iter().collect();
            let event = self.door_event(&place, &who, Style::Exec, &named, provider.as_str());
            self.audit.denied(&event, ErrorCode::CommandNotAllowed, started.elapsed())?;
            let shown = named.first().map_or("NAME", SecretName::as_str);
            let why = format!("not granted to this provider: agentsecrets allow {shown} --provider {provider}");
            answer.refuse(id, why);
        }
        self.count_each(&loaded, &place, (&who, agent), &wanted, &mut passage, &mut answer).await?;
        let sink = passed.into_iter().next().map(File::from);
        let sink = sink.ok_or_else(|| Error::new(ErrorCode::InvalidCall, "stdout did not come"))?;
        let event = self.door_event(&place, &who, Style::Exec, passage.secrets(), provider.as_str());
        if passage.secrets().is_empty() {
            let mut sink = sink;
            return in_background(move || release::write_answer(&answer, &mut sink)).await;
        }
        let begun = self.audit.begin(&event)?;
        match self.hand_over(loaded, &place, &event, passage, visitor, &wanted, (answer, sink)).await {
            Ok(()) => {
                let record = ended_as(Outcome::Ok, None, begun.elapsed());
                begun.end(record)
            }
            Err(why) => Err(closing::failed(begun, why)),
        }
    }

    /// Counts each value under its limits. One without room is refused by itself.
    async fn count_each(
        &self,
        loaded: &Loaded,
        place: &Place,
        (who, agent): (&Who, Option<&Agent>),
        wanted: &Wanted<'_>,
        passage: &mut Passage,
        answer: &mut ExecAnswer,
    ) -> Result<()> {
        for name in passage.secrets().to_vec() {
            let one = std::slice::from_ref(&name);
            let under = limits::of_door(&loaded.document, one, place.project_id, agent);
            let Err(why) = self.count_under(loaded, under).await else { continue };
            let event = self.door_event(place, who, Style::Exec, one, wanted.provider.as_str());
            self.audit.denied(&event, why.code(), wanted.started.elapsed())?;
            passage.keep(|kept| *kept != name);
            answer.refuse(name.to_string(), why.message().to_owned());
        }
        Ok(())
    }

    /// Waits for a human where the grant wants one, opens the values, each with its own outcome, and writes the answer.
    #[allow(clippy::too_many_arguments, reason = "what was found out before, each used once")]
    async fn hand_over(
        &self,
        mut loaded: Arc<Loaded>,
        place: &Place,
        event: &Event,
        mut passage: Passage,
        visitor: Visitor<'_>,
        wanted: &Wanted<'_>,
        (mut answer, mut sink): (ExecAnswer, File),
    ) -> Result<()> {
        if passage.wants_approval() {
            let opening = Opening::Provider(wanted.provider.clone()).in_words();
            self.approved_at_door(event, place, opening, &visitor).await?;
            loaded = self.after_approval(place, &visitor)?;
            let names = passage.secrets().to_vec();
            passage = loaded.document.pass_provider(&loaded.overlay, &asked(place, &names), wanted.provider);
            for gone in names.iter().filter(|name| !passage.secrets().contains(name)) {
                answer.refuse(gone.to_string(), "not granted to this provider any more".to_owned());
            }
        }
        self.audit.make_durable().await?;
        let linked = self.linked_at_door(&loaded, place, &passage).await;
        for (name, value) in resolve::release(self.vault()?, place.workspace_id, &passage, linked).await? {
            answer.put(&name, value);
        }
        in_background(move || release::write_answer(&answer, &mut sink)).await
    }
}
