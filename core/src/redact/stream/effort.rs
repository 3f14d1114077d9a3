//! Bounds the work that a text can make.
//!
//! A text made of long beginnings of a value, over and over, would have each of them read to where it ends. Each byte of
//! a stream pays for some work, and what is saved up pays for much more than any usual text takes. Once it is spent, a
//! line in which another long beginning of a value stands is redacted from there to its end. What is spent is a function
//! of the text alone.

use std::ops::Range;

use memchr::memchr;

use super::super::scanner::Hit;
use super::Stream;

/// The work a byte pays for.
const RATE: u64 = 2;

/// The work a byte of a value found pays for.
const REFUND: u64 = 64;

/// The work of following a form that is longer than the window.
pub(super) const FOLLOW: usize = 1 << 12;

/// The most work saved up.
const MOST: i64 = 1 << 20;

/// The work left in one stream.
pub(super) struct Effort {
    /// What is left of the work paid for; below nothing is debt.
    left: i64,
    /// How far the stream was paid for.
    paid: u64,
    /// How far the values found reach.
    found: u64,
    /// The line is covered from before here to there.
    drowned: u64,
    /// Whether it goes on behind.
    goes_on: bool,
    /// For each form the stretch of places last looked at.
    seen: Vec<(u64, u64)>,
}

impl Default for Effort {
    fn default() -> Self {
        Self { left: MOST, paid: 0, found: 0, drowned: 0, goes_on: false, seen: Vec::new() }
    }
}

impl Effort {
    #[cfg(test)]
    pub(super) fn of(left: i64) -> Self {
        Self { left, ..Self::default() }
    }

    /// What is left of it for the next stream, where this one ended at a place.
    pub(super) fn carried(&self, end: u64) -> Self {
        let mut next = Self { left: self.left, ..Self::default() };
        next.pay(end.saturating_sub(self.paid), RATE);
        next
    }

    /// Pays for the stream up to a place.
    pub(super) fn refill(&mut self, place: u64) {
        self.pay(place.saturating_sub(self.paid), RATE);
        self.paid = self.paid.max(place);
    }

    /// Pays for a value that was found, as far as it reaches behind those before it.
    pub(super) fn refund(&mut self, begin: u64, end: u64) {
        self.pay(end.saturating_sub(begin.max(self.found)), REFUND);
        self.found = self.found.max(end);
    }

    fn pay(&mut self, bytes: u64, rate: u64) {
        self.left = self.left.saturating_add_unsigned(bytes.saturating_mul(rate)).min(MOST);
    }

    pub(super) fn charge(&mut self, work: usize) {
        self.left = self.left.saturating_sub_unsigned(work as u64);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left <= 0
    }

    /// Whether a place is in a line that is covered as a whole.
    pub(super) fn is_drowned(&self, place: u64) -> bool {
        place < self.drowned
    }

    /// Whether the end of the line that is covered has not come.
    pub(super) fn is_drowning(&self) -> bool {
        self.goes_on
    }

    /// The places of a hit where its form was not yet looked for: hits near one another have most in common.
    pub(super) fn not_seen(&mut self, hit: &Hit, places: Range<u64>) -> [Range<u64>; 2] {
        if hit.first == hit.last || hit.from > 0 {
            return [places, 0..0];
        }
        if self.seen.len() <= hit.form {
            self.seen.resize(hit.form + 1, (0, 0));
        }
        let seen = &mut self.seen[hit.form];
        if places.start > seen.1 || places.end < seen.0 {
            *seen = (places.start, places.end);
            return [places, 0..0];
        }
        let (before, behind) = (places.start..seen.0, seen.1..places.end);
        *seen = (seen.0.min(places.start), seen.1.max(places.end));
        [before, behind]
    }
}

impl Stream {
    /// Covers a line from a place to its end; gives how far that is.
    pub(super) fn drown(&mut self, place: u64) -> u64 {
        let line = memchr(b'\n', &self.held[(place - self.decided) as usize..]);
        self.effort.goes_on = line.is_none();
        self.effort.drowned = line.map_or(self.decided + self.held.len() as u64, |at| place + at as u64);
        self.effort.drowned
    }

    /// Covers more of a line that was covered as far as there was text.
    pub(super) fn drown_on(&mut self) {
        if self.effort.goes_on {
            self.covered = self.drown(self.effort.drowned.max(self.decided));
        }
    }

    /// Whether all that is held is covered.
    pub(super) fn is_drowned(&self) -> bool {
        let from = self.effort.drowned.saturating_sub(self.decided) as usize;
        self.effort.goes_on && self.held.get(from..).is_some_and(|more| memchr(b'\n', more).is_none())
    }
}
