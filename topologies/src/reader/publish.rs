//! Whether a ranked body goes out, and as which version.
//!
//! A body that says the same as the published one is not published again while that one holds. Its times
//! are not part of what it says. Each publication has the next number of its reader's own sequence.

use schemas::{FeedBody, Wire};
use serde::Serialize;

/// What was last published of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The reader's publish sequence: how many went out.
    pub version: u64,
    /// The hash of the last body; none if it was a null, or there was none.
    pub body_hash: Option<u64>,
    /// Until when the last one holds.
    pub valid_until: i64,
}

impl Published {
    /// Takes a body ranked at its `as_of_ms`; the version to publish it as, or none if it says nothing new.
    pub fn body(&mut self, body: &FeedBody, always: bool) -> Option<u64> {
        let hash = Some(body_hash(body));
        if !always && hash == self.body_hash && body.as_of_ms < self.valid_until {
            return None;
        }
        (self.body_hash, self.valid_until) = (hash, body.valid_until_ms);
        Some(self.advance())
    }

    /// Takes the feed away; the version of the null, or none if there is nothing to take.
    pub fn null(&mut self) -> Option<u64> {
        self.body_hash.take()?;
        Some(self.advance())
    }

    fn advance(&mut self) -> u64 {
        self.version = self.version.saturating_add(1);
        self.version
    }
}

/// A hash of what a body says: items, order, counts and flags.
fn body_hash(body: &FeedBody) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let times = size_of_val(&body.as_of_ms) + size_of_val(&body.valid_until_ms);
    let bytes = body.to_bytes();
    let hash = bytes.get(times..).unwrap_or_default();
    hash.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use schemas::FeedItem;

    use super::*;

    fn body(as_of_ms: i64, likes: u32) -> FeedBody {
        let items = vec![FeedItem { likes, ..FeedItem::default() }];
        FeedBody { as_of_ms, valid_until_ms: as_of_ms + 100, items, ..FeedBody::default() }
    }

    #[test]
    fn an_equal_body_goes_out_again_when_the_published_one_holds_no_longer() {
        let mut published = Published::default();
        let versions = [0, 50, 99, 100].map(|as_of| published.body(&body(as_of, 1), false));
        assert_eq!(versions, [Some(1), None, None, Some(2)]);
    }

    #[test]
    fn another_count_goes_out_and_so_does_what_always_does() {
        let mut published = Published::default();
        published.body(&body(0, 1), false);
        assert_eq!(published.body(&body(1, 2), false), Some(2));
        assert_eq!(published.body(&body(2, 2), true), Some(3));
    }

    #[test]
    fn a_null_goes_out_once_and_keeps_the_sequence() {
        let mut published = Published::default();
        published.body(&body(0, 1), false);
        let nulls = [published.null(), published.null()];
        assert_eq!((nulls, published.body(&body(1, 1), false)), ([Some(2), None], Some(3)));
    }

    #[test]
    fn each_of_many_counts_is_another_body() {
        let counts: [fn(u32) -> FeedItem; 3] = [
            |n| FeedItem { likes: n, ..FeedItem::default() },
            |n| FeedItem { comments: n, shares: 7, ..FeedItem::default() },
            |n| FeedItem { affinity: n, likes: 3, ..FeedItem::default() },
        ];
        for item in counts {
            let mut published = Published::default();
            for n in 0..512 {
                let body = FeedBody { items: vec![item(n)], valid_until_ms: 10, ..body(1, 0) };
                assert_eq!(published.body(&body, false), Some(u64::from(n) + 1), "{n}");
            }
        }
    }
}
