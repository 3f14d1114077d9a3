//! What an answer is searched for: every value granted to the caller, and everything this engine has ever injected.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::loaded::Loaded;
use crate::context::Place;
use crate::error::{Error, Result};
use crate::inject::WireForm;
use crate::redact::{Found, Known, Scanner};
use crate::resolve::{MIN_VALUE, Resolved, SecretValue, in_background};
use crate::secret_ref::{Label, SecretName};
use crate::store::{self, Vault};

/// How many scanners are kept: one for each project and environment in use.
const MAX_SCANNERS: usize = 16;

/// The scanners of one engine. Building one costs more than a call, so each set of values has one.
#[derive(Default)]
pub(crate) struct Needles {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Everything injected in this engine's life, by the address of the value that is kept alive here.
    injected: HashMap<usize, Needle>,
    built: Vec<Built>,
}

struct Built {
    key: Key,
    scanner: Arc<Scanner>,
    /// The values it looks for, by address.
    covers: HashSet<usize>,
    /// How many injected values it is known to cover.
    seen: usize,
}

#[derive(Clone)]
struct Needle {
    name: SecretName,
    value: Arc<SecretValue>,
}

impl Needle {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.value) as usize
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    policy: u64,
    generation: u64,
    project: Uuid,
    environment: Label,
    /// The names that are told; `None` is all of them.
    visible: Option<HashSet<SecretName>>,
}

impl Needles {
    /// The scanner for an answer to this call.
    pub(crate) async fn scanner(
        &self,
        vault: &Arc<Vault>,
        loaded: &Loaded,
        place: &Place,
        visible: Option<HashSet<SecretName>>,
        resolved: &Resolved,
        forms: &[WireForm],
    ) -> Result<Arc<Scanner>> {
        self.scanner_of(vault, loaded, place, visible, resolved.values(), forms).await
    }

    /// The scanner for what comes back from whoever was given these values.
    pub(crate) async fn scanner_of<'v>(
        &self,
        vault: &Arc<Vault>,
        loaded: &Loaded,
        place: &Place,
        visible: Option<HashSet<SecretName>>,
        values: impl Iterator<Item = (&'v SecretName, &'v Arc<SecretValue>)> + Clone,
        forms: &[WireForm],
    ) -> Result<Arc<Scanner>> {
        self.remember(values.clone());
        let key = Key {
            policy: loaded.id,
            generation: vault.generation()?,
            project: place.project_id,
            environment: place.environment.clone(),
            visible,
        };
        let weak = values.clone().any(|(_, value)| value.len() < MIN_VALUE);
        if let (false, Some(scanner)) = (weak, self.built(&key)) {
            return Ok(scanner);
        }
        let needles = self.all(vault, loaded, place).await?;
        let scanner = Arc::new(build(&needles, if weak { forms } else { &[] }, key.visible.as_ref()));
        if !weak {
            self.keep(key, &scanner, needles.iter().map(Needle::address).collect());
        }
        Ok(scanner)
    }

    /// Adds what this call injects.
    fn remember<'v>(&self, values: impl Iterator<Item = (&'v SecretName, &'v Arc<SecretValue>)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in values {
            state
                .injected
                .entry(Arc::as_ptr(value) as usize)
                .or_insert_with(|| Needle { name: name.clone(), value: Arc::clone(value) });
        }
    }

    /// Adds a value that another manager gave, before anybody has it. Given again it is the one there was, so that what
    /// is looked for does not grow with every asking.
    pub(crate) fn keep_fetched(&self, name: &SecretName, value: SecretValue) -> Arc<SecretValue> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // EXPOSE: what came is compared with what came before, and stays here.
        let same = |old: &&Needle| old.name == *name && old.value.expose() == value.expose();
        if let Some(old) = state.injected.values().find(same) {
            return Arc::clone(&old.value);
        }
        let value = Arc::new(value);
        let needle = Needle { name: name.clone(), value: Arc::clone(&value) };
        state.injected.insert(needle.address(), needle);
        value
    }

    /// A scanner of this key that looks for everything injected so far. A value that was granted already is covered
    /// before it is ever injected.
    fn built(&self, key: &Key) -> Option<Arc<Scanner>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { injected, built } = &mut *state;
        let built = built.iter_mut().find(|built| built.key == *key)?;
        if built.seen < injected.len() {
            if !injected.keys().all(|address| built.covers.contains(address)) {
                return None;
            }
            built.seen = injected.len();
        }
        Some(Arc::clone(&built.scanner))
    }

    fn keep(&self, key: Key, scanner: &Arc<Scanner>, covers: HashSet<usize>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |old: &Key| (old.project, &old.environment, &old.visible) == (key.project, &key.environment, &key.visible);
        state.built.retain(|built| !same(&built.key));
        if state.built.len() >= MAX_SCANNERS {
            state.built.remove(0);
        }
        state.built.push(Built { key, scanner: Arc::clone(scanner), covers, seen: 0 });
    }

    async fn all(&self, vault: &Arc<Vault>, loaded: &Loaded, place: &Place) -> Result<Vec<Needle>> {
        let now = jiff::Timestamp::now();
        let granted: Vec<SecretName> = loaded
            .policy
            .granted_secrets(place.project_id, &place.environment, now)
            .map(|(name, _slots)| name.clone())
            .collect();
        let (vault, at) = (Arc::clone(vault), place.in_store());
        // Whoever sits behind the owner's proxy may have its login from there.
        let login = super::loaded::egress::login_of(&loaded.document);
        let mut needles = in_background(move || {
            let needle = |(at, name): (store::Place, SecretName)| match vault.value(&at, &name) {
                Ok(value) => Some(Needle { name, value }),
                // Granted before it is set, or damaged: then there is no value that could come back.
                Err(_) => None,
            };
            let granted = granted.into_iter().map(|name| (at.clone(), name));
            Ok(granted.chain(login).filter_map(needle).collect::<Vec<_>>())
        })
        .await?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        needles.extend(state.injected.values().cloned());
        Ok(needles)
    }
}

