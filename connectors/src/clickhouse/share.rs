//! Which topics a sink takes, and how new what it takes of them is.
//!
//! Inputs are the same whichever application is live, so one group goes on with them. What an application publishes is newer than
//! what any did before it, and is taken from the beginning under each epoch, by a group of that epoch.

use millstream::Topic;
use schemas::application;
use schemas::topic::{
    CDC_BLOCKS, CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_MUTES, CDC_POSTS, CDC_USERS, EVENTS,
    FEEDBACK, FEEDS, POSTS_LIVE, TRENDING, Topic as Declared,
};

const INPUTS: [Declared; 8] =
    [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, CDC_MUTES, CDC_BLOCKS, EVENTS];
const PUBLISHED: [Declared; 4] = [FEEDBACK, FEEDS, POSTS_LIVE, TRENDING];
/// An offset has so many bits in a version: a topic has no 10^12 records.
const OFFSET_BITS: u32 = 40;

/// See the module.
#[derive(Clone, Debug)]
pub struct Share {
    pub(super) topics: Vec<Topic>,
    pub(super) epoch: u32,
}

impl Share {
    /// All of them, while the first application is live and no other was before it.
    pub fn all() -> Self {
        let topics = INPUTS.iter().chain(&PUBLISHED).map(|of| Topic::from(of.name));
        Self { topics: topics.collect(), epoch: 0 }
    }

    /// Rows and events.
    pub fn inputs() -> Self {
        Self { topics: INPUTS.map(|of| Topic::from(of.name)).to_vec(), epoch: 0 }
    }

    /// What `app` publishes under this epoch.
    pub fn published(app: &str, epoch: u32) -> Self {
        let topics = PUBLISHED.map(|of| Topic::from(&*application::topic(app, &of)));
        Self { topics: topics.to_vec(), epoch }
    }

    /// The version of a row that its record's place alone orders.
    pub(super) fn version(&self, offset: i64) -> u64 {
        (u64::from(self.epoch) << OFFSET_BITS) | offset.cast_unsigned()
    }

    /// What the server knows an insert by, of a stretch that it would know by `token`: under another epoch its rows are others.
    pub(super) fn token(&self, token: String) -> String {
        match self.epoch {
            0 => token,
            epoch => format!("{token} under {epoch}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_what_is_published_are_all_and_share_nothing() {
        let (inputs, published) = (Share::inputs(), Share::published("feed", 2));
        assert_eq!([inputs.topics, published.topics].concat(), Share::all().topics);
        let rebuilt = Share::published("feed-replay-1", 1).topics;
        assert!(rebuilt.contains(&Topic::from("feed-replay-1-posts-live")), "{rebuilt:?}");
    }

    #[test]
    fn under_a_higher_epoch_the_first_record_is_newer_than_the_last_before() {
        let (before, after) = (Share::published("feed", 0), Share::published("feed", 1));
        assert_eq!(before.version(9), 9);
        assert!(before.version(1_000_000_000_000) < after.version(0));
        assert_eq!(before.token("feeds-0@1..2".into()), "feeds-0@1..2");
        assert_eq!(after.token("feeds-0@1..2".into()), "feeds-0@1..2 under 1");
    }
}
