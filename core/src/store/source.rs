//! Values that rest in another manager: held in memory for a lifetime, asked for once however many want them, and never
//! written down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use uuid::Uuid;

use super::Place;
use crate::resolve::value::SecretValue;
use crate::secret_ref::SecretName;

type Answer<E> = Result<Arc<SecretValue>, E>;
type Slots<E> = HashMap<(Place, SecretName), Slot<E>>;

/// What was asked for, by place and name. `E` is why there was no answer.
pub(crate) struct Sources<E>(Arc<Mutex<Slots<E>>>);

/// One linked name.
struct Slot<E> {
    /// The link it was asked through; another one begins anew.
    link: Uuid,
    held: Option<Held>,
    asking: Option<watch::Receiver<Option<Answer<E>>>>,
}

struct Held {
    value: Arc<SecretValue>,
    since: (Instant, SystemTime),
}

/// A value, or the wait for it.
pub(crate) enum Pending<E> {
    Held(Arc<SecretValue>),
    Asking(watch::Receiver<Option<Answer<E>>>),
}

impl<E> Default for Sources<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E: Clone + Send + Sync + 'static> Sources<E> {
    /// The value of a name, held for less than `lifetime` or asked for by `ask`, on a thread of its own: who gives up
    /// waiting takes nothing from the others.
    pub(crate) fn begin(
        &self,
        key: &(Place, SecretName),
        link: Uuid,
        lifetime: Duration,
        ask: impl FnOnce() -> Answer<E> + Send + 'static,
    ) -> Pending<E> {
        let mut slots = lock(&self.0);
        let slot = slots.entry(key.clone()).or_insert(Slot { link, held: None, asking: None });
        if slot.link != link {
            *slot = Slot { link, held: None, asking: None };
        }
        match (&slot.held, &slot.asking) {
            (Some(held), _) if held.is_fresh(lifetime) => return Pending::Held(Arc::clone(&held.value)),
            (_, Some(asking)) => return Pending::Asking(asking.clone()),
            _ => {}
        }
        let (tell, asking) = watch::channel(None);
        let own = key.clone();
        slot.asking = Some(asking.clone());
        let all = Arc::clone(&self.0);
        let work = move || {
            let answer = ask();
            settle(&mut lock(&all), &own, link, answer.as_ref().ok());
            let _ = tell.send(Some(answer));
        };
        if std::thread::Builder::new().name("source".to_owned()).spawn(work).is_err() {
            // Nobody tells: whoever waits sees the end of the channel.
            slot.asking = None;
        }
        Pending::Asking(asking)
    }
}

/// Ends an asking. A failure is not held: the next call asks again.
fn settle<E>(slots: &mut Slots<E>, key: &(Place, SecretName), link: Uuid, value: Option<&Arc<SecretValue>>) {
    if let Some(slot) = slots.get_mut(key).filter(|slot| slot.link == link) {
        slot.asking = None;
        slot.held = value.map(|value| Held { value: Arc::clone(value), since: (Instant::now(), SystemTime::now()) });
    }
}

impl Held {
    /// By both clocks: the one may stand still while the machine sleeps, the other may be set.
    fn is_fresh(&self, lifetime: Duration) -> bool {
        let (running, wall) = self.since;
        running.elapsed() < lifetime && wall.elapsed().is_ok_and(|age| age < lifetime)
    }
}

impl<E: Clone> Pending<E> {
    /// Waits for the answer; `None` where the asking was cut off.
    pub(crate) async fn answer(self) -> Option<Answer<E>> {
        match self {
            Self::Held(value) => Some(Ok(value)),
            Self::Asking(mut asking) => asking.wait_for(Option::is_some).await.ok()?.clone(),
        }
    }
}

fn lock<E>(slots: &Mutex<Slots<E>>) -> MutexGuard<'_, Slots<E>> {
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::secret_ref::Label;

    const LONG: Duration = Duration::from_secs(60);

    fn key() -> (Place, SecretName) {
        let environment = Label::parse("development").expect("legal");
        let place = Place { workspace: Uuid::nil(), project: Uuid::nil(), environment };
        (place, SecretName::parse("KEY").expect("legal"))
    }

    /// Asks as many times as said, each with another link where `link` is none.
    async fn asked(sources: &Sources<u32>, link: Uuid, lifetime: Duration, runs: &Arc<AtomicU32>, fails: bool) -> bool {
        let runs = Arc::clone(runs);
        let ask = move || {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            if fails { Err(run) } else { Ok(Arc::new(SecretValue::copy_from(b"a value"))) }
        };
        sources.begin(&key(), link, lifetime, ask).answer().await.expect("told").is_ok()
    }

    #[tokio::test]
    async fn many_who_want_a_value_at_once_ask_once() {
        let (sources, runs) = (Sources::default(), Arc::new(AtomicU32::new(0)));
        let all = (0..50).map(|_| asked(&sources, Uuid::nil(), LONG, &runs, false));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|told| told));
        assert!(asked(&sources, Uuid::nil(), LONG, &runs, false).await);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        // Another link, and the end of its life, begin anew.
        assert!(asked(&sources, Uuid::max(), LONG, &runs, false).await);
        assert!(asked(&sources, Uuid::max(), Duration::ZERO, &runs, false).await);
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_is_not_held() {
        let (sources, runs) = (Sources::default(), Arc::new(AtomicU32::new(0)));
        let all = (0..5).map(|_| asked(&sources, Uuid::nil(), LONG, &runs, true));
        assert!(!futures_util::future::join_all(all).await.into_iter().any(|told| told));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(asked(&sources, Uuid::nil(), LONG, &runs, false).await);
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_gives_up_takes_nothing_from_the_next() {
        let (sources, runs) = (Sources::default(), Arc::new(AtomicU32::new(0)));
        let first = asked(&sources, Uuid::nil(), LONG, &runs, false);
        assert!(tokio::time::timeout(Duration::from_millis(5), first).await.is_err());
        assert!(asked(&sources, Uuid::nil(), LONG, &runs, false).await);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }
}
