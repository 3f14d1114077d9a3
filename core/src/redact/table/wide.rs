//! Four grams at once, on processors with AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_i64gather_epi64, _mm256_loadu_si256, _mm256_mul_epu32,
    _mm256_or_si256, _mm256_set1_epi64x, _mm256_srli_epi64, _mm256_srlv_epi64, _mm256_testz_si256,
};

use super::{FOLD, SPREAD_HIGH, SPREAD_LOW};

/// How many bytes are looked at together: eight grams side by side.
const BLOCK: usize = 64;

/// The first whole block from a place on that may hold a gram of a form.
#[target_feature(enable = "avx2")]
pub(super) fn first_block<const WORDS: usize>(bitmap: &[u64; WORDS], text: &[u8], from: usize) -> Option<usize> {
    let blocks = text.get(from..)?.chunks_exact(BLOCK);
    let one = _mm256_set1_epi64x(1);
    for (index, block) in blocks.enumerate() {
        let (front, back) = block.split_at(BLOCK / 2);
        let any = _mm256_or_si256(test(bitmap, front), test(bitmap, back));
        if _mm256_testz_si256(any, one) == 0 {
            return Some(from + index * BLOCK);
        }
    }
    None
}

/// The same as [`super::test`] for the four grams of 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn test<const WORDS: usize>(bitmap: &[u64; WORDS], grams: &[u8]) -> __m256i {
    const { assert!(WORDS.is_power_of_two()) };
    let all = |number: u64| _mm256_set1_epi64x(number.cast_signed());
    assert!(grams.len() >= 32, "four grams");
    // SAFETY: there are 32 bytes, and the load needs no alignment.
    let grams = _mm256_or_si256(unsafe { _mm256_loadu_si256(grams.as_ptr().cast()) }, all(FOLD));
    let low = _mm256_mul_epu32(grams, all(SPREAD_LOW));
    let high = _mm256_mul_epu32(_mm256_srli_epi64::<32>(grams), all(SPREAD_HIGH));
    let hash = _mm256_srli_epi64::<32>(_mm256_add_epi64(low, high));
    let places = _mm256_and_si256(_mm256_srli_epi64::<12>(hash), all(WORDS as u64 - 1));
    // SAFETY: every place is less than the number of words.
    let words = unsafe { _mm256_i64gather_epi64::<8>(bitmap.as_ptr().cast(), places) };
    let first = _mm256_srlv_epi64(words, _mm256_and_si256(hash, all(63)));
    let second = _mm256_srlv_epi64(words, _mm256_and_si256(_mm256_srli_epi64::<6>(hash), all(63)));
    _mm256_and_si256(first, second)
}

#[cfg(test)]
mod tests {
    use super::super::{GRAM, SMALL, gram, test};
    use super::{BLOCK, first_block};

    #[test]
    fn four_at_once_find_what_one_by_one_finds() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        for _ in 0..300 {
            let bitmap: Box<[u64; SMALL]> = (0..SMALL)
                .map(|_| next() & next() & next() & next())
                .collect::<Vec<u64>>()
                .try_into()
                .expect("as many");
            let text: Vec<u8> = (0..next() % 300).map(|_| next() as u8).collect();
            let from = (next() % 9) as usize;
            let blocks = (from..(text.len() + 1).saturating_sub(BLOCK)).step_by(BLOCK);
            let holds = |at: &usize| (0..8).any(|look| test(&bitmap, gram(&text, at + look * GRAM)) & 1 != 0);
            // SAFETY: the processor has AVX2.
            assert_eq!(unsafe { first_block(&bitmap, &text, from) }, blocks.clone().find(holds));
        }
    }
}
