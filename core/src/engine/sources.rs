//! Linked secrets in the way of a call: their values are asked of the managers that have them, before the store is.

use std::collections::HashMap;
use std::sync::Arc;

use super::loaded::Loaded;
use super::open::Engine;
use crate::audit::Isolation;
use crate::context::Place;
use crate::control::SecretInfo;
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::policy::{Passage, Permitted, Source};
use crate::redact::Found;
use crate::release::{NoAnswer, Question};
use crate::resolve::SecretValue;
use crate::secret_ref::{Label, SecretName};
use crate::store::{self, Pending};

/// The most of a manager's own words that an error repeats, in characters.
const MAX_SAID: usize = 200;

impl Engine {
    /// Where the variables that a link names are looked up; without it none is passed.
    pub fn look_up_variables(&self, find: fn(&str) -> Option<String>) {
        let _ = self.variables.set(find);
    }

    /// The values of a permitted call that other managers have, in the order of its names; `None` is the store's.
    pub(super) async fn linked(
        &self,
        loaded: &Loaded,
        place: &Place,
        permitted: &Permitted,
    ) -> Result<Vec<Option<Arc<SecretValue>>>> {
        let mut asked = Vec::with_capacity(permitted.checked().len());
        for checked in permitted.checked() {
            asked.push(self.asked(loaded, checked.project, &checked.environment, &checked.secret)?);
        }
        let mut values = Vec::with_capacity(asked.len());
        for pending in asked {
            values.push(match pending {
                Some(pending) => Some(self.told(loaded, place, pending).await?),
                None => None,
            });
        }
        Ok(values)
    }

    /// The same for what leaves by a door, each with its own outcome.
    pub(super) async fn linked_at_door(
        &self,
        loaded: &Loaded,
        place: &Place,
        passage: &Passage,
    ) -> HashMap<SecretName, Result<Arc<SecretValue>>> {
        let mut values = HashMap::new();
        for name in passage.secrets() {
            let value = match self.asked(loaded, passage.project(), passage.environment(), name) {
                Ok(None) => continue,
                Ok(Some(pending)) => self.told(loaded, place, pending).await,
                Err(why) => Err(why),
            };
            values.insert(name.clone(), value);
        }
        values
    }

    /// Begins to ask for a linked name; `None` where it is not linked.
    fn asked(
        &self,
        loaded: &Loaded,
        project: uuid::Uuid,
        environment: &Label,
        name: &SecretName,
    ) -> Result<Option<Pending<NoAnswer>>> {
        let document = &loaded.document;
        let Some(source) = document.source(project, environment, name) else { return Ok(None) };
        if self.isolation == Isolation::InProcess {
            let message = format!("{name} is linked to another manager, whose command only a broker runs");
            return Err(Error::new(ErrorCode::NeedsBroker, message).at(Stage::Resolve));
        }
        let at =
            store::Place { workspace: document.workspace_of(project).id, project, environment: environment.clone() };
        let (running, needles, name) = (Arc::clone(&self.running), Arc::clone(&self.needles), name.clone());
        let question = self.question(source);
        let ask = {
            let name = name.clone();
            move || question.ask(&running).map(|value| needles.keep_fetched(&name, value))
        };
        Ok(Some(self.sources.begin(&(at, name), source.id, source.terms.held_for(), ask)))
    }

    fn question(&self, source: &Source) -> Question {
        let find = |name: &String| Some((name.clone(), self.variables.get()?(name)?));
        Question {
            name: source.secret.clone(),
            environment: source.environment.clone(),
            terms: source.terms.clone(),
            variables: source.terms.variables.iter().filter_map(find).collect(),
        }
    }

    /// Waits for the value. A manager's own words are repeated where no known value is in them.
    async fn told(&self, loaded: &Loaded, place: &Place, pending: Pending<NoAnswer>) -> Result<Arc<SecretValue>> {
        let cut_off = || Error::new(ErrorCode::Internal, "asking the manager was cut off").at(Stage::Resolve);
        let NoAnswer { error, said } = match pending.answer().await.ok_or_else(cut_off)? {
            Ok(value) => return Ok(value),
            Err(why) => why,
        };
        let Some(said) = said else { return Err(error) };
        let none = std::iter::empty();
        let scanner = self.needles.scanner_of(self.vault()?, loaded, place, None, none, &[]).await?;
        if scanner.redact_text(said.as_bytes(), &mut Found::default()).is_some() {
            return Err(error);
        }
        let short: String = said.chars().take(MAX_SAID).collect();
        let told = Error::new(error.code(), format!("{}: {short}", error.message())).at(error.stage());
        Err(match error.hint() {
            Some(hint) => told.with_hint(hint.to_owned()),
            None => told,
        })
    }

    /// Refuses names whose values are another manager's to set.
    pub(super) fn refuse_linked<'n>(
        &self,
        place: &Place,
        mut names: impl Iterator<Item = &'n SecretName>,
    ) -> Result<()> {
        let loaded = self.loaded()?;
        match names.find(|name| loaded.document.source(place.project_id, &place.environment, name).is_some()) {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorCode::InvalidCall,
                format!("{name} is linked: its value is kept by another manager, and none is stored here"),
            )
            .with_hint(format!("agentsecrets secrets link {name} --remove  # asks for the owner; then set it"))),
        }
    }
}

/// The linked names of a place, beside those it has values for.
pub(super) fn add_listed(loaded: &Loaded, place: &Place, secrets: &mut Vec<SecretInfo>) {
    let here = |source: &&Source| source.project == place.project_id && source.environment == place.environment;
    for source in loaded.document.sources.iter().filter(here) {
        let program = Some(source.terms.program().to_owned());
        match secrets.iter_mut().find(|info| info.name == source.secret) {
            Some(info) => info.source = program,
            None => secrets.push(SecretInfo {
                name: source.secret.clone(),
                version: 0,
                record: String::new(),
                created: source.created,
                updated: source.created,
                destinations: super::answers::destinations(loaded, place, &source.secret, None),
                source: program,
            }),
        }
    }
    secrets.sort_by(|one, other| one.name.cmp(&other.name));
}

/// The program that has the value of a name.
pub(super) fn program_of(loaded: &Loaded, place: &Place, name: &SecretName) -> Option<String> {
    Some(loaded.document.source(place.project_id, &place.environment, name)?.terms.program().to_owned())
}
