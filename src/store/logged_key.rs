//! The key of a changelog record: which store of the task it is of, and the key in it.
//!
//! A task has one changelog for all its stores, because each partition that a transaction writes to costs the broker
//! and the commit time. The store stands in the key by its name, so that compaction keeps the rows of each apart, and
//! a topology that gains, loses or reorders stores finds its own. Reading is total: whatever the bytes, an answer.

/// The key of a changelog record, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedKey<'a> {
    /// The name of the store: 1 to 255 bytes.
    pub store: &'a str,
    /// The key in it.
    pub key: &'a [u8],
}

impl<'a> LoggedKey<'a> {
    /// Appends the length of the name, the name, and the key.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.store.len() as u8);
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(self.key);
    }

    /// Takes apart what [`Self::encode`] made; `None` for what it never makes.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&length, rest) = bytes.split_first()?;
        let (store, key) = rest.split_at_checked(usize::from(length)).filter(|_| length > 0)?;
        Some(Self { store: std::str::from_utf8(store).ok()?, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_with_its_store_and_no_two_are_the_same() {
        let keys = [("a", "bc"), ("ab", "c"), ("abc", ""), ("counts", "\0")];
        let mut seen = std::collections::BTreeSet::new();
        for (store, key) in keys {
            let of = LoggedKey { store, key: key.as_bytes() };
            let mut bytes = Vec::new();
            of.encode(&mut bytes);
            assert_eq!(LoggedKey::decode(&bytes), Some(of));
            assert!(seen.insert(bytes));
        }
    }

    #[test]
    fn what_was_never_made_is_no_key() {
        let foreign: [&[u8]; 5] = [b"", b"\0x", b"\x05abc", b"\x01\xff", b"\0millstream.genesis\0"];
        assert_eq!(foreign.map(LoggedKey::decode), [None; 5]);
    }
}
