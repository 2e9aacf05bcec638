//! The positions of one consumer, and the end of each partition that it reported last.
//!
//! Partitions take turns at being first, so that a full one does not starve the rest.

use std::collections::BTreeMap;

use super::log::Budget;
use super::topics::{LogId, Topics};
use crate::broker::{Batch, Flow, Isolation, Polled};
use crate::record::{Offset, TopicPartition};

#[derive(Debug)]
pub(super) struct LogReader {
    isolation: Isolation,
    places: BTreeMap<TopicPartition, ReadPosition>,
    turn: usize,
}

#[derive(Debug)]
struct ReadPosition {
    log: LogId,
    next: Offset,
    flow: Flow,
    /// The end last reported, so that it is reported once.
    end_told: Option<Offset>,
    out_of_range: bool,
}

impl LogReader {
    pub fn new(isolation: Isolation) -> Self {
        Self { isolation, places: BTreeMap::new(), turn: 0 }
    }

    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    pub fn assign(&mut self, of: TopicPartition, log: LogId, next: Offset) {
        let flow = Flow::Resumed;
        self.places
            .insert(of, ReadPosition { log, next, flow, end_told: None, out_of_range: false });
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
        let turn = self.turn.checked_rem(self.places.len()).unwrap_or_default();
        let polled = Polled::default();
        let mut round = Round { isolation: self.isolation, topics, left: budget, polled };
        let mut places: Vec<_> = self.places.iter_mut().collect();
        places.rotate_left(turn);
        for (of, place) in places {
            round.read(of, place);
        }
        if !round.polled.batches.is_empty() {
            self.turn = turn + 1;
        }
        round.polled
    }
}

/// One poll's way through the places.
struct Round<'a> {
    isolation: Isolation,
    topics: &'a Topics,
    left: Budget,
    polled: Polled,
}

impl Round<'_> {
    fn read(&mut self, of: &TopicPartition, place: &mut ReadPosition) {
        let Some(log) = self.topics.log(place.log) else { return };
        let bound = log.bound(self.isolation);
        let told = place.end_told == Some(bound);
        if place.flow == Flow::Paused || place.out_of_range || told || self.left.is_spent() {
            return;
        }
        if place.next < log.start() || place.next > log.high_watermark() {
            place.out_of_range = true;
            self.polled.out_of_range.push(of.clone());
            return;
        }
        if place.next < bound {
            let mut batch = Batch::new(of.clone());
            place.next = log.read(place.next, self.isolation, self.left, &mut batch);
            self.left.records = self.left.records.saturating_sub(batch.len());
            self.left.bytes = self.left.bytes.saturating_sub(batch.bytes());
            if !batch.is_empty() {
                self.polled.batches.push(batch);
            }
        }
        if place.next == bound {
            place.end_told = Some(bound);
            self.polled.ends.push((of.clone(), bound));
        }
    }
}
