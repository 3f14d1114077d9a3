//! The index as it was read last, and whether it still is the newest.

use std::sync::{Arc, PoisonError};

use super::Vault;
use crate::error::Result;
use crate::store::index::{Index, Stamp};

/// The index as it was read last.
pub(super) struct Seen {
    index: Arc<Index>,
    /// The state of its file, where that was old enough to tell it from the next one.
    stamp: Option<Stamp>,
    /// Where the home's changes stood when it was known to be the newest.
    epoch: Option<u64>,
}

impl Vault {
    /// The index as the file has it now; read again only where the file changed.
    pub(super) fn index(&self) -> Result<Arc<Index>> {
        let epoch = self.epoch();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(seen), Some(_)) = (&*seen, epoch)
            && seen.epoch == epoch
        {
            return Ok(Arc::clone(&seen.index));
        }
        let stamp = Stamp::of(&self.home);
        if let (Some(seen), Some(now)) = (&mut *seen, stamp)
            && seen.stamp == Some(now)
        {
            seen.epoch = epoch;
            return Ok(Arc::clone(&seen.index));
        }
        // The stamp is older than the reading: where the file changes between, it is read once too often, never too rarely.
        let index = Arc::new(Index::load(&self.home, self.home_id, &self.index_key)?);
        let current = index.record_set();
        self.values().retain(|id, _| current.contains(id));
        let stamp = stamp.filter(Stamp::is_settled);
        *seen = Some(Seen { stamp, index: Arc::clone(&index), epoch });
        Ok(index)
    }

    /// A number that is another one after any change in the home; `None` where only its files can tell.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.watch.as_ref()?.epoch()
    }
}
