//! Who need not be ranked for a change of a post is not, and has the feed of brute force all the same.

use std::time::Duration;

use millstream::testing::Driver;
use millstream::{Result, Timestamp};
use schemas::{Rule, UserId};
use topologies::feed::counters::{AUDIT_MISMATCHES, RERANKS_AUDITED, RERANKS_AVOIDED};
use topologies::feed::{FeedSettings, feed};
use worlds::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow, RowChange,
};
use worlds::oracle::Oracle;

use crate::comparison::assert_feed_equals;
use crate::on_engine::{feeds, quiesce, send};
use crate::records::record;
use crate::small_worlds::Random;

const HOUR: i64 = 3_600_000;
const BEGAN: i64 = 20_600 * 24 * HOUR;
const READER: Id = [1; 16];
/// Authors whom the reader follows, and posts of each at the start: more than a feed keeps, and fewer than any cap.
const AUTHORS: u8 = 24;
const POSTS: u32 = 7;

/// A reader of a full feed, and what happens around them.
struct World {
    driver: Driver,
    history: Vec<Input>,
    random: Random,
    posts: Vec<PostRow>,
    likes: Vec<LikeOrComment>,
    ids: u32,
    /// One author writes half of it, so that many of their posts are passed over.
    skewed: bool,
}

impl World {
    /// With the reader, and the authors whom they follow.
    fn with_authors(seed: u64) -> Result<Self> {
        let mut settings = FeedSettings { audit_one_in: 1, ..FeedSettings::default() };
        // Nothing but what changes ranks the reader.
        settings.weights.limits.grid_ms = 1 << 40;
        let topology = feed(&settings)?.topology;
        let driver = Driver::of(topology).partitions(3).began(Timestamp(BEGAN)).start()?;
        let random = Random::of(seed);
        let (history, posts, likes) = (Vec::new(), Vec::new(), Vec::new());
        let skewed = seed % 3 == 2;
        let mut world = Self { driver, history, random, posts, likes, ids: 0, skewed };
        for author in 0..AUTHORS {
            let row =
                FollowRow { follower: READER, followee: [100 + author; 16], created_at: BEGAN };
            let key = vec![READER, [100 + author; 16]];
            world.log(Payload::Follow(RowChange { lsn: 1, key, image: Image::Live(row) }))?;
        }
        Ok(world)
    }

    fn open(seed: u64) -> Result<Self> {
        let mut world = Self::with_authors(seed)?;
        for _ in 0..u32::from(AUTHORS) * POSTS {
            let age = world.random.below(60) as i64 * HOUR;
            world.post(age)?;
        }
        for _ in 0..150 {
            world.like()?;
        }
        Ok(world)
    }

    fn log(&mut self, payload: Payload) -> Result<()> {
        let input = Input { arrived: self.driver.now().0, payload };
        send(&self.driver, &record(&input, self.history.len()), input.arrived)?;
        self.history.push(input);
        Ok(())
    }

    fn id(&mut self) -> Id {
        self.ids += 1;
        let mut id = [9; 16];
        id[..4].copy_from_slice(&self.ids.wrapping_mul(0x9e37_79b9).to_be_bytes());
        id
    }

    fn lsn(&self) -> u64 {
        self.history.len() as u64 + 2
    }

    fn post(&mut self, age: i64) -> Result<()> {
        let one = self.skewed && self.random.below(2) == 0;
        let author = if one { 0 } else { self.random.below(AUTHORS.into()) as u8 };
        let (id, author) = (self.id(), [100 + author; 16]);
        let content = match self.random.below(20) {
            0 => Some("the same".to_owned()),
            n => Some(format!("post {} {n}", self.ids)),
        };
        let created_at = self.driver.now().0 - age;
        self.log_post(PostRow { id, user: author, content, created_at }, false)
    }

    fn log_post(&mut self, row: PostRow, deleted: bool) -> Result<()> {
        let (lsn, key) = (self.lsn(), vec![row.id]);
        self.posts.retain(|of| of.id != row.id);
        let image = match deleted {
            true => Image::Deleted(row),
            false => {
                self.posts.push(row.clone());
                Image::Live(row)
            }
        };
        self.log(Payload::Post(RowChange { lsn, key, image }))
    }

