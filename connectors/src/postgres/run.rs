//! The loop of the table of feedback: poll `feedback`, write, then commit.
//!
//! A batch is written before its position is committed, so a crash writes some of it twice, which changes nothing. While the
//! database is away, or refuses, the same batch is tried again, ever more slowly, and Kafka holds the rest.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::broker::{Failure, GroupConsumer, Polled};
use schemas::{Feedback, UserId, Wire};
use tokio::runtime::Handle;

use super::{FeedbackRows, FeedbackTable};
use crate::backoff::Backoff;
use crate::group::{Positions, survive};
use crate::outage::Outage;

const SINK: &str = "postgres";
const POLL: Duration = Duration::from_millis(100);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a running sink has done, for metrics and readiness.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows written.
    pub written: AtomicU64,
    /// Attempts that failed.
    pub failed: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Progress {
    /// What ails the database, if the last attempt failed.
    pub fn fault(&self) -> Option<String> {
        self.last().clone()
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
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
pub fn run(mut sinking: Sinking<'_>, runtime: &Handle) -> Result<(), Failure> {
    let mut applied = Positions::default();
    while !sinking.stop.load(Ordering::Relaxed) {
        if let Some(positions) = applied.due(Instant::now()) {
            sinking.consumer.commit(&positions).or_else(|failure| survive(SINK, failure))?;
        }
        let polled = match sinking.consumer.poll(POLL) {
            Ok(polled) => polled,
            Err(failure) => {
                survive(SINK, failure)?;
                continue;
            }
        };
        if polled.batches.is_empty() {
            continue;
        }
        if !apply(&sinking, &rows(&polled), runtime) {
            break;
        }
        applied.note(&polled, Instant::now());
    }
    match applied.all() {
        positions if positions.is_empty() => Ok(()),
        positions => sinking.consumer.commit(&positions).or_else(|failure| survive(SINK, failure)),
    }
}

/// Tries until it is done; `false` if it was asked to stop before.
fn apply(sinking: &Sinking<'_>, rows: &FeedbackRows, runtime: &Handle) -> bool {
    let (mut backoff, mut outage) = (Backoff::new(PAUSE_MIN, PAUSE_MAX), Outage::default());
    loop {
        match runtime.block_on(sinking.table.apply(rows)) {
            Ok(()) => {
                sinking.progress.written.fetch_add(rows.len() as u64, Ordering::Relaxed);
                *sinking.progress.last() = None;
                return true;
            }
            Err(fault) => {
                sinking.progress.failed.fetch_add(1, Ordering::Relaxed);
                *sinking.progress.last() = Some(fault.to_string());
                outage.log(SINK, (fault.kind(), &fault.to_string()), Instant::now());
            }
        }
        if !backoff.pause(sinking.stop) {
            return false;
        }
    }
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
