//! Ranks a reader on demand from the committed state of the task that owns them.
//!
//! By the same function as the topology, from the same stores: follows, affinity, what was seen; and the live
//! posts and the users who are gone, as this process has them. A reader nobody heard of has a feed too.

use millstream::broker::{Broker, partition_of};
use millstream::{Fault, Missed, Query, Streams, Topic};
use schemas::{FeedVersion, UserId, topic};
use topologies::feed::{Feed, PostsLive, ReaderStores, UsersGone};
use topologies::layout::Pair;
use topologies::ranking::{AffinityDay, Ranker, ReaderState as Known, Weights, World};

use crate::read::{Held, StateFault, StateFeeds};

/// So long a feed holds after its ranking.
const VALID_MS: i64 = 600_000;

/// The state of readers in this process.
pub struct ReaderState {
    query: Query,
    stores: ReaderStores,
    posts: PostsLive,
    gone: UsersGone,
    partitions: i32,
    weights: Weights,
    feeds_epoch: u32,
}

impl ReaderState {
    /// The state of `feed` as `streams` runs it.
    pub fn of(
        feed: &Feed,
        (streams, feeds_epoch): (&Streams, u32),
        broker: &dyn Broker,
    ) -> Result<Self, String> {
        let name = Topic::from(topic::BY_USER.name);
        let found = broker.admin().and_then(|mut admin| admin.partitions(&[name]));
        let partitions = found.map_err(|e| e.to_string())?.first().copied().flatten();
        Ok(Self {
            query: streams.query(),
            stores: feed.stores,
            posts: feed.posts,
            gone: feed.gone,
            partitions: partitions.ok_or("there is no topic by-user")?,
            weights: Weights::v1(),
            feeds_epoch,
        })
    }

    /// What is known of a reader, and how often their feed was published.
    fn known(&self, user: UserId) -> Result<(Known, u64), Missed> {
        let partition = partition_of(&user.0, self.partitions);
        let mut known = Known { id: user, ..Known::default() };
        let version = self.query.store(self.stores.readers, partition, |readers| {
            Ok(readers.get(&user)?.map_or(0, |reader| reader.published.version))
        })?;
        self.query.store(self.stores.follows, partition, |follows| {
            follows.scan_prefix(&user.0, |Pair(_, author), rows| {
                known.follows.extend((rows.0 > 0).then_some(*author));
                true
            })
        })?;
        self.query.store(self.stores.affinity, partition, |affinity| {
            affinity.scan_prefix(&user.0, |Pair(_, author), days| {
                let counted = days.all().iter().filter(|(_, count)| *count > 0);
                known.affinity.extend(counted.map(|(day, count)| AffinityDay {
                    author: *author,
                    day: *day,
                    count: count.cast_unsigned(),
                }));
                true
            })
        })?;
        self.query.store(self.stores.seen, partition, |seen| {
            seen.scan_prefix(&user.0, |Pair(_, post), at| {
                known.seen.push((*post, at.0));
                true
            })
        })?;
        Ok((known, version))
    }
}

impl StateFeeds for ReaderState {
    fn feed(&self, user: UserId, now_ms: i64) -> Result<Option<Held>, StateFault> {
        let (known, version) = self.known(user).map_err(|missed| match missed {
            Missed::NotHere(_) => StateFault::NotOwner,
            Missed::Failed(Fault::Reject(words) | Fault::Retry(words) | Fault::Fatal(words)) => {
                StateFault::NotReady(words)
            }
        })?;
        let loading = || StateFault::NotReady("the live posts are not here yet".to_owned());
        let posts = self.query.view(self.posts).ok_or_else(loading)?;
        let gone = self.query.view(self.gone).ok_or_else(loading)?;
        let world = World { posts: posts.index(), gone: gone.index(), weights: &self.weights };
        let mut body = Ranker::default().rank(&known, &world, now_ms);
        body.valid_until_ms = now_ms.saturating_add(VALID_MS);
        let version = FeedVersion { feeds_epoch: self.feeds_epoch, version };
        Ok(Some(Held { version, body }))
    }

    fn ready(&self) -> Result<(), String> {
        let loading = || "the live posts are not here yet".to_owned();
        self.query.view(self.posts).map(drop).ok_or_else(loading)?;
        let here = |partition: &i32| self.query.store(self.stores.readers, *partition, |_| Ok(()));
        let mut partitions = 0..self.partitions;
        partitions
            .find(|partition| here(partition).is_ok())
            .map(drop)
            .ok_or("no task runs yet".into())
    }
}
