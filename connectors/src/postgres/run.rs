//! The loop of the table of feedback: poll `feedback`, write, then commit, as a member of a [`group`](crate::group).
//!
//! What a crash has it write twice changes nothing.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use millstream::broker::{Failure, GroupConsumer, Polled};
use schemas::{Feedback, UserId, Wire};
use tokio::runtime::Handle;

use super::{FeedbackRows, FeedbackTable};
use crate::group;
use crate::outage::LastFault;

/// What a running sink has done, for metrics and readiness.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows written.
    pub written: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    /// The time of the oldest record that was polled and is not written, ms UTC; 0 if there is none.
    pub in_hand: AtomicI64,
    fault: LastFault,
}

impl Progress {
    /// What ails the database, if the last attempt failed.
    pub fn fault(&self) -> Option<String> {
        self.fault.words()
    }
}

/// A sink at work, and who may stop it.
pub struct Sinking<'a> {
    /// The subscribed consumer of `feedback`.
    pub consumer: Box<dyn GroupConsumer>,
    /// Where to.
    pub table: FeedbackTable,
    /// Counts as it goes.
    pub progress: &'a Progress,
    /// Set by somebody else: come to an end.
    pub stop: &'a AtomicBool,
}

/// Runs on the calling thread until `stop` is set. A failure of Kafka that no retry helps ends it.
pub fn run(sinking: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    let Sinking { mut consumer, table, progress, stop } = sinking;
    let sink = group::Sink { name: "postgres", stop };
    sink.run(&mut *consumer, |polled| {
        let rows = rows(polled);
        progress.in_hand.store(group::oldest(polled), Ordering::Relaxed);
        let done = sink.until_done((&progress.failed, &progress.fault), || {
            let done = runtime.block_on(table.apply(&rows));
            done.map_err(|fault| (fault.kind(), fault.to_string()))
        });
        if done.is_some() {
            progress.written.fetch_add(rows.len() as u64, Ordering::Relaxed);
            progress.in_hand.store(0, Ordering::Relaxed);
        }
        done.is_some()
    })
}

/// What a poll brought. Only our own topology writes there, so what is none of it is left behind.
fn rows(polled: &Polled) -> FeedbackRows {
    let mut rows = FeedbackRows::default();
    for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
        let user = record.key.and_then(|key| UserId::decode(key).ok());
        let feedback = record.value.and_then(|value| Feedback::decode(value).ok());
        if let Some((user, feedback)) = user.zip(feedback) {
            rows.note(user, &feedback);
        }
    }
    rows
}
