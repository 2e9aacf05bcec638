//! Calls made again while their failure says that they may be: briefly while a transaction is open, patiently at the
//! start. A failure that asks for anything else comes back at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Failure, Reaction, classify};

/// How long a call is made again.
struct RetryBudget {
    attempts_max: usize,
    within: Duration,
    pause: Duration,
}

/// librdkafka has waited already; and a worker that does not come round passes for one that hangs.
const IN_TRANSACTION: RetryBudget =
    RetryBudget { attempts_max: 5, within: Duration::from_secs(10), pause: Duration::ZERO };
/// The cluster may take its time to answer: the leaders of new topics are not elected at once.
const AT_STARTUP: RetryBudget = RetryBudget {
    attempts_max: usize::MAX,
    within: Duration::from_secs(30),
    pause: Duration::from_millis(50),
};

impl RetryBudget {
    /// Makes `call` until it is answered, the budget is spent, or `is_over`.
    fn spend<T>(
        &self,
        is_over: impl Fn() -> bool,
        mut call: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let mut attempts = 1;
        loop {
            match call() {
                Err(failure)
                    if classify(&failure) == Reaction::Retry
                        && attempts < self.attempts_max
                        && began.elapsed() < self.within
                        && !is_over() =>
                {
                    tracing::debug!(%failure, "asking again");
                    attempts += 1;
                    if !self.pause.is_zero() {
                        thread::sleep(self.pause);
                    }
                }
                outcome => return outcome,
            }
        }
    }
}

/// Makes a call of the open transaction again, at once.
pub(super) fn retry_in_transaction<T>(
    call: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    IN_TRANSACTION.spend(|| false, call)
}

/// Makes a call of the start again, with pauses.
pub(super) fn retry_at_startup<T>(call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    AT_STARTUP.spend(|| false, call)
}

/// The same, on a thread that is told when to stop.
pub(super) fn retry_unless_stopping<T>(
    is_stopping: impl Fn() -> bool,
    call: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    AT_STARTUP.spend(is_stopping, call)
}
