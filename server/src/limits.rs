//! How often who may ask, counted in the database so that all processes count together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::error::{Answer, Refused};
use crate::keys::Keys;
use crate::storage::Storage;
use crate::verify::now;

/// The span of time that is counted over, in seconds.
pub(crate) const SPAN: i64 = 60;
/// Part of a limit that a process may use before it tells the others.
const SHARE: u32 = 50;
/// An address may do so many times what an account may: many people have one.
const PEOPLE: u32 = 10;
/// Counters that are kept in memory at most.
const KEPT: usize = 100_000;

/// The counters.
pub(crate) struct Limits {
    requests: u32,
    logins: u32,
    local: Mutex<Local>,
}

/// What this process has counted in one span.
#[derive(Default)]
struct Local {
    span: i64,
    counters: HashMap<Vec<u8>, Counter>,
}

/// One counter: what all processes had when it was last told, and what came since.
#[derive(Default, Clone, Copy)]
struct Counter {
    told: u32,
    since: u32,
}

impl Limits {
    /// Of so many requests and logins in a minute.
    pub(crate) fn new(requests: u32, logins: u32) -> Self {
        Self { requests, logins, local: Mutex::default() }
    }

    /// Counts a request of an account.
    pub(crate) async fn request(&self, storage: &Storage, account: Uuid) -> Answer<()> {
        self.spend(storage, account.as_bytes().to_vec(), self.requests).await
    }

    /// Counts a request that comes from somewhere.
    pub(crate) async fn peer(&self, storage: &Storage, keys: &Keys, peer: IpAddr) -> Answer<()> {
        self.spend(storage, keys.blind("requests of a peer", &place(peer)), self.requests.saturating_mul(PEOPLE)).await
    }

    /// Counts an attempt that could be a guess: at an address, from somewhere.
    pub(crate) async fn attempt(&self, storage: &Storage, keys: &Keys, peer: IpAddr, address: &[u8]) -> Answer<()> {
        let from = keys.blind("attempts of a peer", &place(peer));
        count(storage, &from, self.logins.saturating_mul(PEOPLE)).await?;
        count(storage, &keys.blind("attempts at an account", address), self.logins).await
    }

    /// Counts in memory, and tells the database now and then.
    async fn spend(&self, storage: &Storage, name: Vec<u8>, limit: u32) -> Answer<()> {
        let (span, step) = (now() / SPAN, (limit / SHARE).max(1));
        let counter = self.add(span, &name, 1);
        if counter.told.saturating_add(counter.since) > limit {
            return Err(too_many());
        }
        if counter.since >= step {
            self.add(span, &name, -i64::from(counter.since));
            let told = storage.count(&name, span, i64::from(counter.since)).await?;
            self.tell(span, &name, told);
        }
        Ok(())
    }

    fn add(&self, span: i64, name: &[u8], hits: i64) -> Counter {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.span != span || local.counters.len() > KEPT {
            *local = Local { span, counters: HashMap::new() };
        }
        let counter = local.counters.entry(name.to_vec()).or_default();
        counter.since = u32::try_from(i64::from(counter.since) + hits).unwrap_or(0);
        *counter
    }

    fn tell(&self, span: i64, name: &[u8], told: i64) {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.span == span
            && let Some(counter) = local.counters.get_mut(name)
        {
            counter.told = counter.told.max(u32::try_from(told).unwrap_or(u32::MAX));
        }
    }
}

async fn count(storage: &Storage, name: &[u8], limit: u32) -> Answer<()> {
    let hits = storage.count(name, now() / SPAN, 1).await?;
    if hits > i64::from(limit) { Err(too_many()) } else { Ok(()) }
}

/// What counts as one place: an IPv4 address, or the /64 that one customer has of IPv6.
fn place(peer: IpAddr) -> Vec<u8> {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

fn too_many() -> Refused {
    let left = SPAN - now().rem_euclid(SPAN);
    Refused::too_many(left.unsigned_abs())
}
