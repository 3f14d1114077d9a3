//! An account's public keys as six words that two people compare by voice.

use agentsecrets_wire::PublicKey;
use sha2::{Digest, Sha256};

use super::binding::Binding;

/// The English list of BIP-39: 2048 words that differ in their first four letters.
const WORDS: &str = include_str!("words.txt");
const COUNT: usize = 6;
const BITS: usize = 11;

/// Six words: the first 66 bits of the digest of both keys.
pub(crate) fn words(signing: &PublicKey, receiving: &PublicKey) -> String {
    let both = Binding::new("agentsecrets/fingerprint/1").field(signing.as_bytes()).field(receiving.as_bytes());
    let digest = Sha256::digest(both.as_bytes());
    let bit = |at: usize| usize::from(digest[at / 8] >> (7 - at % 8) & 1);
    let number = |word: usize| (0..BITS).fold(0, |number, at| number << 1 | bit(word * BITS + at));
    let chosen: Vec<&str> = (0..COUNT).map(|word| WORDS.lines().nth(number(word)).unwrap_or_default()).collect();
    chosen.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_word_for_every_eleven_bits() {
        let words: Vec<&str> = WORDS.lines().collect();
        assert_eq!(words.len(), 1 << BITS);
        assert!(words.is_sorted() && words.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn each_key_changes_the_words() {
        let key = |byte| PublicKey::from([byte; 32]);
        let shown = words(&key(1), &key(2));
        assert_eq!(shown.split(' ').count(), COUNT);
        assert_eq!(shown, words(&key(1), &key(2)));
        for other in [words(&key(2), &key(1)), words(&key(1), &key(3)), words(&key(3), &key(2))] {
            assert_ne!(shown, other);
        }
    }
}
