//! Topics read from their beginnings to where they ended when they were opened, once.
//!
//! What is still open in a transaction then is not waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream::broker::{Bounds, Broker, Consumer, Failure, Flow, Isolation, Polled};
use millstream::{Exit, Topic, TopicPartition};
use schemas::topic::Topic as Declared;

use crate::failed::Failed;

const POLL: Duration = Duration::from_millis(200);

/// See the module.
pub struct LogReader {
    consumer: Box<dyn Consumer>,
    /// The partitions whose end was not reached.
    unread: BTreeSet<TopicPartition>,
    /// Where each began and ended.
    bounds: BTreeMap<TopicPartition, Bounds>,
    /// The topics whose first records are not there any more.
    cut: BTreeSet<&'static str>,
}

impl LogReader {
    /// Opens all partitions of these topics; `app` is what the client calls itself.
    pub fn open(broker: &dyn Broker, app: &str, topics: &[Declared]) -> Result<Self, Failed> {
        let names: Vec<_> = topics.iter().map(|topic| topic.name.into()).collect();
        let counts = broker.admin()?.partitions(&names)?;
        let mut reader = Self::of(broker.consumer(app, Isolation::ReadCommitted)?);
        for (topic, count) in topics.iter().zip(counts) {
            let missing = || {
                Failed(
                    Exit::Failed,
                    format!("there is no topic {}; `feedmill topics create` makes it", topic.name),
                )
            };
            let is_cut = reader.assign(&topic.name.into(), count.ok_or_else(missing)?)?;
            if is_cut {
                reader.cut.insert(topic.name);
            }
        }
        Ok(reader)
    }

    /// Opens all partitions of a topic that the contract names after the application; none if there is no such topic.
    pub fn of_one(broker: &dyn Broker, app: &str, topic: &Topic) -> Result<Option<Self>, Failed> {
        let counts = broker.admin()?.partitions(std::slice::from_ref(topic))?;
        let Some(partitions) = counts.first().copied().flatten() else { return Ok(None) };
        let mut reader = Self::of(broker.consumer(app, Isolation::ReadCommitted)?);
        reader.assign(topic, partitions)?;
        Ok(Some(reader))
    }

    fn of(consumer: Box<dyn Consumer>) -> Self {
        let (unread, bounds, cut) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        Self { consumer, unread, bounds, cut }
    }

    /// Answers whether its first records are not there any more.
    fn assign(&mut self, topic: &Topic, partitions: i32) -> Result<bool, Failure> {
        let mut is_cut = false;
        for partition in 0..partitions {
            let partition = TopicPartition::new(topic.clone(), partition);
            let bounds = self.consumer.bounds(&partition)?;
            is_cut |= bounds.start.0 > 0;
            self.consumer.assign(&[(partition.clone(), bounds.start)])?;
            self.unread.insert(partition.clone());
            self.bounds.insert(partition, bounds);
        }
        Ok(is_cut)
    }

    /// What has come; waits a little if nothing has.
    pub fn poll(&mut self) -> Result<Polled, Failed> {
        let polled = self.consumer.poll(POLL)?;
        for (ended, _) in &polled.ends {
            self.unread.remove(ended);
        }
        Ok(polled)
    }

    /// Whether all of it was read.
    pub fn is_at_end(&self) -> bool {
        self.unread.is_empty()
    }

    /// Those whose end was not reached.
    pub fn unread(&self) -> &BTreeSet<TopicPartition> {
        &self.unread
    }

    /// How many offsets there were to read: some of them have no record.
    pub fn offsets(&self) -> u64 {
        let of = |bounds: &Bounds| u64::try_from(bounds.end.0 - bounds.start.0).unwrap_or(0);
        self.bounds.values().map(of).sum()
    }

    /// Where each partition began and ended when it was opened.
    pub fn bounds(&self) -> &BTreeMap<TopicPartition, Bounds> {
        &self.bounds
    }

    /// The topics whose first records were deleted.
    pub fn cut(&self) -> &BTreeSet<&'static str> {
        &self.cut
    }

    /// Lets a partition wait, or go on.
    pub fn flow(&mut self, partition: &TopicPartition, flow: Flow) -> Result<(), Failed> {
        let one = std::slice::from_ref(partition);
        self.consumer.flow(one, flow).map_err(Failed::from)
    }
}
