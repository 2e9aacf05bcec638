//! What is published: follows the topics `feeds` and `trending`, and keeps each user's newest feed and the newest lists.
//!
//! So the demonstration sees that a feed is there, and that it changes, as any other consumer would.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millstream::RawRecord;
use millstream::broker::{Batch, Broker, GroupConsumer};
use schemas::{FEEDS_EPOCH, FeedBody, FeedVersion, Poison, Trending, UserId, VERSION, Wire, topic};

use crate::read::Held;

const GROUP: &str = "feedmill-demo-feeds";
const POLL: Duration = Duration::from_millis(100);

/// The newest feed of each user.
#[derive(Default)]
pub struct Published {
    feeds: Mutex<BTreeMap<UserId, Held>>,
    trending: Mutex<Option<Trending>>,
    changed: Condvar,
}

impl Published {
    /// Follows the topic on a thread of its own, for as long as anybody else holds what it returns.
    pub fn follow(broker: &dyn Broker) -> Result<Arc<Self>, String> {
        let topics = [topic::FEEDS, topic::TRENDING].map(|topic| topic.name.into());
        let feeds = broker.group_consumer(GROUP, None, &topics);
        let mut feeds = feeds.map_err(|e| e.to_string())?;
        let published = Arc::new(Self::default());
        let kept = Arc::downgrade(&published);
        let follow = move || {
            while let Some(published) = kept.upgrade() {
                published.take(&mut *feeds);
            }
        };
        let thread = thread::Builder::new().name("published".to_owned()).spawn(follow);
        thread.map_err(|e| format!("spawn published: {e}"))?;
        Ok(published)
    }

    /// The feed of `user` once it has items and has not changed for `quiet`; what there is after `wait`, or
    /// once `stop` is set.
    pub fn settled(
        &self,
        user: UserId,
        (quiet, wait): (Duration, Duration),
        stop: &AtomicBool,
    ) -> Option<Held> {
        let began = Instant::now();
        let mut last = (None, Instant::now());
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = feeds.get(&user).filter(|held| !held.body.items.is_empty());
            let version = found.map(|held| held.version);
            if version != last.0 {
                last = (version, Instant::now());
            }
            let settled = found.is_some() && last.1.elapsed() >= quiet;
            if settled || began.elapsed() >= wait || stop.load(Ordering::Relaxed) {
                return found.cloned();
            }
            let woken = self.changed.wait_timeout(feeds, POLL);
            feeds = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The version of the feed of `user`; 0 if there is none.
    pub fn version(&self, user: UserId) -> u64 {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.get(&user).map_or(0, |held| held.version.version)
    }

    /// What trends, as it was last published.
    pub fn trending(&self) -> Option<Trending> {
        self.trending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, from: &mut dyn GroupConsumer) {
        let polled = match from.poll(POLL) {
            Ok(polled) => polled,
            Err(failure) => {
                tracing::warn!(%failure, "feeds are not read; trying again");
                return thread::sleep(POLL);
            }
        };
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let trends = |batch: &&Batch| *batch.source().topic == *topic::TRENDING.name;
        let lists = polled.batches.iter().filter(trends).flat_map(|batch| batch.iter());
        if let Some(lists) = lists.last().and_then(|record| record.value) {
            *self.trending.lock().unwrap_or_else(PoisonError::into_inner) =
                Trending::decode(lists).ok();
        }
        let batches = polled.batches.iter().filter(|batch| !trends(batch));
        for record in batches.flat_map(|batch| batch.iter()) {
            match held(&record) {
                Ok((user, Some(held))) => drop(feeds.insert(user, held)),
                Ok((user, None)) => drop(feeds.remove(&user)),
                Err(poison) => tracing::warn!(%poison, offset = %record.offset, "no feed"),
            }
        }
        self.changed.notify_all();
    }
}

fn held(record: &RawRecord<'_>) -> Result<(UserId, Option<Held>), Poison> {
    let user = UserId::decode(record.key.unwrap_or_default())?;
    let Some(body) = record.value else { return Ok((user, None)) };
    let (epoch, version) = (record.headers.last(FEEDS_EPOCH), record.headers.last(VERSION));
    let version = FeedVersion::from_headers(epoch, version)?;
    Ok((user, Some(Held { version, body: FeedBody::decode(body)?, is_published: true })))
}
