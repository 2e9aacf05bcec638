//! Pours what happens in a generated world into where it would come from: rows into PostgreSQL, if there is one, and
//! as envelopes into `cdc.*`, unless a connector captures that PostgreSQL; events into `events`.
//!
//! The database is told first, as in life. Records go by murmur2 of their key, rows by primary key as Connect
//! has it and events by user. Log positions begin anew with each world, so topics that hold another one's
//! envelopes are refused: these would never be newer.

mod act;
mod envelope;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use connectors::postgres::{Rows, Write};
use connectors::table::Table;
use millstream::broker::{
    Bounds, Broker, Consumer, Failure, Isolation, OutRecord, Outgoing, Producer, Reaction,
    TopicIndex, classify, partition_of,
};
use millstream::{Headers, Timestamp, Topic, TopicPartition};
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, EVENTS, READS, Topic as Declared,
};
use schemas::{Read, UserId, Wire};
use tokio::runtime::Handle;

pub use act::{Act, Deed, Row};
use envelope::{Envelopes, Record};

const CDC: [Declared; 5] = [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES];
const TOPICS: [Declared; 7] =
    [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, EVENTS, READS];
const BATCH_MAX: usize = 2000;
const WAIT: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// PostgreSQL, and who waits for it.
pub struct Database {
    /// The five tables.
    pub rows: Rows,
    /// The runtime that the connection lives in.
    pub runtime: Handle,
    /// Who writes the envelopes of its rows.
    pub captured: Captured,
}

/// Who makes envelopes of the changes of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Captured {
    /// Whoever pours.
    Here,
    /// A connector that reads the database's log.
    ByConnector,
}

/// Pours acts.
pub struct Pour {
    producer: Box<dyn Producer>,
    partitions: Vec<i32>,
    envelopes: Envelopes,
    outgoing: Outgoing,
    database: Option<Database>,
}

impl Pour {
    /// Pours into `broker`, whose topics are there and hold no rows yet, and into `database`.
    pub fn open(broker: &dyn Broker, database: Option<Database>) -> Result<Self, String> {
        let topics: Arc<[Topic]> = TOPICS.iter().map(|topic| Topic::from(topic.name)).collect();
        let found = broker.admin().and_then(|mut admin| admin.partitions(&topics));
        let mut partitions = Vec::with_capacity(TOPICS.len());
        for (topic, count) in topics.iter().zip(found.map_err(|e| e.to_string())?) {
            partitions.push(count.ok_or_else(|| format!("there is no topic {topic}"))?);
        }
        refuse_used(broker, &partitions)?;
        let producer = broker.producer(None, topics).map_err(|e| e.to_string())?;
        let (envelopes, outgoing) = (Envelopes::after(0), Outgoing::default());
        Ok(Self { producer, partitions, envelopes, outgoing, database })
    }

