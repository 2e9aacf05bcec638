//! The feeds of some readers, in Redis, in ClickHouse and in the state of workers.
//!
//! Readers are chosen by the seed, in turn from PostgreSQL's users and from those who have feeds in ClickHouse, so that a feed
//! is missed that either lacks. Each is looked at until no copy is behind the newest version of the first look, or for as long
//! as is waited; see [`super::copies`] for what must be equal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use connectors::clickhouse::LastFeeds;
use connectors::postgres::Database;
use connectors::redis::{FeedCache, RedisFault};
use futures_util::{StreamExt, stream};
use millstream::{Clock, Exit, SystemClock};
use schemas::{FeedVersion, UserId};
use tokio::time::sleep;

use super::copies::{CLICKHOUSE, Compared, Copies, REDIS, STATE, Said};
use super::report::{FeedsReport, Report};
use crate::Failed;
use crate::read::{RemoteState, TierFault};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many readers are asked for at once.
const READERS_MAX: usize = 500;
const ASKED_MAX: usize = 8;

/// What is compared, and who is asked.
pub struct Feeds {
    /// Who knows users.
    pub database: Option<Database>,
    /// Redis.
    pub redis: Option<FeedCache>,
    /// ClickHouse.
    pub clickhouse: Option<LastFeeds>,
    /// The workers.
    pub state: Option<RemoteState>,
    /// How many readers.
    pub readers: u32,
    /// Which.
    pub seed: u64,
    /// How long a copy may be behind.
    pub wait: Duration,
}

/// A reader, as of the last look.
#[derive(Default)]
struct Reader {
    /// The newest version of the first look.
    floor: Option<FeedVersion>,
    has_feed: bool,
    compared: Compared,
}

impl Feeds {
    /// Compares, and notes in `report` what came of it.
    pub async fn compare(&self, report: &mut Report) -> Result<(), Failed> {
        let users = self.choose().await?;
        let mut readers: BTreeMap<UserId, Reader> = BTreeMap::new();
        let began = Instant::now();
        let mut open = users;
        loop {
            for users in open.chunks(READERS_MAX) {
                for (user, copies) in self.look(users).await? {
                    let newest = copies.newest();
                    let first = || Reader { floor: newest, ..Reader::default() };
                    let reader = readers.entry(user).or_insert_with(first);
                    reader.has_feed = newest.is_some();
                    reader.compared = copies.compare(user, reader.floor, SystemClock.now().0);
                }
            }
            open.retain(|user| readers.get(user).is_some_and(|of| of.compared.is_behind));
            if open.is_empty() || began.elapsed() >= self.wait {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        let count = |is: fn(&Reader) -> bool| readers.values().filter(|reader| is(reader)).count();
        report.feeds = Some(FeedsReport {
            servers: self.servers(),
            readers: readers.len(),
            with_feed: count(|reader| reader.has_feed),
            differ: count(|reader| !reader.compared.differences.is_empty()),
            pending: count(|reader| reader.compared.is_pending),
        });
        for reader in readers.into_values() {
            report.note(reader.compared.differences);
        }
        Ok(())
    }

    fn servers(&self) -> Vec<&'static str> {
        let asked = [
            (REDIS, self.redis.is_some()),
            (CLICKHOUSE, self.clickhouse.is_some()),
            (STATE, self.state.is_some()),
        ];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(server, _)| server).collect()
    }

    async fn choose(&self) -> Result<Vec<UserId>, Failed> {
        let (mut users, mut readers) = (Vec::new(), Vec::new());
        if let Some(database) = &self.database {
            users = database.some_users(self.seed, self.readers).await?;
        }
        if let Some(clickhouse) = &self.clickhouse {
            readers = clickhouse.readers(self.seed, self.readers).await?;
        }
        let users = users.into_iter().map(|id| UserId(id.into_bytes()));
        let readers = readers.into_iter().map(|id| UserId(id.into_bytes()));
        Ok(in_turn(users.collect(), readers.collect(), self.readers as usize))
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<(UserId, Copies)>, Failed> {
        let published = match &self.clickhouse {
            Some(clickhouse) => Some(clickhouse.of(users).await?),
            None => None,
        };
        let copies = users.iter().map(|user| {
            let published = published.as_ref().map(|published| published.get(user).cloned());
            async move {
                let clickhouse = match published {
                    None => Said::Nothing,
                    Some(None) => Said::None,
                    Some(Some(Ok(feed))) => Said::Some(feed),
                    Some(Some(Err(words))) => Said::Foreign(words),
                };
                let redis = self.ask_redis(*user).await?;
                let copies = Copies { redis, clickhouse, state: Said::Nothing };
                let state = self.ask_state(*user, copies.as_of_ms()).await?;
                Ok::<_, Failed>((*user, Copies { state, ..copies }))
            }
        });
        let copies: Vec<_> = stream::iter(copies).buffered(ASKED_MAX).collect().await;
        copies.into_iter().collect()
    }

    async fn ask_redis(&self, user: UserId) -> Result<Said<connectors::redis::RedisFeed>, Failed> {
        let Some(redis) = &self.redis else { return Ok(Said::Nothing) };
        match redis.feed(user).await {
            Ok(found) => Ok(said(found)),
            Err(RedisFault::Refused(words)) => Ok(Said::Foreign(words)),
            Err(fault @ RedisFault::Unavailable(_)) => Err(fault.into()),
        }
    }

    async fn ask_state(
        &self,
        user: UserId,
        as_of_ms: Option<i64>,
    ) -> Result<Said<crate::read::Held>, Failed> {
        let Some(state) = &self.state else { return Ok(Said::Nothing) };
        let began = Instant::now();
        loop {
            let found = match as_of_ms {
                Some(ms) => state.find_as_of(user, ms).await,
                None => state.find(user).await,
            };
            match found {
                Ok(Some(held)) => return Ok(Said::Some(held)),
                // Its broadcasts are not there yet.
                Ok(None) => return Ok(Said::Nothing),
                // Its task may be on its way to another worker.
                Err(TierFault::Unready(_)) if began.elapsed() < self.wait => {
                    sleep(LOOK_EVERY).await;
                }
                Err(TierFault::Failed(words) | TierFault::Unready(words)) => {
                    return Err(Failed(Exit::Unavailable, format!("state of {user}: {words}")));
                }
            }
        }
    }
}

fn said<T>(found: Option<T>) -> Said<T> {
    found.map_or(Said::None, Said::Some)
}

/// The first of both, in turn, each once, up to so many.
fn in_turn(one: Vec<UserId>, other: Vec<UserId>, count: usize) -> Vec<UserId> {
    let mut taken = Vec::new();
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    while taken.len() < count {
        let next = [one.next(), other.next()];
        if next == [None, None] {
            break;
        }
        for user in next.into_iter().flatten() {
            if taken.len() < count && !taken.contains(&user) {
                taken.push(user);
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_come_from_both_in_turn_and_each_once() {
        let users = |ids: &[u8]| ids.iter().map(|id| UserId([*id; 16])).collect::<Vec<_>>();
        assert_eq!(in_turn(users(&[1, 2, 3]), users(&[1, 9, 3]), 4), users(&[1, 2, 9, 3]));
        assert_eq!(in_turn(users(&[1, 2, 3]), users(&[]), 2), users(&[1, 2]));
        assert_eq!(in_turn(users(&[]), users(&[5]), 2), users(&[5]));
    }
}
