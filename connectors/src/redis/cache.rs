//! The cache of feeds as a read asks it, within a time that a request can afford.

use std::time::Duration;

use ::redis::AsyncCommands;

use schemas::{
    FeedBody, FeedVersion, Poison, RedisValue, Trending, TrendingWindow, UserId, Wire, redis_key,
};

use super::{Connection, RedisFault, connect, within};

/// A feed as Redis holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisFeed {
    /// Which publication.
    pub version: FeedVersion,
    /// The body; `None` if the feed is gone.
    pub body: Option<FeedBody>,
}

impl RedisFeed {
    fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let value = RedisValue::decode(bytes)?;
        Ok(Self { version: value.version, body: value.body.map(FeedBody::decode).transpose()? })
    }
}

/// The feeds and the lists of what trends that Redis holds.
#[derive(Clone)]
pub struct FeedCache {
    connection: Connection,
    wait: Duration,
}

impl FeedCache {
    /// The cache on the server at `url` that waits at most `wait` for an answer. Call it inside a Tokio runtime.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        Ok(Self { connection: connect(url, wait)?, wait })
    }

    /// How long an answer may take.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The user's feed; `None` if there is none. Late is [`RedisFault::Unavailable`].
    pub async fn feed(&self, user: UserId) -> Result<Option<RedisFeed>, RedisFault> {
        let Some(bytes) = self.value(&redis_key(user)).await? else { return Ok(None) };
        let foreign = |poison| RedisFault::Refused(format!("{}: {poison}", redis_key(user)));
        RedisFeed::decode(&bytes).map(Some).map_err(foreign)
    }

    /// The version of the user's feed; `None` if there is no feed.
    pub async fn version(&self, user: UserId) -> Result<Option<FeedVersion>, RedisFault> {
        let (mut connection, last) = (self.connection.clone(), FeedVersion::TEXT_BYTES - 1);
        let head = connection.getrange::<_, Vec<u8>>(redis_key(user), 0, last as isize);
        let head = within(self.wait, head).await?;
        Ok(head.first_chunk().and_then(FeedVersion::from_text))
    }

    /// Removes the user's feed; whether there was one.
    pub async fn remove(&self, user: UserId) -> Result<bool, RedisFault> {
        let mut connection = self.connection.clone();
        Ok(within(self.wait, connection.del::<_, u64>(redis_key(user))).await? > 0)
    }

    /// What trends in `window`; `None` if nothing does, or nobody said so for a minute.
    pub async fn trending(&self, window: TrendingWindow) -> Result<Option<Trending>, RedisFault> {
        let key = window.redis_key();
        let Some(bytes) = self.value(&key).await? else { return Ok(None) };
        let foreign = |poison| RedisFault::Refused(format!("{key}: {poison}"));
        Trending::decode(&bytes).map(Some).map_err(foreign)
    }

    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, RedisFault> {
        let mut connection = self.connection.clone();
        within(self.wait, connection.get::<_, Option<Vec<u8>>>(key)).await
    }

    /// Whether the server answers, for readiness.
    pub async fn ping(&self) -> Result<(), RedisFault> {
        let mut connection = self.connection.clone();
        within(self.wait, connection.ping::<()>()).await
    }
}
