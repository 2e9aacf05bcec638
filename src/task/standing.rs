//! Where a task stands, for whoever asks its state: told after a commit was put down, and now and then.

use std::time::Duration;

use super::{Lag, Phase, Task};
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::standing::{Position, Standing};

/// How often a task at rest tells where it stands: how far it is behind changes without it.
const TOLD_EVERY: Duration = Duration::from_millis(100);

impl Task {
    /// What its committed state holds.
    pub(crate) fn standing(&self) -> Standing {
        Standing { position: Position::of(self.committed()), ..Standing::default() }
    }

    /// Where it stands, if that is news: something was committed and put down, or some time has passed.
    pub(crate) fn moved(
        &mut self,
        now: Timestamp,
        end_of: impl Fn(&TopicPartition) -> Option<Offset>,
    ) -> Option<Standing> {
        let is_news = self.told.is_none_or(|at| now.has_passed(at, TOLD_EVERY));
        if !is_news || self.phase == Phase::Unapplied {
            return None;
        }
        self.told = Some(now);
        let queue = &self.core.queue;
        let behind_by_input: Vec<_> = self
            .positions
            .iter()
            .enumerate()
            .filter_map(|(lane, position)| {
                let is_read = position.committed == position.next && queue.is_empty(lane);
                // Behind the last record there may be markers: they are told of by an end alone.
                let read = if is_read { position.ended } else { position.committed };
                let end = end_of(&position.source)?;
                let behind = u64::try_from(end.0 - read.max(position.committed).0).unwrap_or(0);
                Some((position.source.clone(), behind))
            })
            .collect();
        let is_known = behind_by_input.len() == self.positions.len();
        let behind_records = is_known.then(|| behind_by_input.iter().map(|(_, n)| n).sum());
        let behind = match self.lag.lag(now) {
            Lag::Behind(time) => Some(time),
            Lag::Unknown => None,
        };
        Some(Standing { behind_records, behind_by_input, behind, ..self.standing() })
    }
}
