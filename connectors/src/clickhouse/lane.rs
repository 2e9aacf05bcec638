//! What was read of a partition and is not in ClickHouse yet.
//!
//! Pure: records and times in, the next stretch out. Stretches follow each other without a gap; one that may have been
//! inserted already is made again with the same bounds before any other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millstream::broker::{Batch, Bounds, Position};
use millstream::{Offset, RawRecord, TopicPartition};
use schemas::application;
use schemas::topic::{CDC_BLOCKS, CDC_MUTES, FEEDBACK, FEEDS, Topic};

use super::stretch::Stretch;

/// What takes something away from readers waits no longer than this, whatever else may.
const URGENT_LINGER: Duration = Duration::from_millis(200);
/// What readers do not want to see.
const URGENT: [Topic; 3] = [CDC_MUTES, CDC_BLOCKS, FEEDBACK];

/// When a stretch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Once it has so many records.
    pub records_max: usize,
    /// Once it has so many bytes.
    pub bytes_max: usize,
    /// Once its first record has waited so long.
    pub linger: Duration,
    /// Once all partitions together hold so many bytes: then nothing more is read.
    pub held_bytes_max: usize,
}

/// See the module.
pub(super) struct Lane {
    of: TopicPartition,
    /// Where the next stretch begins.
    next: Offset,
    /// Where it ends, if it may have been inserted.
    doubtful: Option<Offset>,
    batches: VecDeque<Batch>,
    /// The offset after what was read.
    read_to: Offset,
    /// When the oldest record in hand came.
    since: Option<Instant>,
    /// Whether anything in hand takes something away from readers.
    is_urgent: bool,
    /// What the group knows of it.
    committed: Option<Position>,
    /// Until when nothing of it is tried, while it waits for a schema.
    held_until: Option<Instant>,
}

impl Lane {
    /// Begins where the group stands, or at the log's start if the group stands outside of it: what lay before is gone, or the
    /// log is another one.
    pub(super) fn open(of: TopicPartition, committed: Option<Position>, log: Bounds) -> Self {
        let is_in_it = |position: &&Position| (log.start..=log.end).contains(&position.next);
        let found = committed.as_ref().filter(is_in_it);
        let next = found.map_or(log.start, |position| position.next);
        let doubtful = found.and_then(|position| Stretch::doubtful(&of, position));
        let doubtful = doubtful.map(|stretch| stretch.to);
        Self {
            of,
            next,
            doubtful,
            batches: VecDeque::new(),
            read_to: next,
            since: None,
            is_urgent: false,
            committed,
            held_until: None,
        }
    }

