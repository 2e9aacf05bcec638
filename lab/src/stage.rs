//! The stage: the production topology on the engine, in memory, under a clock that goes with the world.
//!
//! Nothing is ranked here by code of the lab: a feed is [`Feed::rank`] of committed state, what trends is the broadcast, and
//! suggestions are [`suggest`] of what the workers would be asked. One partition, one worker: sums do not depend on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Failure, Producer};
use millstream::testing::Driver;
use millstream::{Bytes, Counter, Family, Fault, Query, QueryError, Result, Timestamp, Topic};
use schemas::{FeedBody, PostId, PostLine, TrendingWindow, UserId, Wire, topic};
use topologies::feed::{Feed, FeedSettings, feed};
use topologies::ranking::Weights;
use topologies::suggestions::{SuggestionWeights, suggest};

use crate::record::{Records, TOPICS};

/// Enough for the rows of a lab's world.
const CACHE_BYTES: usize = 256 << 20;

/// See the module.
pub struct Stage {
    driver: Driver,
    feed: Feed,
    settings: FeedSettings,
    producer: Box<dyn Producer>,
}

impl Stage {
    /// Nothing has happened until `began_ms`.
    pub fn open(settings: &FeedSettings, began_ms: i64) -> Result<Self> {
        let feed = feed(settings)?;
        let mut driver = Driver::of(feed.topology.clone())
            .began(Timestamp(began_ms))
            .config(|config| config.record_cache_bytes_max = CACHE_BYTES)
            .start()?;
        let topics: Arc<[Topic]> = TOPICS.iter().map(|topic| topic.name.into()).collect();
        let producer = driver.broker().producer(None, topics).map_err(failed)?;
        // Its tasks are there before anybody asks.
        driver.settle()?;
        Ok(Self { driver, feed, settings: settings.clone(), producer })
    }

    /// The time that it has reached, ms UTC.
    pub fn now(&self) -> i64 {
        self.driver.now().0
    }

    /// Lets time go on to `at`, by when these records have come, and goes on until nothing moves.
    pub fn go(&mut self, at: i64, records: &mut Records) -> Result<()> {
        let now = self.driver.now();
        if at > now.0 {
            self.driver.advance_clock(Timestamp(at).since(now));
        }
        self.producer.send(records.outgoing()).map_err(failed)?;
        self.producer.flush(Duration::ZERO).map_err(failed)?;
        records.clear();
        self.driver.settle()
    }

    /// The feed of a reader as of `at`, by these weights.
    pub fn rank(&self, reader: UserId, weights: &Weights, at: i64) -> Result<FeedBody> {
        let settings = FeedSettings { weights: weights.clone(), ..self.settings.clone() };
        let ranked = self.feed.rank(&self.query()?, &settings, reader, at).map_err(unanswered)?;
        ranked.map(|(_, body)| body).ok_or_else(|| Fault::Fatal("there are no broadcasts".into()))
    }

    /// What trends in a window as of `at`, the best first.
    pub fn trending(&self, window: TrendingWindow, at: i64) -> Result<Vec<PostId>> {
        let trending = self.feed.trending(&self.query()?);
        let posts = trending.as_ref().and_then(|all| Some(all.posts_of(all.list(window, at)?)));
        Ok(posts.into_iter().flatten().map(|(post, _)| post.post).collect())
    }

    /// The line of a post.
    pub fn line(&self, post: &PostId) -> Result<Option<PostLine>> {
        let query = self.query()?;
        Ok(query.view(self.feed.posts).and_then(|posts| posts.get(post).copied()))
    }

    /// Who is suggested to a user as of `at`, the best first.
    pub fn suggestions(&self, user: UserId, at: i64) -> Result<Vec<UserId>> {
        let (query, weights) = (self.query()?, SuggestionWeights::default());
        let sketch = self.feed.sketch(&query, &self.settings, user, at).map_err(unanswered)?;
        let mut neighbours = BTreeMap::new();
        for whom in sketch.walked(&weights) {
            let person = self.feed.person(&query, whom).map_err(unanswered)?;
            let of = (whom, person.as_ref());
            let of = self.feed.neighbours(&query, of, weights.neighbours_max);
            neighbours.insert(whom, of.map_err(unanswered)?);
        }
        let gone = query.view(self.feed.gone);
        let is_gone = |of: &UserId| gone.as_ref().is_some_and(|gone| gone.get(of).is_some());
        let (suggested, _) = suggest(&sketch, &neighbours, is_gone, &weights);
        Ok(suggested.into_iter().map(|suggestion| suggestion.user).collect())
    }

    /// Lets so much time go by, and goes on until nothing moves.
    pub fn wait(&mut self, span_ms: u64) -> Result<()> {
        self.driver.advance(Duration::from_millis(span_ms))
    }

    /// What was last published of every reader.
    pub fn published(&self) -> Result<BTreeMap<UserId, FeedBody>> {
        let output = self.driver.output::<Vec<u8>, Vec<u8>>(topic::FEEDS.name, Bytes, Bytes);
        let mut feeds = BTreeMap::new();
        for row in output.rows()? {
            let user = row.key.and_then(|key| Some(UserId(key.try_into().ok()?)));
            let body = row.value.and_then(|value| FeedBody::decode(&value).ok());
            if let (Some(user), Some(body)) = (user, body) {
                feeds.insert(user, body);
            }
        }
        Ok(feeds)
    }

    /// How often something was told of a post to every process.
    pub fn changes_told(&self) -> Result<u64> {
        let output = self.driver.output::<Vec<u8>, Vec<u8>>(topic::POSTS_LIVE.name, Bytes, Bytes);
        Ok(output.rows()?.len() as u64)
    }

    /// What processors counted under a name.
    pub fn counted(&self, of: Family) -> u64 {
        self.driver.counted_as(of).unwrap_or(0)
    }

    /// How many records nobody could read; none, or the lab is at fault.
    pub fn dead_letters(&self) -> u64 {
        self.driver.counted(Counter::DeadLetters)
    }

    fn query(&self) -> Result<Query> {
        self.driver.query(0)
    }
}

fn failed(failure: Failure) -> Fault {
    Fault::Fatal(failure.to_string())
}

fn unanswered(fault: QueryError) -> Fault {
    Fault::Fatal(format!("its state: {fault:?}"))
}
