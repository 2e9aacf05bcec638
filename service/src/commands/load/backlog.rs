//! What of the input the application has not committed yet, as Kafka has it: its group's offsets against the ends.

use millstream::TopicPartition;
use millstream::broker::{Broker, Code, Consumer, Failure, Isolation};
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, EVENTS, Topic as Declared,
};

const INPUTS: [Declared; 6] = [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, EVENTS];

/// Looks at the backlog of one application.
pub struct Backlog {
    consumer: Box<dyn Consumer>,
    partitions: Vec<TopicPartition>,
}

impl Backlog {
    /// The backlog of the input of `app`.
    pub fn of(broker: &dyn Broker, app: &str) -> Result<Self, String> {
        let open = || -> Result<_, Failure> {
            let topics = INPUTS.map(|topic| topic.name.into());
            let counts = broker.admin()?.partitions(&topics)?;
            Ok((broker.consumer(app, Isolation::ReadCommitted)?, counts))
        };
        let (consumer, counts) = open().map_err(|e| e.to_string())?;
        let mut partitions = Vec::new();
        for (topic, count) in INPUTS.iter().zip(counts) {
            let count = count.ok_or_else(|| format!("there is no topic {}", topic.name))?;
            partitions.extend((0..count).map(|number| TopicPartition::new(topic.name, number)));
        }
        Ok(Self { consumer, partitions })
    }

    /// How many records are not committed; none while a transaction is about to change that.
    pub fn records(&mut self) -> Result<Option<u64>, String> {
        let committed = match self.consumer.committed(&self.partitions) {
            Ok(committed) => committed,
            Err(failure) if failure.code == Code::UnstableOffsets => return Ok(None),
            Err(failure) => return Err(failure.to_string()),
        };
        let mut records = 0;
        for (partition, committed) in self.partitions.iter().zip(committed) {
            let bounds = self.consumer.bounds(partition).map_err(|e| e.to_string())?;
            let left = bounds.end.0 - committed.unwrap_or(bounds.start).0;
            records += u64::try_from(left).unwrap_or(0);
        }
        Ok(Some(records))
    }
}
