//! The records of the inputs until a time, in the order of their times.
//!
//! Records of a partition stay in their order, whatever their times; of the partitions the one goes on whose next record is
//! the oldest. So no record is given before every partition has told its next one, and what a partition has told
//! beyond that waits: it is let flow only while little of it does.

use std::collections::{BTreeMap, VecDeque};

use millstream::TopicPartition;
use millstream::broker::{Batch, Broker, Flow};
use schemas::Payload;
use schemas::topic::HISTORY;
use topologies::past::Input;

use super::super::known_schemas::KnownSchemas;
use super::super::log_reader::LogReader;
use crate::failed::Failed;

/// From so many records that wait on a partition is not let flow, and is again when fewer than the second wait.
const WAITING_MAX: usize = 20_000;
const WAITING_MIN: usize = 2_000;

/// See the module.
pub struct History<'a> {
    log: LogReader,
    schemas: &'a KnownSchemas,
    until_ms: i64,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// How many records were given.
    pub given: u64,
    /// How many are later, and were left out.
    pub later: u64,
    payload: Payload,
}

/// What waits of a partition.
#[derive(Default)]
struct Lane {
    topic: usize,
    inputs: VecDeque<Input>,
    is_paused: bool,
}

impl<'a> History<'a> {
    /// Opens all inputs; `app` is what the client calls itself.
    pub fn open(
        broker: &dyn Broker,
        app: &str,
        schemas: &'a KnownSchemas,
        until_ms: i64,
    ) -> Result<Self, Failed> {
        let log = LogReader::open(broker, app, &HISTORY)?;
        let lanes = log.unread().iter().map(|partition| {
            let topic = HISTORY.iter().position(|input| *input.name == *partition.topic);
            (partition.clone(), Lane { topic: topic.unwrap_or_default(), ..Lane::default() })
        });
        let lanes = lanes.collect();
        let payload = Payload::default();
        Ok(Self { log, schemas, until_ms, lanes, given: 0, later: 0, payload })
    }

    /// How many offsets there are to read.
    pub fn offsets(&self) -> u64 {
        self.log.offsets()
    }

    /// The topics of which the first records are gone.
    pub fn cut(&self) -> impl Iterator<Item = &'static str> {
        self.log.cut().iter().copied()
    }

    /// The next record; none at the end.
    pub fn next(&mut self) -> Result<Option<Input>, Failed> {
        while self.waits_for_a_partition() {
            self.poll()?;
        }
        let heads = self.lanes.iter().filter_map(|(of, lane)| Some((lane.inputs.front()?, of)));
        let Some((_, oldest)) = heads.min_by_key(|(input, of)| (input.at_ms, *of)) else {
            return Ok(None);
        };
        let oldest = oldest.clone();
        let Some(lane) = self.lanes.get_mut(&oldest) else { return Ok(None) };
        let input = lane.inputs.pop_front();
        self.given += 1;
        if lane.is_paused && lane.inputs.len() < WAITING_MIN {
            lane.is_paused = false;
            self.log.flow(&oldest, Flow::Resumed)?;
        }
        Ok(input)
    }

    fn waits_for_a_partition(&self) -> bool {
        let unread = self.log.unread().iter();
        unread.filter_map(|of| self.lanes.get(of)).any(|lane| lane.inputs.is_empty())
    }

    fn poll(&mut self) -> Result<(), Failed> {
        for batch in &self.log.poll()?.batches {
            self.take(batch)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: &Batch) -> Result<(), Failed> {
        let Some(lane) = self.lanes.get_mut(batch.source()) else { return Ok(()) };
        for record in batch.iter() {
            if record.timestamp.0 > self.until_ms {
                self.later += 1;
                continue;
            }
            // Once it is known, whoever decodes does not wait for it.
            self.schemas.fill(&mut self.payload, record.key)?;
            self.schemas.fill(&mut self.payload, record.value)?;
            lane.inputs.push_back(Input {
                topic: lane.topic,
                at_ms: record.timestamp.0,
                key: record.key.map(Box::from),
                value: record.value.map(Box::from),
            });
        }
        if !lane.is_paused && lane.inputs.len() >= WAITING_MAX {
            lane.is_paused = true;
            self.log.flow(batch.source(), Flow::Paused)?;
        }
        Ok(())
    }
}
