//! A key as bytes, kept inside its entry when it is short: no allocation, no second cache miss.
//!
//! Keys compare and hash as their bytes do, so that maps of them can be asked with a plain slice.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use rustc_hash::FxBuildHasher;

/// Two ids of 16 bytes, or one with a window, fit without allocation; the whole takes 40 bytes.
const SHORT_MAX: usize = 38;

/// The bytes of a key.
#[derive(Clone)]
pub(crate) enum KeyBytes {
    Short { size: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<[u8]>),
}

impl KeyBytes {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT_MAX];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(size)) => {
                place.copy_from_slice(key);
                Self::Short { size, bytes }
            }
            _ => Self::Long(key.into()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { size, bytes } => bytes.get(..usize::from(*size)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }

    /// How many bytes it holds outside of itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

/// The hash of a key's bytes. Not hardened against chosen keys.
pub(crate) fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The first eight bytes as a number that sorts as they do: decides most comparisons of keys.
pub(crate) fn sort_prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (place, byte) in first.iter_mut().zip(key) {
        *place = *byte;
    }
    u64::from_be_bytes(first)
}

/// The first key after all keys that begin with `prefix`; `None` if there is no such key.
pub(crate) fn prefix_end(prefix: &[u8], end: &mut Vec<u8>) -> bool {
    end.clear();
    end.extend_from_slice(prefix);
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return true;
        }
    }
    false
}

impl Borrow<[u8]> for KeyBytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for KeyBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for KeyBytes {}

impl PartialOrd for KeyBytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyBytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for KeyBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_keys_come_back_as_they_were() {
        for size in [0, 1, SHORT_MAX - 1, SHORT_MAX, SHORT_MAX + 1, 300] {
            let key: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            assert_eq!(KeyBytes::new(&key).as_slice(), key);
        }
        assert_eq!(size_of::<KeyBytes>(), 40);
    }

    #[test]
    fn a_key_is_compared_hashed_and_shown_as_its_bytes() {
        let [a, b, long] = [&b"a"[..], b"b", &[b'a'; SHORT_MAX + 1]].map(KeyBytes::new);
        assert!(a < b && a < long && long < b);
        assert!(a == KeyBytes::new(b"a") && a != b && a != long);
        assert_eq!(FxBuildHasher.hash_one(&a), FxBuildHasher.hash_one(a.as_slice()));
        assert_eq!(format!("{a:?}"), "[97]");
        assert_eq!((a.heap_bytes(), long.heap_bytes()), (0, SHORT_MAX + 1));
    }

    #[test]
    fn two_keys_have_two_hashes_and_prefixes_that_sort_as_they_do() {
        assert_ne!(hash(b"a"), hash(b"b"));
        let prefixes = [&b""[..], b"a", b"abcdefgh", b"abcdefghi", b"b"].map(sort_prefix);
        let sorted = [0, 0x6100_0000_0000_0000, 0x6162_6364_6566_6768];
        assert_eq!(prefixes, [sorted[0], sorted[1], sorted[2], sorted[2], 0x6200_0000_0000_0000]);
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_of_its_length() {
        let mut end = Vec::new();
        assert_eq!((prefix_end(b"ab", &mut end), &end[..]), (true, &b"ac"[..]));
        assert_eq!((prefix_end(&[1, 255, 255], &mut end), &end[..]), (true, &[2][..]));
        assert!(!prefix_end(&[255, 255], &mut end));
        assert!(!prefix_end(&[], &mut end));
    }
}
