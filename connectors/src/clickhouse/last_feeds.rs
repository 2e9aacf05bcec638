//! The feeds of readers as they were published last, as far as the table `feeds` has them.

use std::collections::BTreeMap;

use ::clickhouse::Row;
use schemas::{FeedBody, FeedVersion, UserId};
use serde::Deserialize;
use uuid::Uuid;

use super::client::Client;
use super::feeds::FeedRow;
use super::{ClickHouseFault, ClickHouseSettings, while_it_answers};

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFeed {
    /// Which.
    pub version: FeedVersion,
    /// When, in ms UTC.
    pub published_at_ms: i64,
    /// The body; none if the feed is gone.
    pub body: Option<FeedBody>,
}

/// Asks for feeds.
#[derive(Clone)]
pub struct LastFeeds {
    client: Client,
}

#[derive(Debug, Row, Deserialize)]
struct Reader {
    #[serde(with = "::clickhouse::serde::uuid")]
    user_id: Uuid,
}

impl LastFeeds {
    /// Those of the database of these settings; nobody is asked yet.
    pub fn new(settings: &ClickHouseSettings) -> Self {
        Self { client: settings.client().with_database(&settings.database) }
    }

    /// Readers that have feeds, by chance that the seed decides.
    pub async fn readers(&self, seed: u64, count: u32) -> Result<Vec<Uuid>, ClickHouseFault> {
        let asked = self.client.query_raw(include_str!("readers.sql"));
        let asked = asked.param("seed", seed.to_string()).param("count", count);
        let asked = async { Ok(asked.fetch_all::<Reader>().await?) };
        let readers = while_it_answers(&self.client, asked).await?;
        Ok(readers.into_iter().map(|reader| reader.user_id).collect())
    }

    /// The last feeds of these users; nothing of who has none, and words where a row is none that we write.
    pub async fn of(
        &self,
        users: &[UserId],
    ) -> Result<BTreeMap<UserId, Result<PublishedFeed, String>>, ClickHouseFault> {
        let asked = self.client.query_raw(include_str!("last_feed.sql"));
        let users: Vec<_> = users.iter().map(UserId::to_string).collect();
        let asked = asked.param("users", users);
        let asked = async { Ok(asked.fetch_all::<FeedRow>().await?) };
        let found = while_it_answers(&self.client, asked).await?;
        Ok(found.into_iter().map(FeedRow::published).collect())
    }
}
