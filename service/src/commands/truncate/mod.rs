//! Deletes here what a TRUNCATE deleted in the database, whose log told of it in one record that names no row.
//!
//! 1. The topic of the table, which is kept for ever, is read to where it ended at the start; what it says of each row is
//!    [`Rows`].
//! 2. Each row that is live by it, and older than the TRUNCATE, gets a delete at the position of the TRUNCATE, in the
//!    partition and under the key of its own records.
//!
//! State, ClickHouse and whoever reads the topic again take it for any other delete: a row that came after the TRUNCATE is
//! newer, and stays. So it may be repeated, and done while workers and the connector run. The live rows of the table are
//! held in memory meanwhile, some 200 bytes each. Positions are compared as they stand: those of a database that was restored
//! from a backup since (`cdc.epoch` was raised then) begin again, and rows of before with higher ones are left.

mod deletion;
mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Failure, OutRecord, Outgoing, TopicIndex};
use millstream::{Clock, Exit, Headers, SystemClock, Topic};
use schemas::topic::{self, Topic as Declared};
use schemas::{Block, Comment, Follow, Like, Mute, Payload, Post, User};

use super::known_schemas::KnownSchemas;
use super::log_reader::LogReader;
use crate::cli::{CapturedTable, Truncate};
use crate::config::Config;
use crate::failed::Failed;
use deletion::{Deletable, deletion};
use rows::{Place, Rows};

const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
const BATCH_MAX: usize = 2_000;

/// Deletes the rows of the table that was asked for, or only counts them.
pub fn run(broker: &dyn Broker, config: &Config, asked: &Truncate) -> Result<String, Failed> {
    let truncation =
        Truncation { broker, asked, app: &config.app, schemas: KnownSchemas::open(config)? };
    match asked.table {
        CapturedTable::Users => truncation.of::<User>(topic::CDC_USERS),
        CapturedTable::Posts => truncation.of::<Post>(topic::CDC_POSTS),
        CapturedTable::Follows => truncation.of::<Follow>(topic::CDC_FOLLOWS),
        CapturedTable::Comments => truncation.of::<Comment>(topic::CDC_COMMENTS),
        CapturedTable::Likes => truncation.of::<Like>(topic::CDC_LIKES),
        CapturedTable::Mutes => truncation.of::<Mute>(topic::CDC_MUTES),
        CapturedTable::Blocks => truncation.of::<Block>(topic::CDC_BLOCKS),
    }
}

/// What is to be done, and with what.
struct Truncation<'a> {
    broker: &'a dyn Broker,
    asked: &'a Truncate,
    app: &'a str,
    schemas: KnownSchemas,
}

impl Truncation<'_> {
    fn of<R: Deletable>(&self, topic: Declared) -> Result<String, Failed> {
        let (rows, read) = self.read::<R>(topic)?;
        if !self.asked.force && !rows.truncated_at.contains(&self.asked.lsn) {
            return Err(Failed(Exit::Mismatch, self.unknown(topic, &rows.truncated_at)));
        }
        let older = rows.older_than(self.asked.lsn).count();
        if !self.asked.dry_run {
            self.delete(topic, &rows).map_err(|failure| at(topic, &failure))?;
        }
        let what = if self.asked.dry_run { "would be deleted" } else { "deleted" };
        Ok(format!("{}: {read} records, {older} rows {what}\n", topic.name))
    }

    /// What is said of a position at which the topic tells of no TRUNCATE: rows that are there would be deleted by it.
    fn unknown(&self, topic: Declared, known: &BTreeSet<u64>) -> String {
        let known: Vec<_> = known.iter().map(u64::to_string).collect();
        let told = match known.is_empty() {
            true => "it tells of none".to_owned(),
            false => format!("those that it tells of: {}", known.join(", ")),
        };
        let Truncate { lsn, .. } = self.asked;
        format!(
            "{} tells of no TRUNCATE at {lsn}; {told}; --force if it was cut off since",
            topic.name
        )
    }

    /// Reads the topic to its end; tells how many records it has too.
    fn read<R: Deletable>(&self, topic: Declared) -> Result<(Rows<R>, u64), Failed> {
        let mut log = LogReader::open(self.broker, self.app, &[topic])?;
        let (mut rows, mut read) = (Rows::default(), 0);
        let (mut key, mut value) = (Payload::default(), Payload::default());
        while !log.is_at_end() {
            for batch in &log.poll()?.batches {
                for record in batch.iter() {
                    read += 1;
                    self.schemas.fill(&mut key, record.key)?;
                    self.schemas.fill(&mut value, record.value)?;
                    let place = Place { partition: batch.source().partition, key: record.key };
                    rows.take(place, record.key.map(|_| &key), record.value.map(|_| &value));
                }
            }
        }
        Ok((rows, read))
    }

    fn delete<R: Deletable>(&self, topic: Declared, rows: &Rows<R>) -> Result<(), Failure> {
        let topics: Arc<[Topic]> = Arc::from([Topic::from(topic.name)]);
        let mut producer = self.broker.producer(None, topics)?;
        let (mut outgoing, now) = (Outgoing::default(), SystemClock.now());
        let older: Vec<_> = rows.older_than(self.asked.lsn).collect();
        for rows in older.chunks(BATCH_MAX) {
            outgoing.clear();
            for row in rows {
                outgoing.push(OutRecord {
                    topic: TopicIndex(0),
                    partition: row.partition,
                    logged: false,
                    timestamp: now,
                    key: row.key.as_deref(),
                    value: Some(deletion(&row.image, (self.asked.lsn, now.0)).as_bytes()),
                    headers: Headers::default(),
                });
            }
            producer.send(&outgoing)?;
            producer.flush(ACKNOWLEDGED_WITHIN)?;
        }
        Ok(())
    }
}

fn at(topic: Declared, failure: &Failure) -> Failed {
    Failed(failure.exit(), format!("{}: {failure}", topic.name))
}
