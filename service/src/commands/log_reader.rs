//! Topics read from their beginnings to where they ended when they were opened, once.
//!
//! What is still open in a transaction then is not waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::broker::{Broker, Consumer, Failure, Flow, Isolation, Polled};
use millstream::{Exit, TopicPartition};
use schemas::topic::Topic as Declared;

use crate::failed::Failed;

const POLL: Duration = Duration::from_millis(200);

/// See the module.
pub struct LogReader {
    consumer: Box<dyn Consumer>,
    /// The partitions whose end was not reached.
    unread: BTreeSet<TopicPartition>,
    /// How many offsets lie between their beginnings and ends: some of them have no record.
    offsets: u64,
    /// The topics whose first records are not there any more.
    cut: BTreeSet<&'static str>,
}

impl LogReader {
    /// Opens all partitions of these topics; `app` is what the client calls itself.
    pub fn open(broker: &dyn Broker, app: &str, topics: &[Declared]) -> Result<Self, Failed> {
        let names: Vec<_> = topics.iter().map(|topic| topic.name.into()).collect();
        let opened = || -> Result<_, Failure> {
            let counts = broker.admin()?.partitions(&names)?;
            Ok((broker.consumer(app, Isolation::ReadCommitted)?, counts))
        };
        let (consumer, counts) = opened().map_err(|failure| failed(&failure))?;
        let mut reader =
            Self { consumer, unread: BTreeSet::new(), offsets: 0, cut: BTreeSet::new() };
        for (topic, count) in topics.iter().zip(counts) {
            let missing = || {
                Failed(
                    Exit::Failed,
                    format!("there is no topic {}; `feedmill topics create` makes it", topic.name),
                )
            };
            reader
                .assign(*topic, count.ok_or_else(missing)?)
                .map_err(|failure| failed(&failure))?;
        }
        Ok(reader)
    }

    fn assign(&mut self, topic: Declared, partitions: i32) -> Result<(), Failure> {
        for partition in 0..partitions {
            let partition = TopicPartition::new(topic.name, partition);
            let bounds = self.consumer.bounds(&partition)?;
            if bounds.start.0 > 0 {
                self.cut.insert(topic.name);
            }
            self.offsets += u64::try_from(bounds.end.0 - bounds.start.0).unwrap_or(0);
            self.consumer.assign(&[(partition.clone(), bounds.start)])?;
            self.unread.insert(partition);
        }
        Ok(())
    }

    /// What has come; waits a little if nothing has.
    pub fn poll(&mut self) -> Result<Polled, Failed> {
        let polled = self.consumer.poll(POLL).map_err(|failure| failed(&failure))?;
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

    /// How many offsets there were to read.
    pub fn offsets(&self) -> u64 {
        self.offsets
    }

    /// The topics whose first records were deleted.
    pub fn cut(&self) -> &BTreeSet<&'static str> {
        &self.cut
    }

    /// Lets a partition wait, or go on.
    pub fn flow(&mut self, partition: &TopicPartition, flow: Flow) -> Result<(), Failed> {
        let one = std::slice::from_ref(partition);
        self.consumer.flow(one, flow).map_err(|failure| failed(&failure))
    }
}

fn failed(failure: &Failure) -> Failed {
    Failed(failure.exit(), failure.to_string())
}