    /// By somebody else, so long ago that nothing trends by it.
    fn like(&mut self) -> Result<()> {
        let post = self.posts[self.random.below(self.posts.len())].id;
        let (id, user) = (self.id(), self.id());
        let created_at = self.driver.now().0 - 30 * HOUR;
        let row = LikeOrComment { id, post, user, created_at };
        self.likes.push(row.clone());
        let lsn = self.lsn();
        self.log(Payload::Like(RowChange { lsn, key: vec![id], image: Image::Live(row) }))
    }

    fn something_happens(&mut self) -> Result<()> {
        match self.random.below(10) {
            0 => self.post(0),
            1 => {
                let age = self.random.below(60) as i64 * HOUR;
                self.post(age)
            }
            2 => {
                let row = self.posts[self.random.below(self.posts.len())].clone();
                self.log_post(row, true)
            }
            3 => {
                let row = self.posts[self.random.below(self.posts.len())].clone();
                let user = [100 + self.random.below(AUTHORS.into()) as u8; 16];
                self.log_post(PostRow { user, ..row }, false)
            }
            4 => {
                let row = self.likes.remove(self.random.below(self.likes.len()));
                let (lsn, key) = (self.lsn(), vec![row.id]);
                self.log(Payload::Like(RowChange { lsn, key, image: Image::Deleted(row) }))
            }
            5..=6 => self.like(),
            _ => {
                let post = self.posts[self.random.below(self.posts.len())].id;
                let (event, user, time) = (Some(self.id()), self.id(), self.driver.now().0);
                let action = Action::Impression;
                self.log(Payload::Event(BehaviourEvent { event, user, post, action, time }))
            }
        }
    }

    fn judge(&mut self, whose: &str) -> Result<()> {
        let now = self.driver.now().0;
        let body = feeds(&self.driver)?.remove(&READER).flatten().unwrap();
        let oracle = Oracle::of(&self.history).with_list_at(now);
        let expected = oracle.feed(READER, body.as_of_ms, now).unwrap();
        assert_feed_equals(whose, &body, &expected);
        Ok(())
    }

    fn counted(&self) -> [u64; 3] {
        [RERANKS_AVOIDED, RERANKS_AUDITED, AUDIT_MISMATCHES]
            .map(|name| self.driver.counted_as(name).unwrap_or(0))
    }
}

#[test]
fn a_change_of_a_post_that_does_not_reach_a_full_feed_ranks_nobody_and_changes_nothing()
-> Result<()> {
    let mut all = [0; 3];
    for seed in 0..6 {
        let mut world = World::open(seed)?;
        world.log(Payload::Read { user: READER })?;
        quiesce(&mut world.driver)?;
        world.driver.advance(Duration::from_secs(20))?;
        for number in 0..60 {
            if number % 5 == 0 {
                world.log(Payload::Read { user: READER })?;
            }
            world.something_happens()?;
            quiesce(&mut world.driver)?;
            let whose = format!("world {seed}, {}, after {number} changes", UserId(READER));
            world.judge(&whose)?;
        }
        all.iter_mut().zip(world.counted()).for_each(|(sum, of)| *sum += of);
    }
    let [avoided, audited, mismatches] = all;
    assert!(avoided > 50 && audited > 25, "{avoided} avoided, {audited} audited");
    assert_eq!(mismatches, 0);
    Ok(())
}

#[test]
fn a_post_that_was_passed_over_for_its_author_concerns_the_feed_that_it_is_not_in() -> Result<()> {
    let mut world = World::with_authors(0)?;
    // The newer the better; the 99th and the 100th are of one author, so that the 101st takes the last place.
    for number in 0..101 {
        let author = if number == 99 { 98 % AUTHORS } else { number % AUTHORS };
        let (id, created_at) = (world.id(), BEGAN - i64::from(number) * 600_000);
        let content = Some(format!("post {number}"));
        world.log_post(PostRow { id, user: [100 + author; 16], content, created_at }, false)?;
    }
    world.log(Payload::Read { user: READER })?;
    quiesce(&mut world.driver)?;
    world.judge("before")?;
    let last = |world: &World| -> Result<_> {
        let body = feeds(&world.driver)?.remove(&READER).flatten().unwrap();
        Ok(body.items[99].rule)
    };
    assert_eq!(last(&world)?, Rule::Spaced);
    let passed_over = world.posts[99].clone();
    world.log_post(passed_over, true)?;
    quiesce(&mut world.driver)?;
    assert_eq!(last(&world)?, Rule::None);
    world.judge("after it was deleted")
}
