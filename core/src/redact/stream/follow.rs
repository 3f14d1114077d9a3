//! Forms longer than the window, followed as the stream goes on.

use memchr::memchr;

use super::super::scanner::Scanner;
use super::super::walk::Pair;
use super::Stream;

/// A form longer than the window, followed as the stream goes on.
pub(super) struct Followed {
    pub(super) form: usize,
    /// Places in the stream and in the form.
    pub(super) pairs: Vec<(u64, usize)>,
}

impl Stream {
    /// Covers what the long forms reach up to a place.
    pub(super) fn follow(&mut self, scanner: &Scanner, decide: u64, last: bool) {
        let reach = self.follow_to(scanner, decide, last);
        self.covered = self.covered.max(reach);
    }

    /// Follows the long forms up to a place; gives how far they reach.
    pub(super) fn follow_to(&mut self, scanner: &Scanner, decide: u64, last: bool) -> u64 {
        let mut reach = 0;
        let mut followed = std::mem::take(&mut self.followed);
        followed.retain_mut(|one| {
            let begin = one.pairs.iter().map(|pair| pair.0).min().unwrap_or(decide).max(self.decided);
            if begin >= decide {
                reach = reach.max(decide);
                return true;
            }
            let text = &self.held[(begin - self.decided) as usize..];
            let (text, ended) = memchr(b'\n', text).map_or((text, last), |line| (&text[..line], true));
            let stop = text.len().min((decide - begin) as usize);
            let pairs = one.pairs.iter().map(|pair| Pair { text: (pair.0 - begin) as usize, form: pair.1 }).collect();
            let (pairs, end) = scanner.needle(one.form).resume(text, pairs, stop, ended);
            one.pairs = pairs.iter().map(|pair| (begin + pair.text as u64, pair.form)).collect();
            reach = reach.max(if one.pairs.is_empty() { begin + end as u64 } else { decide });
            !one.pairs.is_empty()
        });
        self.followed = followed;
        reach
    }
}
