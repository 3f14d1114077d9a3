//! Finds eight bytes of any form in a text, looking only at every n-th place.
//!
//! A form of `n + 7` bytes covers a multiple of `n` with eight bytes behind it wherever it stands, so that looking at the
//! multiples finds every form. A bitmap over hashes answers nearly always at once; the buckets behind it tell the rest.

#[cfg(target_arch = "x86_64")]
mod wide;

use zeroize::Zeroizing;

/// The bytes looked at together.
pub(super) const GRAM: usize = 8;

/// The widest distance between two looks: every 15 bytes of a form cover one.
pub(super) const MAX_STRIDE: usize = 8;

/// Upper and lower case look the same: hex comes in both.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// An odd number without pattern: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Odd numbers of 32 bits without pattern.
const SPREAD_LOW: u64 = 0x9e37_79b1;
const SPREAD_HIGH: u64 = 0x85eb_ca77;

/// More places than this with the same bytes deep inside forms tell nothing: they are dashes or blanks.
const MAX_SAME: usize = 16;

/// So few places with the same bytes are all looked at.
const FEW: usize = 4;

/// How many grams tell forms apart that begin alike.
pub(super) const LEVELS: usize = 6;

/// The words of the bitmap for a usual set of values, which stays in the nearest cache, and for a huge one.
const SMALL: usize = 1 << 12;
const LARGE: usize = 1 << 17;

/// The most grams the small bitmap tells apart well.
const SMALL_COUNT: usize = 24_000;

/// Where the grams of the forms are.
pub(super) struct Table {
    bitmap: Zeroizing<Vec<u64>>,
    buckets: Zeroizing<Vec<u32>>,
    bucket_shift: u32,
    places: Zeroizing<Vec<u32>>,
    /// For each place, how many bytes its piece has from there on.
    rests: Zeroizing<Vec<u32>>,
}

/// Eight bytes of a text, without their case.
#[inline(always)]
pub(super) fn gram(text: &[u8], at: usize) -> u64 {
    let bytes: [u8; GRAM] = text[at..at + GRAM].try_into().expect("the slice has eight bytes");
    u64::from_le_bytes(bytes) | FOLD
}

/// The well mixed half of the sum of two products, as both are at hand for many grams at once.
#[inline(always)]
fn hash(gram: u64) -> u64 {
    let (low, high) = (gram & 0xffff_ffff, gram >> 32);
    (low * SPREAD_LOW).wrapping_add(high * SPREAD_HIGH) >> 32
}

/// Whether both bits of a gram are set, in the lowest bit.
#[inline(always)]
fn test<const WORDS: usize>(bitmap: &[u64; WORDS], gram: u64) -> u64 {
    let hash = hash(gram);
    let word = bitmap[(hash >> 12) as usize & (WORDS - 1)];
    (word >> (hash & 63)) & (word >> (hash >> 6 & 63))
}

/// The gram so many grams behind a place, 0 where its piece ends before: no gram is 0.
fn gram_within(bytes: &[u8], place: u32, rest: u32, level: usize) -> u64 {
    let within = (level + 1) * GRAM <= rest as usize;
    if within { gram(bytes, place as usize + level * GRAM) } else { 0 }
}

