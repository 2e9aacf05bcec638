//! When a transaction ends. Pure: facts in, the reason out.
//!
//! The clock may be set back under an open transaction. What was to end later than it began then ends at once: it
//! must not stay open for as long as the clock was moved.

use std::time::Duration;

use crate::record::Timestamp;

/// What is known of the open transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Open {
    pub began: Timestamp,
    pub bytes: usize,
    pub records: u64,
    /// Nothing is left to process.
    pub drained: bool,
    /// A record is sought that makes commits impossible.
    pub bisecting: bool,
    pub closing: bool,
}

/// What bounds a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub interval: Duration,
    pub bytes_max: usize,
    pub records_max: u64,
    /// A third of the transaction's timeout: beyond it the coordinator might end it before we do.
    pub open_max: Duration,
    /// The earliest that a drained worker commits again: it keeps a trickle from drowning the coordinator.
    pub drained_after: Duration,
}

/// Why a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Closing,
    /// Partitions are to be given back: that is never weighed.
    Revoked,
    Bytes,
    Records,
    Interval,
    Timeout,
    Bisecting,
    Drained,
}

/// Why the open transaction ends now; the first reason that holds is the one reported.
pub(crate) fn due(open: &Open, limits: &Limits, last: Timestamp, now: Timestamp) -> Option<Reason> {
    let reasons = [
        (open.closing, Reason::Closing),
        (open.bytes >= limits.bytes_max, Reason::Bytes),
        (open.records >= limits.records_max, Reason::Records),
        (now.has_passed(open.began, limits.interval), Reason::Interval),
        (now.has_passed(open.began, limits.open_max), Reason::Timeout),
        (open.bisecting, Reason::Bisecting),
        (open.drained && now.has_passed(last, limits.drained_after), Reason::Drained),
    ];
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

/// How long a drained worker waits between two commits, given how long they take: long enough that it is not always
/// committing, and no longer, because every record that arrives meanwhile waits for it, once in each transaction on its way.
pub(crate) fn drained_after(mean_commit: Duration) -> Duration {
    Duration::from_millis(10).max(mean_commit * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        interval: Duration::from_millis(100),
        bytes_max: 1_000,
        records_max: 50,
        open_max: Duration::from_millis(3_000),
        drained_after: Duration::from_millis(10),
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    #[test]
    fn a_young_small_transaction_goes_on() {
        let open = Open { began: at(0), bytes: 999, records: 49, ..Open::default() };
        assert_eq!(due(&open, &LIMITS, at(0), at(99)), None);
    }

    #[test]
    fn each_bound_ends_it_with_its_own_reason() {
        let young = Open { began: at(0), ..Open::default() };
        let reasons = [
            due(&Open { bytes: 1_000, ..young }, &LIMITS, at(0), at(1)),
            due(&Open { records: 50, ..young }, &LIMITS, at(0), at(1)),
            due(&young, &LIMITS, at(0), at(100)),
            due(&Open { bisecting: true, ..young }, &LIMITS, at(0), at(1)),
            due(&Open { closing: true, ..young }, &LIMITS, at(0), at(1)),
        ];
        let expected =
            [Reason::Bytes, Reason::Records, Reason::Interval, Reason::Bisecting, Reason::Closing];
        assert_eq!(reasons, expected.map(Some));
    }

    #[test]
    fn a_clock_set_back_ends_it_at_once() {
        let open = Open { began: at(10_000), ..Open::default() };
        assert_eq!(due(&open, &LIMITS, at(0), at(9_999)), Some(Reason::Interval));
        let open = Open { began: at(5), drained: true, ..Open::default() };
        assert_eq!(due(&open, &LIMITS, at(10_000), at(6)), Some(Reason::Drained));
    }

    #[test]
    fn a_drained_worker_commits_soon_but_not_at_once() {
        let open = Open { began: at(5), drained: true, ..Open::default() };
        assert_eq!(due(&open, &LIMITS, at(0), at(9)), None);
        assert_eq!(due(&open, &LIMITS, at(0), at(10)), Some(Reason::Drained));
        assert_eq!(drained_after(Duration::from_millis(20)), Duration::from_millis(40));
        assert_eq!(drained_after(Duration::ZERO), Duration::from_millis(10));
    }
}