    /// Where the next stretch begins.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.batches.iter().map(Batch::bytes).sum()
    }

    /// Since when it holds something.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes what arrived.
    pub(super) fn take(&mut self, batch: Batch, now: Instant) {
        let last = batch.len().checked_sub(1).and_then(|index| batch.get(index));
        let Some(last) = last.map(|record| record.offset) else { return };
        self.read_to = self.read_to.max(last.next());
        self.since.get_or_insert(now);
        self.is_urgent |= is_urgent(&batch);
        self.batches.push_back(batch);
    }

    /// There is nothing before this offset that was not read.
    pub(super) fn ended(&mut self, at: Offset) {
        self.read_to = self.read_to.max(at);
        if self.batches.is_empty() && self.doubtful.is_none() {
            self.next = self.read_to;
        }
    }

    /// The stretch that is to be inserted now, if there is one, and whether it may have been already.
    pub(super) fn due(&self, now: Instant, limits: &Limits) -> Option<(Stretch, bool)> {
        let stretch = |to| Stretch { of: self.of.clone(), from: self.next, to };
        if self.held_until.is_some_and(|until| now < until) {
            return None;
        }
        if let Some(to) = self.doubtful {
            return (self.read_to >= to).then(|| (stretch(to), true));
        }
        let waited = now.duration_since(self.since?);
        let records: usize = self.batches.iter().map(Batch::len).sum();
        let is_full = records >= limits.records_max || self.bytes() >= limits.bytes_max;
        let linger = if self.is_urgent { limits.linger.min(URGENT_LINGER) } else { limits.linger };
        (is_full || waited >= linger).then(|| (stretch(self.read_to), false))
    }

    /// The records of a stretch.
    pub(super) fn records<'a>(
        &'a self,
        of: &'a Stretch,
    ) -> impl Iterator<Item = RawRecord<'a>> + Clone + 'a {
        let records = self.batches.iter().flat_map(Batch::iter);
        records.filter(|record| of.has(record.offset))
    }

    /// The group knows that the stretch is begun.
    pub(super) fn begun(&mut self, stretch: &Stretch) {
        self.committed = Some(stretch.begun());
    }

    /// It may have been inserted, or not.
    pub(super) fn doubt(&mut self, stretch: &Stretch) {
        self.doubtful = Some(stretch.to);
    }

    /// Nothing of it is tried before this time.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = Some(until);
    }

    /// Whether it waits for a schema.
    pub(super) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// Whether it waits for a schema, or for an answer to what may have been inserted.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_held() || self.doubtful.is_some()
    }

    /// It is in ClickHouse.
    pub(super) fn inserted(&mut self, stretch: &Stretch, now: Instant) {
        self.next = stretch.to;
        (self.doubtful, self.held_until) = (None, None);
        let is_done = |batch: &Batch| {
            let last = batch.len().checked_sub(1).and_then(|index| batch.get(index));
            last.is_none_or(|record| record.offset < stretch.to)
        };
        while self.batches.front().is_some_and(is_done) {
            self.batches.pop_front();
        }
        self.since = (!self.batches.is_empty()).then_some(now);
        self.is_urgent = self.batches.iter().any(is_urgent);
    }

    /// What the group does not know yet, if it is to be told: a position with nothing begun at it.
    pub(super) fn idle(&self) -> Option<Position> {
        let told = Position::from(self.next);
        let is_idle = self.doubtful.is_none() && self.committed.as_ref() != Some(&told);
        is_idle.then_some(told)
    }

    /// The group knows this.
    pub(super) fn told(&mut self, position: Position) {
        self.committed = Some(position);
    }
}

/// A null takes away a row or a line; of a feed that is gone nobody waits to hear.
fn is_urgent(batch: &Batch) -> bool {
    let topic = application::declared(&batch.source().topic);
    URGENT.iter().any(|of| of.name == topic)
        || topic != FEEDS.name && batch.iter().any(|record| record.value.is_none())
}

#[cfg(test)]
mod tests {
    use millstream::{Headers, Timestamp};

    use super::*;

    const LIMITS: Limits = Limits {
        records_max: 3,
        bytes_max: 1_000,
        linger: Duration::from_secs(5),
        held_bytes_max: 10_000,
    };

    fn of() -> TopicPartition {
        TopicPartition::new("events", 0)
    }

    fn log(start: i64, end: i64) -> Bounds {
        Bounds { start: Offset(start), end: Offset(end) }
    }

    fn batch(offsets: &[i64]) -> Batch {
        let mut batch = Batch::new(of());
        for offset in offsets {
            batch.push(RawRecord {
                offset: Offset(*offset),
                timestamp: Timestamp(0),
                key: None,
                value: Some(b"x"),
                headers: Headers::default(),
            });
        }
        batch
    }

    fn stretch(from: i64, to: i64) -> Stretch {
        Stretch { of: of(), from: Offset(from), to: Offset(to) }
    }

    fn offsets(lane: &Lane, of: &Stretch) -> Vec<i64> {
        lane.records(of).map(|record| record.offset.0).collect()
    }

    #[test]
    fn a_stretch_ends_when_it_is_long_or_its_first_record_has_waited() {
        let now = Instant::now();
        let mut lane = Lane::open(of(), None, log(10, 90));
        assert_eq!(lane.due(now, &LIMITS), None);
        lane.take(batch(&[10, 12]), now);
        assert_eq!(lane.due(now, &LIMITS), None);
        assert_eq!(lane.due(now + LIMITS.linger, &LIMITS), Some((stretch(10, 13), false)));
        lane.take(batch(&[20]), now);
        assert_eq!(lane.due(now, &LIMITS), Some((stretch(10, 21), false)));
        assert_eq!(offsets(&lane, &stretch(10, 21)), [10, 12, 20]);
        lane.inserted(&stretch(10, 21), now);
        assert_eq!((lane.next(), lane.bytes(), lane.since()), (Offset(21), 0, None));
    }

