//! Where a task stands between two commits. Pure.
//!
//! `Idle` becomes `Open` with the first work, `Staged` when its changes are changelog records, `Unapplied` when Kafka has
//! committed them, and `Idle` again when the store has them. An abort undoes what is open or staged; what is unapplied is
//! committed, so nothing undoes it.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing happened since the last commit.
    Idle,
    /// Something is to be committed.
    Open(History),
    /// The same, and the changelog records for it are made.
    Staged(History),
    /// It is committed and the store has not taken it yet: nothing is processed until it has.
    Unapplied,
}

/// Whether the task has committed anything before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// Never: its first transaction names the changelogs and commits the start positions, work or no work.
    None,
    Some,
}

impl Phase {
    /// Where a task begins.
    pub(super) fn first(history: History) -> Self {
        match history {
            History::None => Self::Open(history),
            History::Some => Self::Idle,
        }
    }

    /// Something happened that is to be committed.
    pub(super) fn open(&mut self) {
        *self = match *self {
            Self::Idle => Self::Open(History::Some),
            Self::Open(history) | Self::Staged(history) => Self::Open(history),
            Self::Unapplied => Self::Unapplied,
        }
    }

    /// The changelog records for everything that happened are made.
    pub(super) fn stage(&mut self) {
        if let Self::Open(history) = *self {
            *self = Self::Staged(history);
        }
    }

    /// Back to the last commit; answers what the task has committed before.
    pub(super) fn rewind(&mut self) -> History {
        let history = match *self {
            Self::Open(history) | Self::Staged(history) => history,
            Self::Idle | Self::Unapplied => History::Some,
        };
        *self = Self::first(history);
        history
    }

    /// Whether anything is to be committed.
    pub(super) fn has_worked(self) -> bool {
        match self {
            Self::Open(_) | Self::Staged(_) => true,
            Self::Idle | Self::Unapplied => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_history_has_something_to_commit_until_it_has_committed() {
        let mut phase = Phase::first(History::None);
        for _ in 0..2 {
            assert!(phase.has_worked());
            phase.open();
            phase.stage();
            assert_eq!(phase, Phase::Staged(History::None));
            assert_eq!(phase.rewind(), History::None);
        }
        let mut later = Phase::first(History::Some);
        assert_eq!((later, later.rewind()), (Phase::Idle, History::Some));
    }

    #[test]
    fn work_after_staging_is_staged_anew() {
        let mut phase = Phase::first(History::Some);
        phase.open();
        phase.stage();
        assert_eq!(phase, Phase::Staged(History::Some));
        phase.open();
        assert_eq!(phase, Phase::Open(History::Some));
    }

    #[test]
    fn what_is_committed_and_not_applied_takes_no_work() {
        let mut phase = Phase::Unapplied;
        phase.open();
        phase.stage();
        assert_eq!((phase, phase.has_worked()), (Phase::Unapplied, false));
    }
}
