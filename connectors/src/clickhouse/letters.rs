//! Records that ClickHouse does not take, on their way to the dead letters.
//!
//! A letter is acknowledged before the position moves behind its record. After a crash between the two it is sent again:
//! twice told is better than lost.

use std::time::Duration;

use millstream::broker::{Failure, Outgoing, Producer, TopicIndex};
use millstream::dead_letter::Reason;
use millstream::{Clock, DeadLetter, RawRecord, SystemClock, TopicPartition};

/// Who gives them up, as their header says.
pub const LETTERS_NODE: &str = "clickhouse";
/// How long Kafka may take to acknowledge one.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// See the module.
pub struct Letters {
    producer: Box<dyn Producer>,
    partitions: i32,
    out: Outgoing,
}

impl Letters {
    /// By a producer whose only topic is that of the dead letters, which has so many partitions.
    pub fn new(producer: Box<dyn Producer>, partitions: i32) -> Self {
        Self { producer, partitions, out: Outgoing::default() }
    }

    /// Sends one, and waits until Kafka has it.
    pub(super) fn send(
        &mut self,
        source: &TopicPartition,
        record: RawRecord<'_>,
        error: &str,
    ) -> Result<(), Failure> {
        self.out.clear();
        let letter =
            DeadLetter { source, record, node: LETTERS_NODE, reason: Reason::Refused, error };
        letter.send((TopicIndex(0), self.partitions), SystemClock.now(), &mut self.out);
        self.producer.send(&self.out)?;
        self.producer.flush(ACKNOWLEDGED_WITHIN).map(drop)
    }
}