fn build(needles: &[Needle], forms: &[WireForm], visible: Option<&HashSet<SecretName>>) -> Scanner {
    let label = |name: &SecretName| visible.is_none_or(|names| names.contains(name)).then(|| name.clone());
    let mut known = Vec::with_capacity(needles.len() * 2);
    // EXPOSE: the scanner's tables are made of the values it looks for.
    let misread: Vec<_> = needles.iter().map(|needle| misread(needle.value.expose())).collect();
    for (needle, misread) in needles.iter().zip(&misread) {
        // EXPOSE: the scanner's tables are made of the values it looks for.
        let value = needle.value.expose();
        known.push(Known { label: label(&needle.name), value });
        // A value with a colon may be `user:password` (RFC 7617), of which an upstream may send back the password alone.
        if let Some(colon) = value.iter().position(|byte| *byte == b':') {
            known.push(Known { label: label(&needle.name), value: &value[colon + 1..] });
        }
        if let Some(text) = misread {
            known.push(Known { label: label(&needle.name), value: text });
        }
    }
    let wire: Vec<Known<'_>> = forms.iter().map(|form| Known { label: label(&form.name), value: &form.text }).collect();
    Scanner::build(&known, &wire)
}

/// A value outside ASCII as an upstream sees it that reads headers as Latin-1 (RFC 9110 section 5.5 tells of them) and
/// answers in UTF-8.
fn misread(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if value.is_ascii() {
        return None;
    }
    // Room for all of it at once: a growing buffer would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() * 2));
    for byte in value {
        text.extend_from_slice(char::from(*byte).encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(text)
}

/// An error's text, searched like everything else that leaves.
pub(crate) fn redacted(error: Error, scanner: &Scanner) -> Error {
    match scanner.redact_text(error.message().as_bytes(), &mut Found::default()) {
        None => error,
        Some(text) => Error::new(error.code(), String::from_utf8_lossy(&text).into_owned())
            .at(error.stage())
            .with_retryable(error.retryable()),
    }
}
