//! Calls made again while their failure says that they may be: briefly while a transaction is open, patiently at the
//! start. A failure that asks for anything else comes back at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Failure, Reaction, classify};

/// How often the same call is made again within one commit.
const ATTEMPTS_MAX: usize = 5;
/// After so long no call is made again: a worker that does not come round passes for one that hangs.
const ATTEMPTS_WITHIN: Duration = Duration::from_secs(10);
/// How long the cluster may take to answer at the start: the leaders of new topics are not elected at once.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

fn may_pass(failure: &Failure) -> bool {
    classify(failure) == Reaction::Retry
}

/// Makes a call of the open transaction again, at once: librdkafka has waited already.
pub(super) fn repeated<T>(mut call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    let mut attempts = 1;
    loop {
        match call() {
            Err(failure)
                if may_pass(&failure)
                    && attempts < ATTEMPTS_MAX
                    && began.elapsed() < ATTEMPTS_WITHIN =>
            {
                attempts += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Makes a call of the start again, with pauses.
pub(super) fn patiently<T>(mut call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    loop {
        match call() {
            Err(failure) if may_pass(&failure) && began.elapsed() < PATIENCE => {
                tracing::debug!(%failure, "asking again");
                thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}
