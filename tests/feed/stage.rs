//! A stage for one rule at a time: the feed on the engine, and a few things that a few people do.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::store::LoggedKey;
use millstream::testing::Driver;
use millstream::{Bytes, Result, Timestamp};
use schemas::{FeedBody, Read, Wire};
use topologies::feed::{FeedSettings, feed};

use crate::on_engine::send;
use crate::records::record;
use worlds::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow,
    RowChange, UserRow,
};
use worlds::oracle::grid_time;

pub const READER: Id = [1; 16];
pub const AUTHOR: Id = [2; 16];
pub const OTHER: Id = [3; 16];
pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
/// How many steps a backlog may take to be worked off.
const STEPS_MAX: usize = 10_000;
/// Noon of a day, when every stage opens.
pub const NOON: i64 = 20_600 * DAY + 12 * HOUR;

/// The engine, and how much was logged.
pub struct Stage {
    pub driver: Driver,
    /// Nothing works on what is logged, and time goes on all the same.
    is_down: bool,
    logged: usize,
}

/// What was published of a reader.
#[derive(Debug, PartialEq)]
pub struct Published {
    pub as_of: i64,
    pub valid_until: i64,
    /// The posts by their first byte, in their order.
    pub posts: Vec<u8>,
}

impl Stage {
    /// Opens just after a grid time of the reader, so that the next one is ten minutes off.
    pub fn open() -> Result<Self> {
        Self::of(&FeedSettings::default())
    }

    pub fn of(settings: &FeedSettings) -> Result<Self> {
        let began = Timestamp(grid_time(READER, NOON) + 1);
        let driver = Driver::of(feed(settings)?.topology).partitions(3).began(began).start()?;
        Ok(Self { driver, is_down: false, logged: 0 })
    }

    pub fn now(&self) -> i64 {
        self.driver.now().0
    }

    /// The next time of the reader's refresh grid.
    pub fn next_grid(&self) -> i64 {
        grid_time(READER, self.now()) + 600_000
    }

    pub fn advance_ms(&mut self, ms: i64) -> Result<()> {
        let span = Duration::from_millis(ms.unsigned_abs());
        if self.is_down {
            self.driver.advance_clock(span);
            return Ok(());
        }
        self.driver.advance(span)
    }

    /// Goes on until `at`, a second at a time near its end, as clocks do.
    pub fn advance_to(&mut self, at: i64) -> Result<()> {
        let left = at - self.now();
        if left > 5_000 {
            self.advance_ms(left - 5_000)?;
        }
        while self.now() < at {
            self.advance_ms((at - self.now()).min(500))?;
        }
        Ok(())
    }

    /// Kills the process, so that what is logged from here on waits.
    pub fn kill(&mut self) {
        self.driver.kill(0);
        self.is_down = true;
    }

    /// Starts it again, and lets it work off what waits, a record a fetch and a quarter second a step, until the last
    /// feed of the reader has so many posts.
    pub fn restart(&mut self, posts: usize) -> Result<()> {
        self.work_off(0)?;
        for _ in 0..STEPS_MAX {
            if self.last()?.posts.len() >= posts {
                return self.driver.settle();
            }
            self.step()?;
        }
        panic!("after {STEPS_MAX} steps there are {:?}", self.last()?.posts)
    }

    /// Starts it again, and lets it take so many steps of a backlog, a record a fetch.
    pub fn work_off(&mut self, steps: usize) -> Result<()> {
        self.is_down = false;
        self.driver.broker().faults().limit_fetch(1);
        self.driver.restart(0)?;
        (0..steps).try_for_each(|_| self.step())
    }

    fn step(&mut self) -> Result<()> {
        self.driver.step()?;
        self.driver.advance_clock(Duration::from_millis(250));
        Ok(())
    }

    pub fn log(&mut self, payload: Payload) -> Result<()> {
        self.logged += 1;
        let input = Input { arrived: self.now(), payload };
        send(&self.driver, &record(&input, self.logged), input.arrived)?;
        self.settle()
    }

    fn settle(&mut self) -> Result<()> {
        if self.is_down { Ok(()) } else { self.driver.settle() }
    }

    fn lsn(&self) -> u64 {
        self.logged as u64 + 1
    }

    pub fn post(&mut self, id: u8, author: Id, created_at: i64) -> Result<()> {
        self.text((id, None), author, created_at)
    }

    /// A post that says something.
    pub fn text(
        &mut self,
        (id, text): (u8, Option<&str>),
        author: Id,
        created_at: i64,
    ) -> Result<()> {
        let content = text.map(str::to_owned);
        let row = PostRow { id: [id; 16], user: author, content, created_at };
        let (lsn, key) = (self.lsn(), vec![[id; 16]]);
        self.log(Payload::Post(RowChange { lsn, key, image: Image::Live(row) }))
    }

