//! What targets are made of, and how they are tried without a fuzzer. The command line's targets read this file too.

/// One parser under attack.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Takes any bytes and asserts what must hold for all of them.
    pub attack: fn(&[u8]),
    /// Where a search begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What stands in such inputs and a fuzzer would be long in guessing.
    pub words: &'static [&'static str],
}

/// Bytes of an attack, taken piece by piece.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Up to the next NUL or the end: pieces stay readable in a seed.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (piece, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        piece
    }

    /// A piece as text; what is no text is none.
    pub(crate) fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.piece()).unwrap_or_default()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// A small generator: one number gives a whole case.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[allow(clippy::cast_possible_truncation)] // Less than `end`, which fits.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(crate) fn text(&mut self, alphabet: &str, len: usize) -> String {
        let chars: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| chars[self.below(chars.len())]).collect()
    }
}

/// The text in pieces of sizes that the dice choose, mostly small.
pub(crate) fn chunks<'t>(dice: &mut Dice, text: &'t [u8]) -> Vec<&'t [u8]> {
    // Not more than some thousand chunks.
    let most = [1, 7, 100, 5000][dice.below(4)].max(text.len() / 2000);
    let (mut rest, mut chunks) = (text, Vec::new());
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

/// Tries a target on nothing, on its seeds, and on beginnings of them.
#[cfg(test)]
pub(crate) fn replay(target: &Target) {
    (target.attack)(b"");
    let seeds = (target.seeds)();
    // The fuzzer takes no empty dictionary.
    assert!(!seeds.is_empty() && !target.words.is_empty(), "{} has no seeds or no words", target.name);
    for seed in seeds {
        let step = 1 + seed.len() / 16;
        (0..=seed.len()).step_by(step).chain([seed.len()]).for_each(|end| (target.attack)(&seed[..end]));
    }
}

/// Tries a target on so many seeds, altered at random.
#[cfg(test)]
pub(crate) fn alter_often(target: &Target, times: usize) {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("random");
    let dice = &mut Dice(u64::from_le_bytes(random));
    (0..times).for_each(|_| alter(target, dice.next()));
}

/// Tries a target on one seed, altered as the number says.
#[cfg(test)]
fn alter(target: &Target, number: u64) {
    let (dice, seeds) = (&mut Dice(number), (target.seeds)());
    let mut data = seeds[dice.below(seeds.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let (at, to) = (dice.below(data.len() + 1), dice.below(data.len() + 1));
        let (at, to) = (at.min(to), at.max(to).min(at.min(to) + 24));
        match dice.below(6) {
            0 if at < data.len() => data[at] ^= 1 << dice.below(8),
            1 => drop(data.drain(at..to)),
            2 => data.insert(at, dice.next().to_le_bytes()[0]),
            3 => {
                let again = data[at..to].to_vec();
                data.splice(to..to, again);
            }
            4 if !target.words.is_empty() => {
                let word = dice.one(target.words).as_bytes().to_vec();
                data.splice(at..to, word);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                data.splice(at..to, other[from..].to_vec());
            }
        }
    }
    // What did not hold was said already; this is where.
    let held = std::panic::catch_unwind(|| (target.attack)(&data));
    assert!(held.is_ok(), "{} does not hold for \"{}\"", target.name, data.escape_ascii());
}
