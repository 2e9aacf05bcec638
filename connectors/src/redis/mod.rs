//! Redis: each reader's feed, one key, as the last publish left it.
//!
//! `feed:v1:<user>` holds 34 ASCII bytes that order (`F1`, the feeds epoch in 12 digits, the version in 20)
//! and then the body, or `-` for a feed that is gone. Only the [`Sink`] writes it, by a script that compares
//! the 34 bytes as text: Lua's numbers are doubles, and a version must not be rounded; an operator may remove it. Redis is a cache:
//! it may lose anything at any time, and a reader judges freshness by the body, not by the key's life. `metrics:daily:<day>`
//! is a copy of what ClickHouse has added up of a day: [`DailyCache`], `suggest:users:<user>` what was worked out: [`SuggestionCache`],
//! `limit:user:<user>` how much a user has asked: [`RateBuckets`].

mod cache;
mod connection;
mod daily_metrics;
mod rate_limit;
mod run;
mod sink;
mod suggestions;
mod vitals;

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, RedisResult};
use tokio::time::timeout;

pub use cache::{FeedCache, RedisFeed};
pub use connection::Connection;
pub use daily_metrics::DailyCache;
pub use rate_limit::RateBuckets;
pub use run::{Progress, Sinking, run};
pub use sink::{Applied, Sink, Write};
pub use suggestions::SuggestionCache;
pub use vitals::RedisVitals;

use crate::outage;

/// Why Redis did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisFault {
    /// No answer, or a broken connection: the same may be asked again.
    Unavailable(String),
    /// An answer that no retry changes: a wrong URL, a refused command, a value nobody of us wrote.
    Refused(String),
}

impl fmt::Display for RedisFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(words) => write!(f, "redis is unavailable: {words}"),
            Self::Refused(words) => write!(f, "redis refuses: {words}"),
        }
    }
}

impl std::error::Error for RedisFault {}

impl RedisFault {
    fn kind(&self) -> outage::Kind {
        match self {
            Self::Unavailable(_) => outage::Kind::Unavailable,
            Self::Refused(_) => outage::Kind::Refused,
        }
    }
}

/// A connection that is made when it is first used, and again whenever it broke.
///
/// `wait` bounds the answer to each command. A wrong URL is [`RedisFault::Refused`]; a server that is not
/// there is no fault yet.
pub fn connect(url: &str, wait: Duration) -> Result<Connection, RedisFault> {
    let refused = |e: ::redis::RedisError| RedisFault::Refused(e.to_string());
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(wait.max(Duration::from_millis(250))))
        .set_response_timeout(Some(wait))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(500));
    let client = Client::open(url).map_err(refused)?;
    ConnectionManager::new_lazy_with_config(client, config).map(Connection).map_err(refused)
}

/// What is asked, if it comes within `wait`; a connection by itself asks again.
async fn within<T>(
    wait: Duration,
    asked: impl Future<Output = RedisResult<T>>,
) -> Result<T, RedisFault> {
    let late = |_| RedisFault::Unavailable(format!("no answer in {} ms", wait.as_millis()));
    timeout(wait, asked).await.map_err(late)?.map_err(|e| fault(&e))
}

/// Whether `url` can name a server; nobody is asked. The words of the fault do not repeat the URL.
pub fn check_url(url: &str) -> Result<(), String> {
    Client::open(url).map(drop).map_err(|e| e.to_string())
}

fn fault(error: &::redis::RedisError) -> RedisFault {
    let words = error.to_string();
    let passing = error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal();
    // A server that loads, fails over or is out of memory says so with a code; it may get well.
    let unwell =
        matches!(error.code(), Some("LOADING" | "OOM" | "MASTERDOWN" | "READONLY" | "BUSY"));
    if passing || unwell { RedisFault::Unavailable(words) } else { RedisFault::Refused(words) }
}
