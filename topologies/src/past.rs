//! The feed as it was: the records of the inputs, in the order of their times, through the production topology under a clock
//! that goes with them.
//!
//! Nobody is kept ranked in it; whoever is asked about is ranked on demand, which is the same function. What is taken has
//! gone all its way before time goes on, so at a time that is [reached](Past::reach) everything is known that had
//! come by then: a worker that kept up had published the same. Where it lagged, it will have known less.
//! Everything is in memory: state, its changelogs and what waits. An input is forgotten once it was worked off.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{
    Admin, Broker, Consumer, Failure, Isolation, OutRecord, Outgoing, Producer, TopicIndex,
};
use millstream::testing::Driver;
use millstream::{Counter, Fault, Headers, Result, Timestamp, Topic, TopicPartition};
use schemas::topic::{HISTORY, INPUTS};
use schemas::{FeedBody, PostId, UserId};

use crate::engagement::post::Post;
use crate::feed::{Feed, FeedSettings, feed};
use crate::ranking::Weights;
use crate::ranking::why::Verdict;

/// Records of so little time go through together; of a time long before the one that is asked for, those of a thousandth of
/// the time between, so that months take no longer than days.
const SLICE_MS_MIN: i64 = 1_000;
const SLICE_MS_MAX: i64 = 600_000;
const SLICE_PART: i64 = 1_000;
/// No more go through together than this.
const SLICE_RECORDS_MAX: usize = 10_000;
/// What was taken goes all its way before time goes on for longer than this: what is done late by so little shows for a few
/// minutes, and whoever asks for one of those takes records after it.
const LATE_MS: i64 = 60_000;
/// What waits for more than a record: at these times before the one that is reached everything goes all its way. A line
/// of a post is a minute late at most; what trends by it goes two steps on, each a second or two late.
const APPROACH_MS: [i64; 6] = [120_000, 60_000, 10_000, 5_000, 2_500, 0];
/// So many records are kept before those that were worked off are forgotten.
const KEPT_MAX: usize = 200_000;
const ROUNDS_MAX: usize = 100_000;
/// Nothing is gained by waiting for more of a transaction: what comes next comes at once.
const COMMIT_INTERVAL: Duration = Duration::from_millis(1);
/// Enough for the rows of most worlds; what is beyond is decoded again.
const CACHE_BYTES: usize = 512 << 20;

/// A record of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Of which of [`HISTORY`].
    pub topic: usize,
    /// Its time, ms UTC.
    pub at_ms: i64,
    /// Its key.
    pub key: Option<Box<[u8]>>,
    /// Its value; none is a tombstone.
    pub value: Option<Box<[u8]>>,
}

/// See the module.
pub struct Past {
    driver: Driver,
    feed: Feed,
    settings: FeedSettings,
    producer: Box<dyn Producer>,
    admin: Box<dyn Admin>,
    consumer: Box<dyn Consumer>,
    /// What goes through together next.
    slice: Vec<Input>,
    outgoing: Outgoing,
    /// The first time that will be asked for, ms UTC.
    asked_ms: i64,
    /// How many inputs were not forgotten yet.
    kept: usize,
}

impl Past {
    /// Nothing has happened until `began_ms`; nobody asks for a time before `asked_ms`.
    pub fn open(settings: &FeedSettings, (began_ms, asked_ms): (i64, i64)) -> Result<Self> {
        let settings = FeedSettings { keeps_ranked: false, ..settings.clone() };
        let feed = feed(&settings)?;
        let driver = Driver::of(feed.topology.clone())
            .began(Timestamp(began_ms))
            .config(|config| {
                config.record_cache_bytes_max = CACHE_BYTES;
                config.commit_interval = COMMIT_INTERVAL;
            })
            .start()?;
        let broker = driver.broker();
        let topics: Arc<[Topic]> = HISTORY.iter().map(|topic| topic.name.into()).collect();
        let producer = broker.producer(None, topics).map_err(failed)?;
        let admin = broker.admin().map_err(failed)?;
        let consumer = broker.consumer("past", Isolation::ReadCommitted).map_err(failed)?;
        let (slice, outgoing) = (Vec::new(), Outgoing::default());
        Ok(Self {
            driver,
            feed,
            settings,
            producer,
            admin,
            consumer,
            slice,
            outgoing,
            asked_ms,
            kept: 0,
        })
    }

    /// Takes the next record; one that is older than what was taken happens at the time of that.
    pub fn take(&mut self, input: Input) -> Result<()> {
        let ends = self.slice.first().map(|first| {
            let part = self.asked_ms.saturating_sub(first.at_ms) / SLICE_PART;
            first.at_ms.saturating_add(part.clamp(SLICE_MS_MIN, SLICE_MS_MAX))
        });
        if ends.is_some_and(|ends| input.at_ms >= ends) || self.slice.len() >= SLICE_RECORDS_MAX {
            self.play()?;
        }
        self.slice.push(input);
        Ok(())
    }

