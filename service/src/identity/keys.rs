//! The keys of an issuer, and how one set of them follows upon another.
//!
//! A key that an issuer no longer tells of is kept until its time is over: tokens that it signed are under way. Where it cannot
//! be asked the last good set stays.

use tokio::time::Instant;

use jsonwebtoken::DecodingKey;

/// A key.
#[derive(Clone)]
pub(super) struct Key {
    /// Its name; a key of a PEM file has none.
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
}

/// Keys, as of now.
#[derive(Clone, Default)]
pub(super) struct KeySet {
    current: Vec<Key>,
    /// Those that are told of no more, and until when they are taken.
    leaving: Vec<(Key, Instant)>,
    /// Until when the current ones were to be kept.
    until: Option<Instant>,
}

impl KeySet {
    /// `keys`, which are to be kept until then once they are told of no more.
    pub(super) fn new(keys: Vec<Key>, until: Option<Instant>) -> Self {
        Self { current: keys, leaving: Vec::new(), until }
    }

    /// The set after this one.
    pub(super) fn followed_by(&self, next: Self, now: Instant) -> Self {
        let is_gone =
            |key: &Key| key.id.is_some() && !next.current.iter().any(|of| of.id == key.id);
        let gone = self.current.iter().filter(|key| is_gone(key)).cloned();
        let gone =
            gone.zip(std::iter::repeat(self.until)).filter_map(|(key, until)| Some((key, until?)));
        let still = self.leaving.iter().filter(|(key, _)| is_gone(key)).cloned();
        let leaving = gone.chain(still).filter(|(_, until)| *until > now).collect();
        Self { leaving, ..next }
    }

    /// Whether a key of this name is there.
    pub(super) fn knows(&self, id: &str, now: Instant) -> bool {
        self.named(now).any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys by which a token may be signed that names this one, or none. Of keys with names one must be named, unless it is
    /// the only one.
    pub(super) fn candidates(&self, id: Option<&str>, now: Instant) -> Vec<&Key> {
        let is_only = self.current.len() == 1;
        let fits = |key: &&Key| match (&key.id, id) {
            (None, _) => true,
            (Some(of), Some(id)) => of == id,
            (Some(_), None) => is_only,
        };
        self.named(now).filter(fits).collect()
    }

    fn named(&self, now: Instant) -> impl Iterator<Item = &Key> {
        let leaving = self.leaving.iter().filter(move |(_, until)| *until > now);
        self.current.iter().chain(leaving.map(|(key, _)| key))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn set(ids: &[&str], until: Instant) -> KeySet {
        let key = |id: &&str| Key {
            id: Some((*id).to_owned()),
            key: DecodingKey::from_secret(id.as_bytes()),
        };
        KeySet::new(ids.iter().map(key).collect(), Some(until))
    }

    fn candidates(set: &KeySet, id: Option<&str>, now: Instant) -> Vec<String> {
        set.candidates(id, now).into_iter().filter_map(|key| key.id.clone()).collect()
    }

    #[test]
    fn a_key_that_is_told_of_no_more_is_taken_until_its_time_is_over() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let first = set(&["a", "b"], at(60));
        let second = first.followed_by(set(&["b", "c"], at(120)), at(30));
        let known = |set: &KeySet, when| ["a", "b", "c"].map(|id| set.knows(id, when));
        assert_eq!(known(&second, at(59)), [true, true, true]);
        assert_eq!(known(&second, at(60)), [false, true, true]);
        // What left before goes on leaving, and who comes back stays.
        let third = second.followed_by(set(&["c"], at(180)), at(40));
        assert_eq!(known(&third, at(59)), [true, true, true]);
        assert_eq!(known(&third, at(119)), [false, true, true]);
        let back = third.followed_by(set(&["a"], at(240)), at(50));
        assert_eq!(known(&back, at(200)), [true, false, false]);
    }

    #[test]
    fn of_several_keys_with_names_one_must_be_named() {
        let now = Instant::now();
        let several = set(&["a", "b"], now);
        assert_eq!(candidates(&several, Some("a"), now), ["a"]);
        assert_eq!(candidates(&several, None, now), [""; 0]);
        assert_eq!(candidates(&set(&["a"], now), None, now), ["a"]);
        assert_eq!(candidates(&set(&["a"], now), Some("b"), now), [""; 0]);
    }
}
