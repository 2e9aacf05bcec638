//! Dead letters that were sent: counted by where they come from, and told of in the log now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{DeadLetter, Reason};
use crate::record::{Timestamp, Topic};

/// What dead letters are counted by. All of it comes from the topology and a closed set, nothing from records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The topic whose records they are.
    pub topic: Topic,
    /// Who gave them up.
    pub node: Arc<str>,
    /// Why.
    pub reason: Reason,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// How many of each origin.
    pub(crate) counts: BTreeMap<Origin, u64>,
    /// Where the last of them lies, and why it is one, without words of the record: they are somebody's.
    pub(crate) last: String,
}

impl Sent {
    /// One more.
    pub(crate) fn note(&mut self, letter: &DeadLetter<'_>) {
        let DeadLetter { source, record, node, reason, .. } = *letter;
        let origin = Origin { topic: source.topic.clone(), node: node.into(), reason };
        *self.counts.entry(origin).or_default() += 1;
        self.last = format!("{source}@{}: {} at {node}", record.offset, reason.name());
    }

    /// How many in all.
    pub(crate) fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those of another.
    pub(crate) fn take_in(&mut self, other: Self) {
        if other.counts.is_empty() {
            return;
        }
        for (origin, count) in other.counts {
            *self.counts.entry(origin).or_default() += count;
        }
        self.last = other.last;
    }
}

/// How often it is told that records are dead letters.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Tells of dead letters: of the first at once, then once a minute of all that came since.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: Option<Timestamp>,
    untold: Sent,
}

impl Telling {
    /// What is to be told now that there are these too; none if it was told lately.
    pub(crate) fn due(&mut self, more: Sent, now: Timestamp) -> Option<Sent> {
        self.untold.take_in(more);
        let is_late = self.told.is_none_or(|told| now.has_passed(told, TOLD_EVERY));
        if self.untold.counts.is_empty() || !is_late {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Headers, Offset, RawRecord, TopicPartition};

    /// Letters of these offsets, given up for these reasons.
    fn sent(letters: &[(i64, Reason, &str)]) -> Sent {
        let (source, mut sent) = (TopicPartition::new("cdc.likes", 3), Sent::default());
        for (offset, reason, error) in letters.iter().copied() {
            let record = RawRecord {
                offset: Offset(offset),
                timestamp: Timestamp(0),
                key: None,
                value: None,
                headers: Headers::default(),
            };
            sent.note(&DeadLetter { source: &source, record, node: "n", reason, error });
        }
        sent
    }

    #[test]
    fn dead_letters_are_told_at_once_and_then_once_a_minute_all_together() {
        let (mut telling, at) = (Telling::default(), |seconds: i64| Timestamp(seconds * 1_000));
        let due = [(0, 5), (2, 6), (3, 7), (0, 65), (0, 66), (1, 67), (0, 68), (0, 200)];
        let told = due.map(|(count, seconds)| {
            let letters: Vec<_> = (1..=count).map(|of| (of, Reason::Decode, "")).collect();
            let told = telling.due(sent(&letters), at(seconds))?;
            Some((told.count(), told.last))
        });
        let told: Vec<_> = told.into_iter().flatten().collect();
        let last = |offset: i64| format!("cdc.likes-3@{offset}: decode at n");
        assert_eq!(told, [(2, last(2)), (3, last(3)), (1, last(1))]);
    }

    #[test]
    fn letters_are_counted_by_their_origin_and_the_last_is_told_with_its_place() {
        let mut all = sent(&[(7, Reason::Decode, "one"), (8, Reason::Panicked, "two")]);
        all.take_in(sent(&[(9, Reason::Decode, "other")]));
        all.take_in(Sent::default());
        let counts =
            all.counts.iter().map(|(origin, count)| (&*origin.topic, origin.reason, *count));
        let expected = [("cdc.likes", Reason::Decode, 2), ("cdc.likes", Reason::Panicked, 1)];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
        assert_eq!((all.count(), all.last.as_str()), (3, "cdc.likes-3@9: decode at n"));
    }
}