    /// Lets the slice go through.
    fn play(&mut self) -> Result<()> {
        let Some(last) = self.slice.last() else { return Ok(()) };
        let at_ms = last.at_ms;
        if at_ms > self.driver.now().0.saturating_add(LATE_MS) || self.kept > KEPT_MAX {
            self.work_off()?;
        }
        self.go_on_to(at_ms);
        self.kept += self.slice.len();
        self.outgoing.clear();
        for input in self.slice.drain(..) {
            self.outgoing.push(OutRecord {
                topic: TopicIndex(u16::try_from(input.topic).unwrap_or(u16::MAX)),
                partition: 0,
                logged: false,
                timestamp: Timestamp(input.at_ms),
                key: input.key.as_deref(),
                value: input.value.as_deref(),
                headers: Headers::default(),
            });
        }
        self.producer.send(&self.outgoing).map_err(failed)?;
        self.producer.flush(Duration::ZERO).map_err(failed)?;
        self.run().map(drop)
    }

    /// Goes on until nothing moves without time going on; whether anything moved.
    fn run(&mut self) -> Result<bool> {
        for round in 0..ROUNDS_MAX {
            if !self.driver.step()? {
                return Ok(round > 0);
            }
        }
        Err(Fault::Fatal("records of one second do not come to rest".into()))
    }

    /// Lets what was taken go all its way: a transaction a topic.
    fn work_off(&mut self) -> Result<()> {
        let mut quiet = 0;
        while quiet < 2 {
            self.driver.advance_clock(COMMIT_INTERVAL * 2);
            quiet = if self.run()? { 0 } else { quiet + 1 };
        }
        if self.kept > KEPT_MAX { self.forget() } else { Ok(()) }
    }

    /// Forgets the inputs that were worked off.
    fn forget(&mut self) -> Result<()> {
        let mut worked_off = Vec::new();
        for topic in INPUTS {
            let partition = TopicPartition::new(topic.name, 0);
            let end = self.consumer.bounds(&partition).map_err(failed)?.end;
            worked_off.push((partition, end));
        }
        self.kept = 0;
        self.admin.delete_before(&worked_off).map_err(failed)
    }

    fn go_on_to(&self, at_ms: i64) {
        let now = self.driver.now();
        if at_ms > now.0 {
            self.driver.advance_clock(Timestamp(at_ms).since(now));
        }
    }

    /// Goes on until `at_ms`, when everything has gone all its way that was taken.
    pub fn reach(&mut self, at_ms: i64) -> Result<()> {
        self.play()?;
        self.driver.settle()?;
        for before in APPROACH_MS {
            self.go_on_to(at_ms.saturating_sub(before));
            self.driver.settle()?;
        }
        Ok(())
    }

    /// The feed of `user` as of `at_ms`, which was reached.
    pub fn rank(&self, user: UserId, at_ms: i64) -> Result<FeedBody> {
        let query = self.driver.query(0)?;
        let ranked = self.feed.rank(&query, &self.settings, user, at_ms).map_err(unanswered)?;
        ranked.map(|(_, body)| body).ok_or_else(|| Fault::Fatal("it has no broadcasts".into()))
    }

    /// What became of `post` in it.
    pub fn why(&self, user: UserId, post: PostId, at_ms: i64) -> Result<Verdict> {
        let (query, asked) = (self.driver.query(0)?, (user, post));
        let told = self.feed.why(&query, &self.settings, asked, at_ms).map_err(unanswered)?;
        told.map(|(_, verdict)| verdict).ok_or_else(|| Fault::Fatal("it has no broadcasts".into()))
    }

    /// By which weight set `user` is ranked.
    pub fn weights(&self, user: &UserId) -> Result<Weights> {
        Ok(self.feed.weights(&self.driver.query(0)?, &self.settings, user))
    }

    /// What is known of a post.
    pub fn post(&self, post: PostId) -> Result<Option<Post>> {
        self.feed.post(&self.driver.query(0)?, post).map_err(unanswered)
    }

    /// How many records were dead letters.
    pub fn dead_letters(&self) -> u64 {
        self.driver.counted(Counter::DeadLetters)
    }
}

fn failed(failure: Failure) -> Fault {
    Fault::Fatal(failure.to_string())
}

fn unanswered(fault: millstream::QueryError) -> Fault {
    Fault::Fatal(format!("its state: {fault:?}"))
}
