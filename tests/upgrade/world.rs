//! What happened before the version changed, and what the feeds were then.
//!
//! A little of everything that leaves something behind: rows, deletions, events, silences, reads, and readers who were
//! ranked and published.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use schemas::{FeedBody, UserId};
use serde::{Deserialize, Serialize};
use topologies::feed::{Feed, FeedSettings};
use worlds::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow,
    RowChange, SilenceRow, UserRow,
};

use crate::records::record;

/// Noon of a day.
pub const BEGAN: i64 = (20_600 * 24 + 12) * 3_600_000;
pub const READERS: [u8; 4] = [1, 4, 5, 6];
const AUTHORS: [u8; 2] = [2, 3];

/// A feed, as it is compared: what a reader sees, and not when it was ranked.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct SeenFeed {
    pub user: u8,
    pub cold_start: bool,
    /// The posts by their first byte, in their order, with likes, comments, shares and the reader's affinity.
    pub items: Vec<(u8, [u32; 4])>,
}

/// Whoever says what happens.
pub struct Log<'a> {
    driver: &'a mut Driver,
    lsn: u64,
}

pub fn id(of: u8) -> Id {
    [of; 16]
}

impl<'a> Log<'a> {
    /// What is logged stands behind `lsn` in the database's log.
    pub fn after(lsn: u64, driver: &'a mut Driver) -> Self {
        Self { driver, lsn }
    }

    fn log(&mut self, payload: Payload) -> Result<()> {
        self.lsn += 1;
        let input = Input { arrived: self.driver.now().0, payload };
        let record = record(&input, self.lsn as usize);
        let topic = self.driver.input::<Vec<u8>, Vec<u8>>(record.topic, Bytes, Bytes);
        topic.send_raw(record.key.as_deref(), Some(&record.value), Timestamp(input.arrived))?;
        self.driver.advance(Duration::from_millis(500))
    }

    fn row<R>(&mut self, key: Vec<Id>, row: R, of: fn(RowChange<R>) -> Payload) -> Result<()> {
        let lsn = self.lsn + 1;
        self.log(of(RowChange { lsn, key, image: Image::Live(row) }))
    }

    pub fn post(&mut self, post: u8, author: u8) -> Result<()> {
        let created_at = self.driver.now().0;
        // Of posts that say the same, a feed has one.
        let content = Some(format!("what {post} says"));
        let row = PostRow { id: id(post), user: id(author), content, created_at };
        self.row(vec![id(post)], row, Payload::Post)
    }

    pub fn like(&mut self, user: u8, post: u8) -> Result<()> {
        let (key, created_at) = ([user ^ 0x80; 16], self.driver.now().0);
        let mut key: Id = key;
        key[0] = post;
        let row = LikeOrComment { id: key, post: id(post), user: id(user), created_at };
        self.row(vec![key], row, Payload::Like)
    }

    fn event(&mut self, user: u8, post: u8, action: Action) -> Result<()> {
        let mut event = [0xe0; 16];
        event[8..].copy_from_slice(&self.lsn.to_be_bytes());
        let time = self.driver.now().0;
        let (user, post) = (id(user), id(post));
        self.log(Payload::Event(BehaviourEvent { event: Some(event), user, post, action, time }))
    }

    fn silence(
        &mut self,
        (by, whom): (u8, u8),
        of: fn(RowChange<SilenceRow>) -> Payload,
    ) -> Result<()> {
        let created_at = self.driver.now().0;
        let row = SilenceRow { by: id(by), whom: id(whom), created_at };
        self.row(vec![id(by), id(whom)], row, of)
    }

    /// All of it.
    pub fn live(&mut self) -> Result<()> {
        let now = self.driver.now().0;
        for user in 1..=6 {
            self.row(vec![id(user)], UserRow { id: id(user), created_at: now }, Payload::User)?;
        }
        for (follower, followee) in [(1, 2), (1, 3), (4, 2), (4, 3), (5, 3), (6, 1)] {
            let (follower, followee) = (id(follower), id(followee));
            let row = FollowRow { follower, followee, created_at: now };
            self.row(vec![follower, followee], row, Payload::Follow)?;
        }
        for post in 0..8 {
            self.post(0x40 + post, AUTHORS[usize::from(post) % 2])?;
        }
        for (user, post) in [(1, 0x40), (4, 0x40), (5, 0x41), (6, 0x43), (1, 0x45)] {
            self.like(user, post)?;
        }
        let comment = LikeOrComment { id: id(0x71), post: id(0x42), user: id(5), created_at: now };
        self.row(vec![comment.id], comment, Payload::Comment)?;
        for (user, post, action) in [
            (1, 0x42, Action::Share),
            (4, 0x43, Action::View),
            (5, 0x41, Action::Impression),
            (6, 0x44, Action::Dwell),
            (1, 0x46, Action::Hide),
        ] {
            self.event(user, post, action)?;
        }
        self.silence((4, 3), Payload::Mute)?;
        self.silence((5, 2), Payload::Block)?;
        let lsn = self.lsn + 1;
        let gone = RowChange { lsn, key: vec![id(0x47)], image: Image::DeletedByKey };
        self.log(Payload::Post(gone))?;
        for user in READERS {
            self.log(Payload::Read { user: id(user) })?;
        }
        self.driver.advance(Duration::from_secs(30))
    }
}

/// The feeds of all readers, ranked from state as of `now_ms`.
pub fn ranked(driver: &Driver, feed: &Feed, now_ms: i64) -> Vec<SeenFeed> {
    let (query, settings) = (driver.query(0).unwrap(), FeedSettings::default());
    let rank = |user: u8| {
        let found = feed.rank(&query, &settings, UserId(id(user)), now_ms).unwrap();
        let (_, body) = found.unwrap_or_else(|| panic!("nothing is known of {user}"));
        seen(user, &body)
    };
    READERS.into_iter().map(rank).collect()
}

pub fn seen(user: u8, body: &FeedBody) -> SeenFeed {
    let item =
        |of: &schemas::FeedItem| (of.post.0[0], [of.likes, of.comments, of.shares, of.affinity]);
    SeenFeed { user, cold_start: body.cold_start, items: body.items.iter().map(item).collect() }
}
