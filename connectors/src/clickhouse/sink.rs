//! Makes rows of the records of a stretch, and inserts them at once.
//!
//! A stretch goes by one insert with one token, so that it is in its table whole or not at all, and once however often it
//! is sent. That holds as long as the server remembers the token; so one that may have been inserted already is
//! looked for first, in `events`, and what is missing is inserted. The other tables merge a row that comes twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::clickhouse::insert::Insert;
use ::clickhouse::{Client, Row};
use millstream::RawRecord;
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, EVENTS, FEEDS, POSTS_LIVE,
    TRENDING, Topic,
};
use schemas::{
    Cdc, Change, Comment, Event, FEEDS_EPOCH, FeedBody, FeedVersion, Follow, Like, Payload, Post,
    SchemaById, User, UserId, VERSION, Wire,
};

use super::event_row::{EventRow, Place};
use super::feed_row::FeedRow;
use super::image_row::{Imaged, columns};
use super::line_row::{LineRow, TrendingRow};
use super::stretch::Stretch;
use super::{ClickHouseFault, ClickHouseSettings, time, within};

/// How long a piece of an insert may take to leave, and how long the answer may take.
const SEND_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What becomes rows.
pub(super) const TOPICS: [Topic; 9] = [
    CDC_USERS,
    CDC_POSTS,
    CDC_FOLLOWS,
    CDC_COMMENTS,
    CDC_LIKES,
    EVENTS,
    FEEDS,
    POSTS_LIVE,
    TRENDING,
];

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
    fn takes(&self, record: &RawRecord<'_>) -> bool {
        let bytes = [record.key, record.value].map(|part| part.map_or(0, <[u8]>::len));
        bytes.iter().sum::<usize>() <= self.record_bytes_max
    }

    fn read(&self, payload: &mut Payload, bytes: Option<&[u8]>) -> Result<(), Hold> {
        payload.fill(bytes.unwrap_or_default(), &*self.schemas).map_err(Hold::Schema)
    }
}

/// See the module.
#[derive(Clone)]
pub struct Sink {
    client: Client,
    reading: Reading,
}

impl Sink {
    /// A sink into the tables of a server.
    pub fn new(settings: &ClickHouseSettings, reading: Reading) -> Self {
        let client = settings
            .client()
            .with_database(&settings.database)
            // An insert that is answered before it is written would be lost by a crash.
            .with_setting("async_insert", "0")
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // A replay of 90 days is old and new at once.
            .with_setting("max_partitions_per_insert_block", "0");
        Self { client, reading }
    }

