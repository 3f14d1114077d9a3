//! Connections in lanes, so that no call waits for the end of another.
//!
//! Over HTTP/2 a pool has one connection to an origin, and a server takes only so many calls at once on it: the next one
//! would wait, for ever where the others are endless streams. So a lane carries what every server should take, and with
//! more calls at once there are more lanes. Over HTTP/1.1 a lane is a pool like any other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connector::Connector;
use crate::call::Body;

/// How many calls a lane carries at once: servers should allow no fewer on a connection (RFC 9113, section 6.5.2).
const MOST: usize = 100;
/// How long an unused connection is kept: under the idle limits of common servers, so that few die in our hands.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

type Pool = Client<Connector, Body>;

/// The connections within one address scope.
pub(crate) struct Lanes {
    connector: Connector,
    /// The first is used while it has room, so that the others' idle connections end.
    lanes: RwLock<Vec<Lane>>,
}

struct Lane {
    pool: Arc<Pool>,
    busy: Arc<AtomicUsize>,
}

/// A place in a lane, until its call is over.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lanes {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, lanes: RwLock::default() }
    }

    /// What opens these connections.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The pool of the first lane with room, and the place in it.
    pub(crate) fn enter(&self) -> (Arc<Pool>, Place) {
        let with_room = |lanes: &Vec<Lane>| lanes.iter().find_map(Lane::enter);
        if let Some(entered) = with_room(&self.lanes.read().unwrap_or_else(PoisonError::into_inner)) {
            return entered;
        }
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        with_room(&lanes).unwrap_or_else(|| {
            let lane = Lane::new(self.connector.clone());
            let entered = (Arc::clone(&lane.pool), Place(Arc::clone(&lane.busy)));
            lanes.push(lane);
            entered
        })
    }
}

impl Lane {
    /// A lane with one call in it. Its windows are those of hyper: with smaller ones the library takes many streams of
    /// small events on one connection for an attack, and breaks them all off.
    fn new(connector: Connector) -> Self {
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .build(connector);
        Self { pool: Arc::new(pool), busy: Arc::new(AtomicUsize::new(1)) }
    }

    fn enter(&self) -> Option<(Arc<Pool>, Place)> {
        let more = |busy: usize| (busy < MOST).then_some(busy + 1);
        self.busy.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some((Arc::clone(&self.pool), Place(Arc::clone(&self.busy))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_lane_is_followed_by_another_and_used_again_first() {
        let tls = super::super::roots::client_config(&[]).expect("settings");
        let lanes = Lanes::new(Connector::new(super::super::connector::Way::Straight(None), tls));
        let mut entered: Vec<_> = (0..MOST * 2 + 1).map(|_| lanes.enter()).collect();
        let first = Arc::clone(&entered[0].0);
        let pools = |range: std::ops::Range<usize>| range.map(|at| Arc::as_ptr(&entered[at].0)).collect::<Vec<_>>();
        assert!(pools(0..MOST).iter().all(|pool| *pool == Arc::as_ptr(&first)));
        assert!(pools(MOST..2 * MOST).iter().all(|pool| *pool != Arc::as_ptr(&first)));
        assert_eq!(lanes.lanes.read().expect("lanes").len(), 3);
        entered.truncate(MOST - 1);
        assert!(Arc::ptr_eq(&lanes.enter().0, &first));
        assert_eq!(lanes.lanes.read().expect("lanes").len(), 3);
    }
}
