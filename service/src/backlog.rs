//! What a group has not committed yet of some topics, as Kafka has it: its offsets against the ends.

use millstream::broker::{Bounds, Broker, Code, Consumer, Failure, Isolation};
use millstream::{Ended, Exit, Topic, TopicPartition};
use schemas::topic::Topic as Declared;

/// Looks at the backlog of one group.
pub struct Backlog {
    consumer: Box<dyn Consumer>,
    partitions: Vec<TopicPartition>,
}

impl Backlog {
    /// The backlog of `group` in these topics.
    pub fn of(broker: &dyn Broker, group: &str, topics: &[Declared]) -> Result<Self, Ended> {
        let names: Vec<_> = topics.iter().map(|topic| topic.name.into()).collect();
        Self::in_topics(broker, group, &names)
    }

    /// The same, of topics by their names.
    pub fn in_topics(broker: &dyn Broker, group: &str, topics: &[Topic]) -> Result<Self, Ended> {
        let open = || -> Result<_, Failure> {
            let counts = broker.admin()?.partitions(topics)?;
            Ok((broker.consumer(group, Isolation::ReadCommitted)?, counts))
        };
        let (consumer, counts) = open().map_err(|failure| ended(&failure))?;
        let mut partitions = Vec::new();
        for (topic, count) in topics.iter().zip(counts) {
            let missing =
                || Ended { exit: Exit::Failed, why: format!("there is no topic {topic}") };
            let count = count.ok_or_else(missing)?;
            partitions.extend((0..count).map(|number| TopicPartition::new(topic.clone(), number)));
        }
        Ok(Self { consumer, partitions })
    }

    /// How many records are not committed; none while a transaction is about to change that.
    pub fn records(&mut self) -> Result<Option<u64>, Ended> {
        let now = self.bounds()?;
        self.before(&now)
    }

    /// Where the topics begin and end now.
    pub fn bounds(&mut self) -> Result<Vec<Bounds>, Ended> {
        let Self { consumer, partitions } = self;
        let bounds = partitions.iter().map(|of| consumer.bounds(of)).collect::<Result<_, _>>();
        bounds.map_err(|failure| ended(&failure))
    }

    /// How many records before these ends are not committed; none while a transaction is about to change that.
    pub fn before(&mut self, ends: &[Bounds]) -> Result<Option<u64>, Ended> {
        let committed = match self.consumer.committed(&self.partitions) {
            Ok(committed) => committed,
            Err(failure) if failure.code == Code::UnstableOffsets => return Ok(None),
            Err(failure) => return Err(ended(&failure)),
        };
        let left = ends.iter().zip(committed).map(|(bounds, committed)| {
            u64::try_from(bounds.end.0 - committed.unwrap_or(bounds.start).0).unwrap_or(0)
        });
        Ok(Some(left.sum()))
    }
}

fn ended(failure: &Failure) -> Ended {
    Ended { exit: failure.exit(), why: failure.to_string() }
}
