//! Applies a batch of feeds to Redis: each one wins over what is older, and yields to what is newer.
//!
//! A batch goes in one pipeline of `EVALSHA`; a server that has lost the script (it restarted) gets it again,
//! and then the whole batch once more, which the versions make harmless.

use std::time::Duration;

use ::redis::{ErrorKind, Pipeline, RedisError, Script, ServerErrorKind};
use millstream::broker::murmur2;
use schemas::{FeedVersion, Trending, TrendingWindow, UserId, Wire, redis_key};

use super::{Connection, RedisFault, connect, fault};

/// What a feed's key lives at least. Jitter of up to an eighth is added, so that keys written together do
/// not vanish together.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long a feed that is gone is remembered: longer than a late older write can be late.
const GONE_LIFE: Duration = Duration::from_secs(3600);

/// How long what trends is kept: it is written again every 20 s.
const TRENDING_LIFE: Duration = Duration::from_secs(60);

/// What follows the header of a feed that is gone.
const GONE: &[u8] = b"-";

/// One feed to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// Whose.
    pub user: UserId,
    /// Which publication; the newer wins.
    pub version: FeedVersion,
    /// The body; `None` for a feed that is gone.
    pub body: Option<&'a [u8]>,
}

impl Write<'_> {
    fn life(&self) -> Duration {
        let Some(_) = self.body else { return GONE_LIFE };
        LIFE + LIFE.mul_f64(f64::from(murmur2(&self.user.0) % 1024) / 8192.0)
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Written.
    pub written: u64,
    /// Not written: the same version, or a newer one, was there.
    pub older: u64,
}

/// Writes feeds.
pub struct Sink {
    connection: Connection,
    script: Script,
}

impl Sink {
    /// A sink on the server at `url`; it connects when it first writes. Call it inside a Tokio runtime.
    pub fn open(url: &str) -> Result<Self, RedisFault> {
        let connection = connect(url, Duration::from_secs(5))?;
        Ok(Self { connection, script: Script::new(include_str!("write.lua")) })
    }

    /// Applies every write, in order. After a fault none, some or all are applied; apply the batch again.
    pub async fn apply(&mut self, writes: &[Write<'_>]) -> Result<Applied, RedisFault> {
        if writes.is_empty() {
            return Ok(Applied::default());
        }
        let pipeline = self.pipeline(writes);
        let answers = match self.query(&pipeline).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(&mut self.connection).await.map_err(|e| fault(&e))?;
                self.query(&pipeline).await
            }
            answers => answers,
        };
        let answers = answers.map_err(|e| fault(&e))?;
        let written = answers.iter().filter(|answer| **answer == 1).count() as u64;
        Ok(Applied { written, older: answers.len() as u64 - written })
    }

    /// Writes what trends, each window under its own key, for a minute.
    pub async fn trending(&mut self, trending: &Trending) -> Result<(), RedisFault> {
        let mut pipeline = Pipeline::with_capacity(TrendingWindow::ALL.len());
        for window in TrendingWindow::ALL {
            let value = trending.only(window).to_bytes();
            pipeline.cmd("SET").arg(window.redis_key()).arg(value).arg("PX");
            pipeline.arg(TRENDING_LIFE.as_millis() as u64).ignore();
        }
        pipeline.query_async::<()>(&mut self.connection).await.map_err(|e| fault(&e))
    }

    async fn query(&mut self, pipeline: &Pipeline) -> Result<Vec<i64>, RedisError> {
        pipeline.query_async(&mut self.connection).await
    }

    fn pipeline(&self, writes: &[Write<'_>]) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(writes.len());
        for write in writes {
            pipeline
                .cmd("EVALSHA")
                .arg(self.script.get_hash())
                .arg(1)
                .arg(redis_key(write.user))
                .arg(write.version.text())
                .arg(write.body.unwrap_or(GONE))
                .arg(write.life().as_millis() as u64);
        }
        pipeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(user: u8) -> Write<'static> {
        let version = FeedVersion { feeds_epoch: 0, version: 1 };
        Write { user: UserId([user; 16]), version, body: Some(b"body") }
    }

    #[test]
    fn feeds_live_a_day_and_a_little_and_what_is_gone_an_hour() {
        let lives: Vec<_> = (0..50).map(|user| write(user).life()).collect();
        assert!(lives.iter().all(|life| (LIFE..LIFE + LIFE / 8).contains(life)));
        assert_ne!(lives[0], lives[1]);
        assert_eq!(Write { body: None, ..write(1) }.life(), GONE_LIFE);
    }
}