    pub fn delete_post(&mut self, id: u8) -> Result<()> {
        let (lsn, key) = (self.lsn(), vec![[id; 16]]);
        self.log(Payload::Post(RowChange { lsn, key, image: Image::DeletedByKey }))
    }

    pub fn follow(&mut self, follower: Id, followee: Id) -> Result<()> {
        let row = FollowRow { follower, followee, created_at: self.now() };
        let (lsn, key) = (self.lsn(), vec![follower, followee]);
        self.log(Payload::Follow(RowChange { lsn, key, image: Image::Live(row) }))
    }

    pub fn unfollow(&mut self, follower: Id, followee: Id) -> Result<()> {
        let (lsn, key) = (self.lsn(), vec![follower, followee]);
        self.log(Payload::Follow(RowChange { lsn, key, image: Image::DeletedByKey }))
    }

    pub fn like(&mut self, user: Id, post: u8, created_at: i64) -> Result<()> {
        let id = like_id(user, post);
        let row = LikeOrComment { id, post: [post; 16], user, created_at };
        let lsn = self.lsn();
        self.log(Payload::Like(RowChange { lsn, key: vec![id], image: Image::Live(row) }))
    }

    pub fn unlike(&mut self, user: Id, post: u8) -> Result<()> {
        let (lsn, key) = (self.lsn(), vec![like_id(user, post)]);
        self.log(Payload::Like(RowChange { lsn, key, image: Image::DeletedByKey }))
    }

    pub fn user(&mut self, id: Id, live: bool) -> Result<()> {
        let row = UserRow { id, created_at: self.now() };
        let image = if live { Image::Live(row) } else { Image::DeletedByKey };
        let lsn = self.lsn();
        self.log(Payload::User(RowChange { lsn, key: vec![id], image }))
    }

    pub fn event(&mut self, user: Id, post: u8, action: Action) -> Result<()> {
        let mut event = [0; 16];
        event[..8].copy_from_slice(&(self.logged as u64).to_be_bytes());
        let (event, post, time) = (Some(event), [post; 16], self.now());
        self.log(Payload::Event(BehaviourEvent { event, user, post, action, time }))
    }

    /// A read that found a fresh feed.
    pub fn read(&mut self, user: Id) -> Result<()> {
        self.log_read(user, false)
    }

    /// A read that found none where reads look first.
    pub fn miss(&mut self, user: Id) -> Result<()> {
        self.log_read(user, true)
    }

    fn log_read(&mut self, user: Id, miss: bool) -> Result<()> {
        let reads = self.driver.input::<Vec<u8>, Vec<u8>>("reads", Bytes, Bytes);
        let read = Read { at_ms: self.now(), miss, served: vec![] }.to_bytes();
        reads.send_raw(Some(&user), Some(&read), self.driver.now())?;
        self.settle()
    }

    /// Everything that was published of a reader; none is a null.
    pub fn published(&self, reader: Id) -> Result<Vec<Option<Published>>> {
        let output = self.driver.output::<Vec<u8>, Vec<u8>>("feeds", Bytes, Bytes);
        let rows = output.rows()?.into_iter().filter(|row| row.key.as_deref() == Some(&reader[..]));
        let published = |value: Vec<u8>| {
            let body = FeedBody::decode(&value).unwrap();
            let posts = body.items.iter().map(|item| item.post.0[0]).collect();
            Published { as_of: body.as_of_ms, valid_until: body.valid_until_ms, posts }
        };
        Ok(rows.map(|row| row.value.map(published)).collect())
    }

    /// How often something was published of a reader.
    pub fn times(&self, reader: Id) -> Result<usize> {
        Ok(self.published(reader)?.len())
    }

    /// What was last published of the reader.
    pub fn last(&self) -> Result<Published> {
        Ok(self.published(READER)?.pop().flatten().unwrap())
    }

    /// How many rows a store keeps in all tasks, as the changelogs tell.
    pub fn kept(&self, store: &str) -> Result<usize> {
        let mut rows = BTreeMap::new();
        for (changelog, _) in feed(&FeedSettings::default())?.topology.changelogs() {
            let output = self.driver.output::<Vec<u8>, Vec<u8>>(&changelog, Bytes, Bytes);
            let logged = output.rows()?.into_iter().map(|row| (row.key.unwrap(), row.value));
            let of_store = logged.filter(|(key, _)| {
                LoggedKey::decode(key).is_some_and(|logged| logged.store == store)
            });
            rows.extend(of_store);
        }
        Ok(rows.values().flatten().count())
    }
}

fn like_id(user: Id, post: u8) -> Id {
    [user[0].wrapping_mul(16).wrapping_add(post); 16]
}