    /// Whether a record of this topic is due after a fifth of a second, and after the linger.
    fn is_due(topic: &str, value: Option<&[u8]>) -> [bool; 2] {
        let (now, of) = (Instant::now(), TopicPartition::new(topic, 0));
        let mut batch = Batch::new(of.clone());
        let (offset, timestamp, headers) = (Offset(0), Timestamp(0), Headers::default());
        batch.push(RawRecord { offset, timestamp, key: None, value, headers });
        let mut lane = Lane::open(of, None, log(0, 9));
        lane.take(batch, now);
        [URGENT_LINGER, LIMITS.linger].map(|waited| lane.due(now + waited, &LIMITS).is_some())
    }

    #[test]
    fn what_takes_something_away_from_readers_waits_for_a_fifth_of_a_second_only() {
        for topic in ["cdc.mutes", "cdc.blocks", "feedback"] {
            assert_eq!(is_due(topic, Some(b"x")), [true, true], "{topic}");
        }
        for topic in ["posts-live", "cdc.users", "events"] {
            assert_eq!(is_due(topic, None), [true, true], "{topic}");
            assert_eq!(is_due(topic, Some(b"x")), [false, true], "{topic}");
        }
        assert_eq!(is_due("feeds", None), [false, true]);
    }

    #[test]
    fn what_was_begun_is_made_again_with_the_same_bounds_before_anything_else() {
        let (now, begun) = (Instant::now(), stretch(10, 14).begun());
        let mut lane = Lane::open(of(), Some(begun), log(0, 90));
        lane.take(batch(&[10, 12]), now);
        assert_eq!(lane.due(now + LIMITS.linger, &LIMITS), None, "13 may still come");
        lane.take(batch(&[13, 14, 15]), now);
        assert_eq!(lane.due(now, &LIMITS), Some((stretch(10, 14), true)));
        assert_eq!(offsets(&lane, &stretch(10, 14)), [10, 12, 13]);
        lane.inserted(&stretch(10, 14), now);
        assert_eq!(lane.due(now + LIMITS.linger, &LIMITS), Some((stretch(14, 16), false)));
        assert_eq!(offsets(&lane, &stretch(14, 16)), [14, 15]);
    }

    #[test]
    fn an_end_shows_that_the_rest_of_a_doubtful_stretch_is_gone() {
        let mut lane = Lane::open(of(), Some(stretch(10, 14).begun()), log(0, 14));
        lane.ended(Offset(14));
        assert_eq!(lane.due(Instant::now(), &LIMITS), Some((stretch(10, 14), true)));
    }

    #[test]
    fn an_answer_that_was_lost_makes_a_stretch_doubtful() {
        let now = Instant::now();
        let mut lane = Lane::open(of(), None, log(0, 90));
        lane.take(batch(&[0, 1, 2]), now);
        let (first, _) = lane.due(now, &LIMITS).unwrap();
        lane.begun(&first);
        lane.doubt(&first);
        lane.take(batch(&[3]), now);
        assert_eq!(lane.due(now, &LIMITS), Some((first, true)));
        assert_eq!(lane.idle(), None);
    }

    #[test]
    fn the_group_hears_of_a_position_once_and_of_what_is_no_record_too() {
        let now = Instant::now();
        let mut lane = Lane::open(of(), Some(Offset(5).into()), log(0, 90));
        assert_eq!(lane.idle(), None);
        lane.take(batch(&[5]), now);
        lane.inserted(&stretch(5, 6), now);
        assert_eq!(lane.idle(), Some(Offset(6).into()));
        lane.told(Offset(6).into());
        lane.ended(Offset(7));
        assert_eq!(lane.idle(), Some(Offset(7).into()));
    }

    #[test]
    fn a_log_in_which_the_group_does_not_stand_is_read_from_its_start() {
        for (log, next) in [(log(12, 90), 12), (log(0, 9), 0), (log(10, 10), 10)] {
            let lane = Lane::open(of(), Some(stretch(10, 14).begun()), log);
            assert_eq!((lane.next(), lane.doubtful.is_some()), (Offset(next), next == 10));
        }
    }
}