    /// Inserts a stretch, which may be in its table already if it is doubtful.
    pub(super) async fn insert<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>> + Clone,
    ) -> Result<Inserted, Hold> {
        match &*stretch.of.topic {
            topic if topic == EVENTS.name && is_doubtful => {
                self.missing_events(stretch, records).await
            }
            topic if topic == EVENTS.name => self.events(stretch, &stretch.token(), records).await,
            topic if topic == FEEDS.name => self.feeds(stretch, is_doubtful, records).await,
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
            other => Err(Hold::Schema(format!("{other} has no table"))),
        }
    }

    /// An insert that the server knows by `token`, or takes in any case.
    async fn begin<T: Row>(&self, table: &str, token: Option<&str>) -> Result<Insert<T>, Hold> {
        let insert = self.client.insert::<T>(table).await?;
        let insert = insert.with_timeouts(Some(SEND_MAX), Some(ANSWER_MAX));
        Ok(match token {
            Some(token) => insert.with_setting("insert_deduplication_token", token),
            None => insert.with_setting("insert_deduplicate", "0"),
        })
    }

    async fn events<'r>(
        &self,
        stretch: &Stretch,
        token: &str,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let mut insert = self.begin::<EventRow<'_>>(EVENTS.name, Some(token)).await?;
        let (mut inserted, mut payload) = (Inserted::default(), Payload::default());
        for record in records {
            if !self.reading.takes(&record) {
                inserted.none += 1;
                continue;
            }
            self.reading.read(&mut payload, record.value)?;
            let place = Place {
                partition: stretch.of.partition,
                offset: record.offset.0,
                at_ms: record.timestamp.0,
            };
            match event(&payload, &record) {
                Some((event, trace)) => {
                    insert.write(&EventRow::of(&event, &trace, place)).await?;
                    inserted.rows += 1;
                }
                None => inserted.none += 1,
            }
        }
        insert.end().await?;
        Ok(inserted)
    }

    /// Inserts what is missing of a stretch of events. One that is there whole, or not at all, is sent again under its token: an
    /// insert of it may still be on its way, and what views make of it may be missing. After that the server may still know
    /// the token of an insert whose rows it lost.
    async fn missing_events<'r>(
        &self,
        stretch: &Stretch,
        records: impl Iterator<Item = RawRecord<'r>> + Clone,
    ) -> Result<Inserted, Hold> {
        let found = self.found(stretch).await?;
        let missing = |found: HashSet<(u64, i64)>| {
            records.clone().filter(move |record| !found.contains(&place(record)))
        };
        let inserted = if found.is_empty() || found.len() == self.count_events(records.clone())? {
            self.events(stretch, &stretch.token(), records.clone()).await?
        } else {
            let token = format!("{} but {}", stretch.token(), found.len());
            self.events(stretch, &token, missing(found)).await?
        };
        let lost = missing(self.found(stretch).await?);
        let lost = self.events(stretch, &format!("{} again", stretch.token()), lost).await?;
        if lost.rows > 0 {
            tracing::warn!(%stretch, rows = lost.rows, "clickhouse had lost rows of an insert");
        }
        Ok(inserted)
    }

    fn count_events<'r>(
        &self,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<usize, Hold> {
        let (mut count, mut payload) = (0, Payload::default());
        for record in records.filter(|record| self.reading.takes(record)) {
            self.reading.read(&mut payload, record.value)?;
            count += usize::from(event(&payload, &record).is_some());
        }
        Ok(count)
    }

    /// The records of a stretch that are rows of `events`.
    async fn found(&self, stretch: &Stretch) -> Result<HashSet<(u64, i64)>, Hold> {
        let asked = self.client.query(include_str!("inserted.sql"));
        let asked = asked.bind(stretch.of.partition).bind(stretch.from.0).bind(stretch.to.0);
        let found = within(ANSWER_MAX, asked.fetch_all::<(u64, i64)>()).await;
        Ok(found.map_err(Hold::Server)?.into_iter().collect())
    }

    async fn feeds<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let (newest, none) = newest(records);
        let token = (!is_doubtful).then(|| stretch.token());
        let mut insert = self.begin::<FeedRow>(FEEDS.name, token.as_deref()).await?;
        let mut row = FeedRow::default();
        let rows = newest.len() as u64;
        for (user, (version, at_ms, body)) in newest {
            row.fill((user, version), at_ms, body.as_ref());
            insert.write(&row).await?;
        }
        insert.end().await?;
        Ok(Inserted { rows, none })
    }

    async fn lines<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let token = (!is_doubtful).then(|| stretch.token());
        let mut insert = self.begin::<LineRow>("post_lines", token.as_deref()).await?;
        let mut inserted = Inserted::default();
        for record in records {
            match LineRow::of(&record) {
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

    /// The last record has all lists.
    async fn trending<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let token = (!is_doubtful).then(|| stretch.token());
        let Some(last) = records.last() else { return Ok(Inserted::default()) };
        let Some(rows) = TrendingRow::of(&last) else { return Ok(Inserted { rows: 0, none: 1 }) };
        let mut insert = self.begin::<TrendingRow>(TRENDING.name, token.as_deref()).await?;
        for row in &rows {
            insert.write(row).await?;
        }
        insert.end().await?;
        Ok(Inserted { rows: rows.len() as u64, none: 0 })
    }

    async fn images<'r, R: Imaged>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let token = (!is_doubtful).then(|| stretch.token());
        let mut insert = self.begin::<R::Columns>(R::TABLE, token.as_deref()).await?;
        let (mut key, mut value) = (Payload::default(), Payload::default());
        let mut inserted = Inserted::default();
        for record in records {
            if !self.reading.takes(&record) {
                inserted.none += 1;
                continue;
            }
            self.reading.read(&mut key, record.key)?;
            self.reading.read(&mut value, record.value)?;
            let key = record.key.map(|_| &key);
            let change = change::<R>((key, record.value.map(|_| &value)), record.timestamp.0);
            match change.and_then(|change| columns(&change, self.reading.cdc_epoch)) {
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
}

/// How a row of `events` names its record.
fn place(record: &RawRecord<'_>) -> (u64, i64) {
    (record.offset.0.cast_unsigned(), time(record.timestamp.0))
}

/// The event of a record, if ingest takes it for one too.
fn event<'p>(payload: &'p Payload, record: &RawRecord<'_>) -> Option<(Event, schemas::Trace<'p>)> {
    let (event, trace) = Event::decode_with_trace(payload).ok()?;
    event.implausible(record.timestamp.0).is_none().then_some((event, trace))
}

/// The change that a record of `record_ms` is, if ingest takes it for one too.
fn change<R: Imaged>(
    (key, value): (Option<&Payload>, Option<&Payload>),
    record_ms: i64,
) -> Option<Change<R>> {
    match Cdc::<R>::decode(key, value) {
        Ok(Cdc::Change(change)) => change.implausible(record_ms).is_none().then_some(change),
        Ok(Cdc::Tombstone | Cdc::Message) | Err(_) => None,
    }
}

type Feed = (FeedVersion, i64, Option<FeedBody>);

/// The newest feed of each reader, with its time; and how many records are no feeds.
fn newest<'r>(records: impl Iterator<Item = RawRecord<'r>>) -> (BTreeMap<UserId, Feed>, u64) {
    let (mut newest, mut none) = (BTreeMap::<UserId, Feed>::new(), 0);
    for record in records {
        let Some((user, feed)) = feed(&record) else {
            none += 1;
            continue;
        };
        let held = newest.entry(user).or_insert_with(|| feed.clone());
        if held.0 <= feed.0 {
            *held = feed;
        }
    }
    (newest, none)
}

fn feed(record: &RawRecord<'_>) -> Option<(UserId, Feed)> {
    let headers = record.headers;
    let user = UserId::decode(record.key?).ok()?;
    let version = FeedVersion::from_headers(headers.last(FEEDS_EPOCH), headers.last(VERSION));
    let body = record.value.map(FeedBody::decode).transpose().ok()?;
    Some((user, (version.ok()?, record.timestamp.0, body)))
}