    /// Pours `acts`, in their order; returns when all is acknowledged.
    pub fn acts(&mut self, acts: &[Act]) -> Result<(), String> {
        for acts in acts.chunks(BATCH_MAX) {
            self.send(acts)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Hands `acts` over, in their order; Kafka has not acknowledged what is on its way when it returns.
    pub fn send(&mut self, acts: &[Act]) -> Result<(), String> {
        let mut records = Vec::new();
        let mut captured = Captured::Here;
        if let Some(database) = &self.database {
            let changes: Vec<_> = acts.iter().filter_map(change).collect();
            let written = database.runtime.block_on(database.rows.write(&changes));
            written.map_err(|e| e.to_string())?;
            captured = database.captured;
        }
        let is_ours = |act: &&Act| captured == Captured::Here || matches!(act.deed, Deed::Event(_));
        acts.iter().filter(is_ours).for_each(|act| self.envelopes.push(act, &mut records));
        for Record { topic, key, value, at } in &records {
            self.push(*topic, *at, (key.as_bytes(), value.as_deref().map(str::as_bytes)));
        }
        let sent = self.producer.send(&self.outgoing).map_err(|e| e.to_string());
        self.outgoing.clear();
        sent
    }

    /// Waits until everything is acknowledged.
    pub fn flush(&mut self) -> Result<(), String> {
        self.producer.flush(WAIT).map(drop).map_err(|e| e.to_string())
    }

    /// Tells that `user` looked for a feed at `now` and found none.
    pub fn read(&mut self, user: UserId, now: i64) -> Result<(), String> {
        let read = Read { at_ms: now, miss: true, served: Vec::new() };
        self.push(READS, now, (&user.0, Some(&read.to_bytes())));
        self.send(&[])?;
        self.flush()
    }

    fn push(&mut self, topic: Declared, at: i64, (key, value): (&[u8], Option<&[u8]>)) {
        let place = TOPICS.iter().position(|known| *known == topic).unwrap_or_default();
        self.outgoing.push(OutRecord {
            topic: TopicIndex(u16::try_from(place).unwrap_or_default()),
            partition: partition_of(key, self.partitions.get(place).copied().unwrap_or(1)),
            logged: false,
            timestamp: Timestamp(at),
            key: Some(key),
            value,
            headers: Headers::default(),
        });
    }
}

/// What an act does to the tables, if anything.
fn change(act: &Act) -> Option<(Write, Table, String)> {
    let (write, row) = match &act.deed {
        Deed::Insert(row) => (Write::Insert, row),
        Deed::Update(_, row) => (Write::Update, row),
        Deed::Delete(row) => (Write::Delete, row),
        Deed::Event(_) => return None,
    };
    Some((write, envelope::table(row), envelope::image(row).to_string()))
}

fn refuse_used(broker: &dyn Broker, partitions: &[i32]) -> Result<(), String> {
    let consumer = broker.consumer("feedmill-pour", Isolation::ReadUncommitted);
    let mut consumer = consumer.map_err(|e| e.to_string())?;
    for (topic, count) in CDC.iter().zip(partitions) {
        for partition in 0..*count {
            let of = TopicPartition::new(topic.name, partition);
            let bounds = bounds(&mut *consumer, &of).map_err(|e| e.to_string())?;
            if bounds.end > bounds.start {
                return Err(format!(
                    "{of} holds records: rows of a generated world begin anew and would not be newer; \
                     delete the cdc.* topics, or give another cluster"
                ));
            }
        }
    }
    Ok(())
}

/// A partition that was created a moment ago may have no leader yet: asked until it has.
fn bounds(consumer: &mut dyn Consumer, of: &TopicPartition) -> Result<Bounds, Failure> {
    let began = Instant::now();
    loop {
        match consumer.bounds(of) {
            Err(failure) if classify(&failure) == Reaction::Retry && began.elapsed() < WAIT => {
                thread::sleep(ASK_AGAIN);
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream::broker::TopicSpec;
    use millstream::broker::embedded::Embedded;
    use millstream::{ManualClock, Offset};

    use super::*;
    use crate::demo::world::World;

    const NOW: i64 = 1_790_000_000_000;

    fn cluster() -> Embedded {
        let cluster = Embedded::new(Arc::new(ManualClock::at(Timestamp(NOW))));
        let spec = |topic: &Declared| TopicSpec {
            name: topic.name.into(),
            partitions: 3,
            cleanup: millstream::broker::Cleanup::Delete(None),
        };
        let specs: Vec<_> = TOPICS.iter().map(spec).collect();
        cluster.admin().unwrap().create(&specs).unwrap();
        cluster
    }

    fn lengths(cluster: &Embedded, topic: Declared) -> [i64; 3] {
        let mut consumer = cluster.consumer("look", Isolation::ReadUncommitted).unwrap();
        let mut end =
            |partition| consumer.bounds(&TopicPartition::new(topic.name, partition)).unwrap().end.0;
        [0, 1, 2].map(&mut end)
    }

    #[test]
    fn every_row_and_event_of_a_world_arrives_spread_over_the_partitions() {
        let (cluster, mut world) = (cluster(), World::new(7, 30));
        let acts = world.first(NOW);
        Pour::open(&cluster, None).unwrap().acts(&acts).unwrap();
        let found = TOPICS.map(|topic| lengths(&cluster, topic).iter().sum::<i64>());
        let mut records = Vec::new();
        let mut envelopes = Envelopes::after(0);
        acts.iter().for_each(|act| envelopes.push(act, &mut records));
        let expected = TOPICS
            .map(|topic| records.iter().filter(|record| record.topic == topic).count() as i64);
        assert_eq!(found, expected);
        assert!(lengths(&cluster, CDC_USERS).iter().all(|length| *length > 0));
    }

    #[test]
    fn a_row_lies_where_connect_would_have_put_it() {
        let (cluster, mut world) = (cluster(), World::new(7, 2));
        Pour::open(&cluster, None).unwrap().acts(&world.first(NOW)).unwrap();
        let mut consumer = cluster.consumer("look", Isolation::ReadUncommitted).unwrap();
        let from = [0, 1, 2].map(|n| (TopicPartition::new(CDC_USERS.name, n), Offset(0)));
        consumer.assign(&from).unwrap();
        let polled = consumer.poll(WAIT).unwrap();
        let places: Vec<_> = (polled.batches.iter())
            .flat_map(|batch| batch.iter().map(|record| (batch.source().partition, record)))
            .map(|(partition, record)| (partition, partition_of(record.key.unwrap(), 3)))
            .collect();
        assert!(!places.is_empty() && places.iter().all(|(found, expected)| found == expected));
    }

    #[test]
    fn topics_that_hold_another_worlds_rows_are_refused() {
        let (cluster, mut world) = (cluster(), World::new(7, 2));
        Pour::open(&cluster, None).unwrap().acts(&world.first(NOW)).unwrap();
        let refusal = Pour::open(&cluster, None).err().unwrap();
        assert!(refusal.starts_with("cdc.users-"), "{refusal}");
    }
}
