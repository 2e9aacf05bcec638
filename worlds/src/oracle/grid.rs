//! The times at which a reader is ranked whatever happens.

use crate::history::Id;

/// The last time up to `now` in the refresh grid of `reader`: murmur2 of the key, modulo 600 s.
pub fn grid_time(reader: Id, now: i64) -> i64 {
    let phase = i64::from(murmur2(&reader) & 0x7fff_ffff) % 600 * 1_000;
    let mut at = now - now.rem_euclid(600_000) + phase;
    if at > now {
        at -= 600_000;
    }
    at
}

/// Kafka's default hash of a key of 16 bytes, in 64-bit arithmetic.
fn murmur2(key: &Id) -> u32 {
    let low = |wide: u64| wide & 0xffff_ffff;
    let mut hash: u64 = 0x9747_b28c ^ 16;
    for word in key.chunks(4) {
        let bytes = word.iter().rev().map(|byte| u64::from(*byte));
        let mut k = bytes.fold(0, |sum, byte| (sum << 8) + byte);
        k = low(k * 0x5bd1_e995);
        k ^= k >> 24;
        k = low(k * 0x5bd1_e995);
        hash = low(hash * 0x5bd1_e995) ^ k;
    }
    hash ^= hash >> 13;
    hash = low(hash * 0x5bd1_e995);
    low(hash ^ (hash >> 15)) as u32
}
