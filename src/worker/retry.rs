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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Call, Code};

    /// How often a call is made that fails with `code` `failures` times, and whether it was answered in the end.
    fn calls(
        budget: &RetryBudget,
        (code, failures): (Code, usize),
        is_over: impl Fn() -> bool,
    ) -> (usize, bool) {
        let mut calls = 0;
        let outcome = budget.spend(is_over, || {
            calls += 1;
            if calls <= failures { Err(Failure::new(Call::Bounds, code, "x")) } else { Ok(()) }
        });
        (calls, outcome.is_ok())
    }

    const PATIENT: RetryBudget = RetryBudget { pause: Duration::ZERO, ..AT_STARTUP };

    #[test]
    fn a_call_of_the_open_transaction_is_made_five_times_at_most() {
        let of = |failures| calls(&IN_TRANSACTION, (Code::TimedOut, failures), || false);
        assert_eq!([0, 1, 4, 5].map(of), [(1, true), (2, true), (5, true), (5, false)]);
    }

    #[test]
    fn a_call_of_the_start_is_made_until_it_is_answered_or_time_or_thread_are_over() {
        assert_eq!(calls(&PATIENT, (Code::TimedOut, 100), || false), (101, true));
        assert_eq!(calls(&PATIENT, (Code::TimedOut, 100), || true), (1, false));
        let spent = RetryBudget { within: Duration::ZERO, ..PATIENT };
        assert_eq!(calls(&spent, (Code::TimedOut, 100), || false), (1, false));
    }

    #[test]
    fn what_no_retry_can_help_comes_back_at_once() {
        assert_eq!(calls(&PATIENT, (Code::Denied, 1), || false), (1, false));
        let failed = || -> Result<(), _> { Err(Failure::new(Call::Bounds, Code::Denied, "x")) };
        assert_eq!(retry_in_transaction(failed).unwrap_err().code, Code::Denied);
        assert_eq!(retry_at_startup(failed).unwrap_err().code, Code::Denied);
        let answered = retry_unless_stopping(|| false, || Ok::<_, Failure>(7));
        assert_eq!(answered.ok(), Some(7));
    }
}
