//! Reads one user's feed back, within a time that a request can afford.

use std::time::Duration;

use ::redis::AsyncCommands;
use ::redis::aio::ConnectionManager;
use tokio::time::timeout;

use super::{RedisFault, connect, fault, feed_key};

const HEADER_BYTES: usize = 34;

/// A feed as Redis holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisFeed {
    /// The epoch of the log it comes from.
    pub epoch: u64,
    /// The reader's publish sequence.
    pub version: u64,
    /// The body; `None` if the feed is gone.
    pub body: Option<Vec<u8>>,
}

impl RedisFeed {
    /// Reads a key's value; `None` if nobody of us wrote it.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Option<Self> {
        let text = std::str::from_utf8(bytes.get(..HEADER_BYTES)?).ok()?;
        let digits = text.strip_prefix("F1")?;
        let (epoch, version) = digits.split_at_checked(12)?;
        let (epoch, version) = (epoch.parse().ok()?, version.parse().ok()?);
        bytes.drain(..HEADER_BYTES);
        Some(Self { epoch, version, body: (bytes != b"-").then_some(bytes) })
    }
}

/// Asks Redis for feeds.
#[derive(Clone)]
pub struct Reader {
    connection: ConnectionManager,
    wait: Duration,
}

impl Reader {
    /// A reader on the server at `url` that waits at most `wait` for an answer.
    pub fn open(url: &str, wait: Duration) -> Result<Self, RedisFault> {
        Ok(Self { connection: connect(url, wait)?, wait })
    }

    /// The user's feed; `None` if there is none. Late is [`RedisFault::Unavailable`].
    pub async fn feed(&self, user: [u8; 16]) -> Result<Option<RedisFeed>, RedisFault> {
        let mut connection = self.connection.clone();
        let asked = timeout(self.wait, connection.get::<_, Option<Vec<u8>>>(feed_key(user)));
        let late = |_| RedisFault::Unavailable(format!("no answer in {} ms", self.wait.as_millis()));
        let Some(bytes) = asked.await.map_err(late)?.map_err(|e| fault(&e))? else {
            return Ok(None);
        };
        let foreign = || RedisFault::Refused(format!("{} is no feed of ours", feed_key(user)));
        RedisFeed::from_bytes(bytes).map(Some).ok_or_else(foreign)
    }

    /// Whether the server answers, for readiness.
    pub async fn ping(&self) -> Result<(), RedisFault> {
        let mut connection = self.connection.clone();
        let late = |_| RedisFault::Unavailable(format!("no answer in {} ms", self.wait.as_millis()));
        timeout(self.wait, connection.ping::<()>()).await.map_err(late)?.map_err(|e| fault(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_header_and_a_body_or_a_dash() {
        let header = format!("F1{:012}{:020}", 2, 70).into_bytes();
        let value = |body: &[u8]| RedisFeed::from_bytes([&header, body].concat());
        let feed = RedisFeed { epoch: 2, version: 70, body: Some(b"xyz".to_vec()) };
        assert_eq!(value(b"xyz"), Some(feed.clone()));
        assert_eq!(value(b"-"), Some(RedisFeed { body: None, ..feed }));
    }

    #[test]
    fn what_nobody_of_us_wrote_is_no_feed() {
        for bytes in [&b""[..], b"F1", b"hello", &[0xff; 40], b"F2000000000002000000000000000000070x"] {
            assert_eq!(RedisFeed::from_bytes(bytes.to_vec()), None);
        }
    }
}
