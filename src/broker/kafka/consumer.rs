//! The assign-only reader.
//!
//! It keeps its own position in every partition and never trusts librdkafka's: in 2.12.1 a batch that holds an end
//! moves the position one past it (librdkafka #4844), and a resume would skip the next record. So a partition is
//! resumed by assigning it anew where this reader stands.

use std::time::Duration;

use super::fetch::{Fetch, ReadPosition, ReadPositions};
use super::ffi::{Client, Kind, List, OffsetSpec, Queue};
use super::settings::KafkaSettings;
use crate::broker::{Bounds, Call, Code, Consumer, Failure, Flow, Isolation, Polled};
use crate::record::{Offset, TopicPartition};

/// How long the group's offsets may stay unstable, or a log's bounds unknown, before the caller hears of it: who asks is
/// opening tasks, asks again, and must see meanwhile that it is to stop.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// An assign-only consumer.
#[derive(Debug)]
pub(super) struct KafkaConsumer {
    queue: Queue,
    client: Client,
    positions: ReadPositions,
    isolation: Isolation,
    /// The failure that came with the last fetch; the next poll answers it, so that no record is lost.
    failed: Option<Failure>,
}

impl KafkaConsumer {
    pub(super) fn open(
        settings: &KafkaSettings,
        group: &str,
        isolation: Isolation,
    ) -> Result<Self, Failure> {
        let client = Client::open(Kind::Consumer, &settings.consumer(group, isolation))?;
        Ok(Self {
            queue: Queue::of(&client)?,
            client,
            positions: ReadPositions::new(),
            isolation,
            failed: None,
        })
    }

    /// Takes away those of `partitions` that are assigned.
    fn take_away<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), Failure> {
        let assigned: Vec<_> = partitions
            .into_iter()
            .filter_map(|of| Some((of, self.positions.get(of)?.paused)))
            .collect();
        // librdkafka keeps a partition's pause beyond its assignment.
        let paused = assigned.iter().filter(|(_, paused)| *paused);
        let paused: Vec<_> = paused.map(|(of, _)| (*of, OffsetSpec::Unset)).collect();
        if !paused.is_empty() {
            self.client.resume(&List::new(Call::Assign, paused)?)?;
        }
        if !assigned.is_empty() {
            let assigned = assigned.iter().map(|(of, _)| (*of, OffsetSpec::Unset));
            self.client.unassign(&List::new(Call::Assign, assigned)?)?;
        }
        Ok(())
    }

    /// Starts these partitions, none of which is assigned to librdkafka.
    fn start(&mut self, from: &[(TopicPartition, ReadPosition)]) -> Result<(), Failure> {
        if from.is_empty() {
            return Ok(());
        }
        let places = from.iter().map(|(of, position)| (of, OffsetSpec::At(position.next)));
        self.client.assign(&List::new(Call::Assign, places)?)?;
        self.positions.extend(from.iter().cloned());
        Ok(())
    }
}

impl Consumer for KafkaConsumer {
    fn assign(&mut self, from: &[(TopicPartition, Offset)]) -> Result<(), Failure> {
        self.take_away(from.iter().map(|(of, _)| of))?;
        let position = |next| ReadPosition { next, ended: None, paused: false };
        let from: Vec<_> = from.iter().map(|(of, next)| (of.clone(), position(*next))).collect();
        self.start(&from)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        self.take_away(partitions)?;
        for of in partitions {
            self.positions.remove(of);
        }
        Ok(())
    }

    fn flow(&mut self, partitions: &[TopicPartition], flow: Flow) -> Result<(), Failure> {
        let to_pause = flow == Flow::Paused;
        let changed: Vec<_> = partitions
            .iter()
            .filter_map(|of| Some((of.clone(), *self.positions.get(of)?)))
            .filter(|(_, position)| position.paused != to_pause)
            .map(|(of, position)| (of, ReadPosition { paused: to_pause, ..position }))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        match flow {
            Flow::Paused => {
                let list = changed.iter().map(|(of, _)| (of, OffsetSpec::Unset));
                self.client.pause(&List::new(Call::Assign, list)?)?;
                self.positions.extend(changed);
                Ok(())
            }
            Flow::Resumed => {
                self.take_away(changed.iter().map(|(of, _)| of))?;
                self.start(&changed)
            }
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, Failure> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let fetched = Fetch::default().collect(&mut self.queue, wait, Some(&mut self.positions));
        self.failed = fetched.failed;
        Ok(fetched.polled)
    }

    /// librdkafka asks again by itself while offsets are unstable, so that is what a timeout means here: a
    /// transaction is open, or the coordinator is silent.
    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Offset>>, Failure> {
        if self.isolation == Isolation::ReadUncommitted {
            let words = "a read-uncommitted reader cannot ask for stable offsets";
            return Err(Failure::new(Call::Committed, Code::InvalidArgument, words));
        }
        let list = List::new(Call::Committed, of.iter().map(|of| (of, OffsetSpec::Unset)))?;
        self.client.committed(&list, ANSWER_WAIT).map_err(|failed| {
            let unstable = failed.code == Code::TimedOut;
            let code = if unstable { Code::UnstableOffsets } else { failed.code };
            Failure { code, ..failed }
        })?;
        list.offsets()
    }

    fn end_seen(&self, of: &TopicPartition) -> Option<Offset> {
        self.client.end_seen(of)
    }

    fn bounds(&mut self, of: &TopicPartition) -> Result<Bounds, Failure> {
        self.client.bounds(of, ANSWER_WAIT)
    }
}
