//! Makes rows of the records of a stretch, and inserts them at once.
//!
//! A stretch goes by one insert with one token, so that it is in its table whole or not at all, and once however often it
//! is sent. That holds as long as the server remembers the token. So one that may have been inserted already is looked for
//! in `events`; the other tables merge a row that comes twice, and take it without a token. What a record becomes is in a
//! file for each kind of record: [`super::events`], [`super::images`], [`super::feeds`], [`super::feedback`], [`super::lines`].

use std::sync::Arc;
use std::time::Duration;

use ::clickhouse::{Row, RowOwned, RowWrite};
use millstream::RawRecord;
use schemas::topic::{
    CDC_BLOCKS, CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_MUTES, CDC_POSTS, CDC_USERS, EVENTS,
    FEEDBACK, FEEDS, POSTS_LIVE, TRENDING,
};
use schemas::{Block, Comment, Follow, Like, Mute, Payload, Post, SchemaById, User, application};
use serde::Serialize;

use super::client::{Client, Insert};
use super::share::Share;
use super::stretch::Stretch;
use super::{ClickHouseFault, ClickHouseSettings};

/// How long a piece of an insert may take to leave, and how long the answer may take.
const SEND_MAX: Duration = Duration::from_secs(5);
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What became of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// Rows.
    pub(super) rows: u64,
    /// Records that are none: ingest has dead-lettered them, or they say nothing of a row.
    pub(super) none: u64,
}

impl Inserted {
    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, none: self.none + other.none }
    }
}

/// Why a stretch has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// For the server, or for whoever mends what it refuses.
    Server(ClickHouseFault),
    /// For a schema that the registry does not give now.
    Schema(String),
}

impl From<::clickhouse::error::Error> for Hold {
    fn from(error: ::clickhouse::error::Error) -> Self {
        Self::Server(error.into())
    }
}

/// How records are read: as ingest reads them.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Whoever knows the schemas of values in Avro.
    pub schemas: Arc<dyn SchemaById>,
    /// The configured `cdc.epoch`.
    pub cdc_epoch: u32,
    /// Longer ones are dead letters, undecoded.
    pub record_bytes_max: usize,
}

impl Reading {
    pub(super) fn takes(&self, record: &RawRecord<'_>) -> bool {
        let bytes = [record.key, record.value].map(|part| part.map_or(0, <[u8]>::len));
        bytes.iter().sum::<usize>() <= self.record_bytes_max
    }

    pub(super) fn read(&self, payload: &mut Payload, bytes: Option<&[u8]>) -> Result<(), Hold> {
        payload.fill(bytes.unwrap_or_default(), &*self.schemas).map_err(Hold::Schema)
    }
}

/// See the module.
#[derive(Clone)]
pub struct Sink {
    pub(super) client: Client,
    pub(super) reading: Reading,
    pub(super) share: Share,
}

impl Sink {
    /// A sink of all topics into the tables of a server.
    pub fn new(settings: &ClickHouseSettings, reading: Reading) -> Self {
        let client = settings
            .client()
            .with_database(&settings.database)
            // An insert that is answered before it is written would be lost by a crash.
            .with_setting("async_insert", "0")
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // A replay of 90 days is old and new at once.
            .with_setting("max_partitions_per_insert_block", "0");
        Self { client, reading, share: Share::all() }
    }

    /// The same of a share of the topics.
    pub fn of(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Inserts a stretch, which may be in its table already if it is doubtful.
    pub(super) async fn insert<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>> + Clone,
    ) -> Result<Inserted, Hold> {
        match application::declared(&stretch.of.topic) {
            topic if topic == EVENTS.name && is_doubtful => {
                self.missing_events(stretch, records).await
            }
            topic if topic == EVENTS.name => self.events(stretch, &stretch.token(), records).await,
            topic if topic == FEEDS.name => self.feeds(stretch, is_doubtful, records).await,
            topic if topic == FEEDBACK.name => self.feedback(stretch, is_doubtful, records).await,
            topic if topic == POSTS_LIVE.name => self.lines(stretch, is_doubtful, records).await,
            topic if topic == TRENDING.name => self.trending(stretch, is_doubtful, records).await,
            topic if topic == CDC_USERS.name => {
                self.images::<User>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_POSTS.name => {
                self.images::<Post>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_FOLLOWS.name => {
                self.images::<Follow>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_LIKES.name => {
                self.images::<Like>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_COMMENTS.name => {
                self.images::<Comment>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_MUTES.name => {
                self.images::<Mute>(stretch, is_doubtful, records).await
            }
            topic if topic == CDC_BLOCKS.name => {
                self.images::<Block>(stretch, is_doubtful, records).await
            }
            other => Err(Hold::Schema(format!("{other} has no table"))),
        }
    }

    /// An insert of a stretch into a table that merges rows that come twice: one that may be there already needs no token.
    pub(super) async fn begin_merging<T: Row>(
        &self,
        table: &str,
        (stretch, is_doubtful): (&Stretch, bool),
    ) -> Result<Insert<T>, Hold> {
        let token = (!is_doubtful).then(|| self.share.token(stretch.token()));
        self.begin(table, token.as_deref()).await
    }

    /// Inserts the rows that the records of a stretch make, into such a table.
    pub(super) async fn merge<T: RowOwned + RowWrite + Serialize>(
        &self,
        table: &str,
        of: (&Stretch, bool),
        rows: impl Iterator<Item = Result<Option<T>, Hold>>,
    ) -> Result<Inserted, Hold> {
        let mut insert = self.begin_merging::<T>(table, of).await?;
        let mut inserted = Inserted::default();
        for row in rows {
            match row? {
                Some(row) => {
                    insert.write(&row).await?;
                    inserted.rows += 1;
                }
                None => inserted.none += 1,
            }
        }
        insert.end().await?;
        Ok(inserted)
    }

    /// An insert that the server knows by `token`, or takes in any case.
    pub(super) async fn begin<T: Row>(
        &self,
        table: &str,
        token: Option<&str>,
    ) -> Result<Insert<T>, Hold> {
        let insert = self.client.insert::<T>(table).await?;
        let insert = insert.with_timeouts(SEND_MAX, ANSWER_MAX);
        Ok(match token {
            Some(token) => insert.with_setting("insert_deduplication_token", token),
            None => insert.with_setting("insert_deduplicate", "0"),
        })
    }
}
