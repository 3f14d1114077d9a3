//! Records reach the disk by group: one thread syncs for all, off the way of a call.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::chain::Digest;
use super::outside::Outside;
use super::page::Number;
use super::writer::generation;

/// After the first record of a group; with the time a sync takes it stays within the 100 ms promised.
const GROUP: Duration = Duration::from_millis(80);

/// The end of the chain is noted outside the home this often at most.
const ANCHOR: Duration = Duration::from_secs(1);

/// The thread and what it is told. Dropping it syncs what is left.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    done: watch::Sender<Done>,
    broken: AtomicBool,
    /// Where the page says which record was synced last.
    mark: Number,
    /// Where it is noted outside the home.
    outside: Option<Outside>,
}

struct Queue {
    /// What may have unsynced bytes; the last one is being written.
    files: Vec<Arc<File>>,
    /// How many records were written by this process.
    ticket: u64,
    /// The place in the chain of the last of them, and its digest.
    head: (u64, Digest),
    dirty: bool,
    urgent: bool,
    stop: bool,
    /// How many wait for the next group, and how many of them it is worth waiting for.
    waiting: usize,
    expected: usize,
}

/// What one sync is for.
struct Group {
    files: Vec<Arc<File>>,
    ticket: u64,
    head: (u64, Digest),
    stop: bool,
}

/// What was noted outside the home, and what is to be.
#[derive(Default)]
struct Told {
    at: Option<Instant>,
    head: u64,
    owes: bool,
}

impl Told {
    /// Notes the end of what is synced, at most once a second and at the end.
    fn note(&mut self, outside: &Outside, group: &Group, synced: bool) {
        let (seq, last) = &group.head;
        self.owes = synced && *seq > self.head;
        if self.owes && (group.stop || self.due().is_none_or(|due| due.is_zero())) {
            outside.note(*seq, last);
            *self = Self { at: Some(Instant::now()), head: *seq, owes: false };
        }
    }

    /// In what time something is to be noted, if anything is.
    fn due(&self) -> Option<Duration> {
        self.owes.then(|| self.at.map_or(Duration::ZERO, |at| ANCHOR.saturating_sub(at.elapsed())))
    }
}

/// Up to which ticket records were synced, or could not be.
#[derive(Clone, Copy, Default)]
struct Done {
    synced: u64,
    failed: u64,
}

impl Syncer {
    pub(super) fn start(files: Vec<Arc<File>>, mark: Number, outside: Option<Outside>) -> io::Result<Self> {
        let queue = Queue {
            files,
            ticket: 0,
            head: Default::default(),
            dirty: false,
            urgent: false,
            stop: false,
            waiting: 0,
            expected: 0,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            done: watch::Sender::new(Done::default()),
            broken: AtomicBool::new(false),
            mark,
            outside,
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("agentsecrets-log".into()).spawn(move || of_thread.run())?;
        Ok(Self { shared, thread: Some(thread), generation: generation() })
    }

    /// Other files are written from now on, the last of them being the segment in use.
    pub(super) fn moved_to(&self, files: impl IntoIterator<Item = Arc<File>>) {
        self.shared.queue().files.extend(files);
    }

    /// A record was written, at this place in the chain.
    pub(super) fn written(&self, seq: u64, last: Digest) {
        let mut queue = self.shared.queue();
        queue.ticket += 1;
        queue.head = (seq, last);
        if !queue.dirty {
            queue.dirty = true;
            self.shared.wake.notify_one();
        }
    }

    /// Whether the last sync failed, so that what was written may never reach the disk.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Acquire)
    }

    /// Resolves when everything written so far is on the disk, to whether it is.
    pub(super) fn all_synced(&self) -> impl Future<Output = bool> + Send + 'static {
        let mut done = self.shared.done.subscribe();
        let mut queue = self.shared.queue();
        let ticket = queue.ticket;
        if done.borrow().synced < ticket {
            queue.waiting += 1;
            if !std::mem::replace(&mut queue.urgent, true) || queue.waiting == queue.expected {
                self.shared.wake.notify_one();
            }
        }
        async move {
            let reached = done.wait_for(|done| done.synced >= ticket || done.failed >= ticket).await;
            reached.is_ok_and(|done| done.synced >= ticket)
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        if self.generation != generation() {
            return; // The thread is the parent's, and the parent's queue may be locked for ever in this child.
        }
        self.shared.queue().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It ends by itself; a panic of it has been reported by the hook.
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let (mut took, mut told) = (Duration::ZERO, None);
        loop {
            let group = self.next_group(took.min(GROUP), told.as_ref());
            if group.ticket > self.done.borrow().synced {
                let began = Instant::now();
                self.sync(&group);
                took = began.elapsed();
            }
            if let Some(outside) = &self.outside {
                let told = told.get_or_insert_with(Told::default);
                told.note(outside, &group, self.done.borrow().synced >= group.ticket);
            }
            if group.stop {
                return;
            }
        }
    }

    /// Waits for a first record, then for the group to gather or for somebody who waits.
    ///
    /// Whoever waited for the last group is about to write again: the first of them waits for the others, at most as
    /// long as the last sync took, which it would wait for anyway if it were synced alone and they after it.
    fn next_group(&self, patience: Duration, told: Option<&Told>) -> Group {
        let idle = |queue: &mut Queue| !queue.dirty && !queue.stop;
        let queue = match told.and_then(Told::due) {
            Some(due) => {
                self.wake.wait_timeout_while(self.queue(), due, idle).map_or_else(|it| it.into_inner().0, |it| it.0)
            }
            None => self.wake.wait_while(self.queue(), idle).unwrap_or_else(PoisonError::into_inner),
        };
        let gathering = |queue: &mut Queue| queue.dirty && !queue.urgent && !queue.stop;
        let gathered = self.wake.wait_timeout_while(queue, GROUP, gathering);
        let (queue, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let expected = |queue: &mut Queue| queue.urgent && queue.waiting < queue.expected && !queue.stop;
        let met = self.wake.wait_timeout_while(queue, patience, expected);
        let (mut queue, _) = met.unwrap_or_else(PoisonError::into_inner);
        queue.expected = std::mem::take(&mut queue.waiting);
        (queue.dirty, queue.urgent) = (false, false);
        Group { files: queue.files.clone(), ticket: queue.ticket, head: queue.head, stop: queue.stop }
    }

    fn sync(&self, group: &Group) {
        let synced = group.files.iter().try_for_each(|file| file.sync_data());
        self.broken.store(synced.is_err(), Ordering::Release);
        let mut queue = self.queue();
        if synced.is_ok() {
            queue.files.drain(..group.files.len() - 1);
            self.mark.raise(group.head.0);
        } else {
            queue.dirty = true; // Tried again with the next group, until the disk is well.
        }
        drop(queue);
        self.done.send_modify(|done| match synced {
            Ok(()) => done.synced = group.ticket,
            Err(_) => done.failed = group.ticket,
        });
    }
}
