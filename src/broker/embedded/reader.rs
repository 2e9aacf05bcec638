//! The positions of one reader, and what it has been told about each.
//!
//! Partitions take turns at being first, so that a full one does not starve the rest.

use std::collections::BTreeMap;

use super::log::Budget;
use super::topics::{LogId, Topics};
use crate::broker::{Batch, Flow, Isolation, Polled};
use crate::record::{Offset, TopicPartition};

#[derive(Debug)]
pub(super) struct Reader {
    isolation: Isolation,
    places: BTreeMap<TopicPartition, Place>,
    turn: usize,
}

#[derive(Debug)]
struct Place {
    log: LogId,
    next: Offset,
    flow: Flow,
    /// The end last reported, so that it is reported once.
    end_told: Option<Offset>,
    out_of_range: bool,
}

impl Reader {
    pub fn new(isolation: Isolation) -> Self {
        Self { isolation, places: BTreeMap::new(), turn: 0 }
    }

    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    pub fn assign(&mut self, of: TopicPartition, log: LogId, next: Offset) {
        let flow = Flow::Resumed;
        self.places.insert(of, Place { log, next, flow, end_told: None, out_of_range: false });
    }

    pub fn unassign(&mut self, of: &TopicPartition) {
        self.places.remove(of);
    }

    pub fn clear(&mut self) {
        self.places.clear();
    }

    pub fn flow(&mut self, of: &TopicPartition, flow: Flow) {
        if let Some(place) = self.places.get_mut(of) {
            place.flow = flow;
        }
    }

    /// What is there to read; moves the positions.
    pub fn read(&mut self, topics: &Topics, budget: Budget) -> Polled {
        let mut polled = Polled::default();
        let mut left = budget;
        let turn = self.turn.checked_rem(self.places.len()).unwrap_or_default();
        let (isolation, mut places) = (self.isolation, self.places.iter_mut().collect::<Vec<_>>());
        places.rotate_left(turn);
        for (of, place) in places {
            if left.records == 0 || left.bytes == 0 {
                break;
            }
            place.read(of, isolation, topics, &mut left, &mut polled);
        }
        if !polled.batches.is_empty() {
            self.turn = turn + 1;
        }
        polled
    }
}

impl Place {
    fn read(
        &mut self,
        of: &TopicPartition,
        isolation: Isolation,
        topics: &Topics,
        left: &mut Budget,
        polled: &mut Polled,
    ) {
        let Some(log) = topics.log(self.log) else { return };
        let bound = log.bound(isolation);
        if self.flow == Flow::Paused || self.out_of_range || self.end_told == Some(bound) {
            return;
        }
        if self.next < log.start() || self.next > log.high_watermark() {
            self.out_of_range = true;
            polled.out_of_range.push(of.clone());
            return;
        }
        if self.next < bound {
            let mut batch = Batch::new(of.clone());
            self.next = log.read(self.next, isolation, *left, &mut batch);
            left.records = left.records.saturating_sub(batch.len());
            left.bytes = left.bytes.saturating_sub(batch.bytes());
            if !batch.is_empty() {
                polled.batches.push(batch);
            }
        }
        if self.next == bound {
            self.end_told = Some(bound);
            polled.ends.push((of.clone(), bound));
        }
    }
}