/// How many of the first places fulfil what the others do not.
fn partition(len: usize, first: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if first(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

impl Table {
    /// Builds the table over pieces of a buffer, given as start, end, and whether places in it are to be told apart by what
    /// comes next.
    pub(super) fn build(bytes: &[u8], pieces: &[(usize, usize, bool)]) -> Self {
        let grams = |piece: &(usize, usize, bool)| (piece.1 - piece.0 + 1).saturating_sub(GRAM);
        let count: usize = pieces.iter().map(grams).sum();
        let bucket_bits = count.max(2).next_power_of_two().ilog2();
        let words = if count <= SMALL_COUNT { SMALL } else { LARGE };
        let mut table = Self {
            bitmap: Zeroizing::new(vec![0; words]),
            buckets: Zeroizing::new(vec![0; (1 << bucket_bits) + 1]),
            bucket_shift: 64 - bucket_bits,
            places: Zeroizing::new(vec![u32::MAX; count]),
            rests: Zeroizing::new(vec![0; count]),
        };
        let places = || pieces.iter().flat_map(move |piece| (piece.0..piece.0 + grams(piece)).map(|at| (at, *piece)));
        for (at, _) in places() {
            let bucket = table.bucket(gram(bytes, at));
            table.buckets[bucket + 1] += 1;
        }
        for bucket in 1..table.buckets.len() {
            table.buckets[bucket] += table.buckets[bucket - 1];
        }
        for (at, (start, end, apart)) in places() {
            table.insert(bytes, at, at - start, if apart { end - at } else { GRAM });
        }
        table.sort(bytes);
        table
    }

    fn insert(&mut self, bytes: &[u8], at: usize, offset: usize, rest: usize) {
        let gram_here = gram(bytes, at);
        let bucket = self.bucket(gram_here);
        let room = &mut self.places[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize];
        // Filled from the front: what is dropped leaves the end empty. The search is by halves, as buckets may be long.
        let used = room.partition_point(|place| *place != u32::MAX);
        let same = |place: &u32| gram(bytes, *place as usize) == gram_here;
        if offset >= MAX_STRIDE && used >= MAX_SAME && room[used - MAX_SAME..used].iter().all(same) {
            return;
        }
        room[used] = u32::try_from(at).expect("the forms are smaller than 4 GiB");
        self.rests[self.buckets[bucket] as usize + used] = rest as u32;
        let hash = hash(gram_here);
        let word = (hash >> 12) as usize & (self.bitmap.len() - 1);
        self.bitmap[word] |= 1 << (hash & 63) | 1 << (hash >> 6 & 63);
    }

    fn bucket(&self, gram: u64) -> usize {
        (gram.wrapping_mul(SPREAD) >> self.bucket_shift) as usize
    }

    /// Whether a gram may be one of a form.
    #[inline]
    pub(super) fn may_hold(&self, gram: u64) -> bool {
        match self.bitmap.as_slice().try_into() {
            Ok(small) => test::<SMALL>(small, gram) & 1 != 0,
            Err(_) => self.large().is_none_or(|large| test::<LARGE>(large, gram) & 1 != 0),
        }
    }

    fn large(&self) -> Option<&[u64; LARGE]> {
        self.bitmap.as_slice().try_into().ok()
    }

    /// Gives the places of a gram in the buffer of the forms. `next` tells the gram so many grams behind it in the text,
    /// where the text is sure to differ from every form that has another there.
    pub(super) fn places(
        &self,
        bytes: &[u8],
        wanted: u64,
        next: impl Fn(usize) -> Option<u64>,
        mut found: impl FnMut(usize),
    ) {
        let bucket = self.bucket(wanted);
        let mut range = self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize;
        let mut level = 0;
        let mut wanted = Some(wanted);
        while let Some(gram) = wanted {
            let places = &self.places[range.clone()];
            let key = |at: usize| self.key(bytes, range.start + at, level);
            let ended = if level == 0 { 0 } else { partition(places.len(), |at| key(at) == Some(0)) };
            places[..ended].iter().for_each(|place| found(*place as usize));
            let begin = partition(places.len(), |at| key(at).is_some_and(|key| key < gram));
            let end = partition(places.len(), |at| key(at).is_some_and(|key| key <= gram));
            range = range.start + begin..range.start + end;
            level += 1;
            wanted = if range.len() < FEW { None } else { next(level) };
        }
        self.places[range].iter().for_each(|place| found(*place as usize));
    }

    /// What a place is sorted by: the gram so many grams behind it, 0 where its piece ends before. `None` for no place.
    fn key(&self, bytes: &[u8], at: usize, level: usize) -> Option<u64> {
        let place = Some(self.places[at]).filter(|place| *place != u32::MAX)?;
        Some(gram_within(bytes, place, self.rests[at], level))
    }

    /// Sorts the buckets by what stands behind the gram, so that of many forms that begin alike few are looked at.
    fn sort(&mut self, bytes: &[u8]) {
        for bucket in self.buckets.windows(2).filter(|bucket| bucket[1] - bucket[0] > 1) {
            let range = bucket[0] as usize..bucket[1] as usize;
            let (places, rests) = (&mut self.places[range.clone()], &mut self.rests[range]);
            let used = places.partition_point(|place| *place != u32::MAX);
            let both = places[..used].iter().copied().zip(rests[..used].iter().copied());
            let mut both: Zeroizing<Vec<(u32, u32)>> = Zeroizing::new(both.collect());
            both.sort_unstable_by(|one, other| {
                let keys = (0..LEVELS).map(|level| gram_within(bytes, one.0, one.1, level));
                keys.cmp((0..LEVELS).map(|level| gram_within(bytes, other.0, other.1, level))).then(one.cmp(other))
            });
            for (at, (place, rest)) in both.iter().enumerate() {
                (places[at], rests[at]) = (*place, *rest);
            }
        }
    }

    /// Looks at every `stride`-th place of a text from `first` on, and gives those that may hold a gram of a form.
    pub(super) fn scan(&self, text: &[u8], first: usize, stride: usize, hit: &mut impl FnMut(usize, u64)) {
        match stride {
            1 => self.scan_by::<1>(text, first, hit),
            2 => self.scan_by::<2>(text, first, hit),
            3 => self.scan_by::<3>(text, first, hit),
            4 => self.scan_by::<4>(text, first, hit),
            5 => self.scan_by::<5>(text, first, hit),
            6 => self.scan_by::<6>(text, first, hit),
            7 => self.scan_by::<7>(text, first, hit),
            _ => self.scan_by::<MAX_STRIDE>(text, first, hit),
        }
    }

    fn scan_by<const STRIDE: usize>(&self, text: &[u8], first: usize, hit: &mut impl FnMut(usize, u64)) {
        match self.bitmap.as_slice().try_into() {
            Ok(small) => self.scan_in::<STRIDE, SMALL>(small, text, first, hit),
            Err(_) => {
                if let Some(large) = self.large() {
                    self.scan_in::<STRIDE, LARGE>(large, text, first, hit);
                }
            }
        }
    }

    fn scan_in<const STRIDE: usize, const WORDS: usize>(
        &self,
        bitmap: &[u64; WORDS],
        text: &[u8],
        first: usize,
        hit: &mut impl FnMut(usize, u64),
    ) {
        const TOGETHER: usize = 8;
        let reach = (TOGETHER - 1) * STRIDE + GRAM;
        let mut at = first;
        #[cfg(target_arch = "x86_64")]
        if STRIDE == GRAM && std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            while let Some(next) = unsafe { wide::first_block(bitmap, text, at) } {
                self.scan_slowly(&text[next..next + reach], next, STRIDE, hit);
                at = next + reach;
            }
            at += text.len().saturating_sub(at) / reach * reach;
        }
        while at + reach <= text.len() {
            let block = &text[at..at + reach];
            let any = (0..TOGETHER).fold(0, |any, look| any | test(bitmap, gram(block, look * STRIDE)));
            if any & 1 != 0 {
                self.scan_slowly(block, at, STRIDE, hit);
            }
            at += TOGETHER * STRIDE;
        }
        if at < text.len() {
            self.scan_slowly(&text[at..], at, STRIDE, hit);
        }
    }

    #[cold]
    fn scan_slowly(&self, block: &[u8], at: usize, stride: usize, hit: &mut impl FnMut(usize, u64)) {
        for look in (0..(block.len() + 1).saturating_sub(GRAM)).step_by(stride) {
            let gram = gram(block, look);
            if self.may_hold(gram) {
                hit(at + look, gram);
            }
        }
    }
}
