//! What a tier may cost a read: a time, a number of calls at once, and nothing at all while it fails.
//!
//! A call that is given up (its reader left) says nothing of the tier; one that is late counts as failed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millstream::Clock;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::breaker::{Breaker, Mode, Outcome};
use crate::config;
use crate::metrics::Metrics;

use super::Source;

/// What a tier may cost.
pub struct Guard {
    /// Which it is.
    pub source: Source,
    /// How long a call may take.
    pub wait: Duration,
    /// How many calls at once.
    pub calls_max: usize,
    /// When it is left alone.
    pub breaker: config::Breaker,
    /// Where its faults are counted.
    pub metrics: Arc<Metrics>,
}

/// A tier behind its guard.
pub struct Guarded<T> {
    tier: T,
    guard: Guard,
    breaker: Breaker,
    slots: Semaphore,
}

/// Why a tier did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Its breaker is open.
    Open,
    /// Too many calls are under way.
    Busy,
    /// It failed.
    Failed,
    /// It was late.
    Late,
}

impl<T> Guarded<T> {
    /// `tier`, behind `guard`.
    pub fn new(tier: T, guard: Guard) -> Self {
        let (breaker, slots) = (Breaker::new(guard.breaker), Semaphore::new(guard.calls_max));
        Self { tier, guard, breaker, slots }
    }

    /// The tier itself: a call to it goes through [`Self::ask`].
    pub fn tier(&self) -> &T {
        &self.tier
    }

    /// What its breaker makes of calls.
    pub fn mode(&self) -> Mode {
        self.breaker.mode()
    }

    /// The answer of `call`, if the tier may be asked and answers in time.
    pub async fn ask<V>(
        &self,
        clock: &dyn Clock,
        call: impl Future<Output = Result<V, String>>,
    ) -> Result<V, Passed> {
        let answer = self.guarded(clock, call).await;
        if let Err(passed) = &answer {
            let reason = match passed {
                Passed::Open => "open",
                Passed::Busy => "busy",
                Passed::Failed => "failed",
                Passed::Late => "late",
            };
            let labels = [self.guard.source.name(), reason];
            self.guard.metrics.tier_passed.with_label_values(&labels).inc();
        }
        answer
    }

    async fn guarded<V>(
        &self,
        clock: &dyn Clock,
        call: impl Future<Output = Result<V, String>>,
    ) -> Result<V, Passed> {
        let Ok(_slot) = self.slots.try_acquire() else { return Err(Passed::Busy) };
        if !self.breaker.admits(clock.now()) {
            return Err(Passed::Open);
        }
        let mut reporting = Reporting { breaker: &self.breaker, clock, end: Outcome::Abandoned };
        let answer = timeout(self.guard.wait, call).await;
        reporting.end =
            if matches!(answer, Ok(Ok(_))) { Outcome::Answered } else { Outcome::Failed };
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => {
                tracing::debug!(tier = self.guard.source.name(), fault, "tier failed");
                Err(Passed::Failed)
            }
            Err(_) => Err(Passed::Late),
        }
    }
}

/// Reports how a call ended, also if nobody waits for its end.
struct Reporting<'a> {
    breaker: &'a Breaker,
    clock: &'a dyn Clock,
    end: Outcome,
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.breaker.report(self.end, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use millstream::{ManualClock, Timestamp};

    use super::*;

    fn guarded(wait_ms: u64) -> Guarded<()> {
        let guard = Guard {
            source: Source::Redis,
            wait: Duration::from_millis(wait_ms),
            calls_max: 1,
            breaker: config::Breaker {
                failures: 2,
                window: Duration::from_secs(10),
                open: Duration::from_secs(30),
                back: Duration::from_secs(60),
            },
            metrics: Arc::new(Metrics::new().unwrap()),
        };
        Guarded::new((), guard)
    }

    #[tokio::test]
    async fn a_tier_that_fails_and_is_late_is_soon_not_asked_any_more() {
        let (tier, clock) = (guarded(1), ManualClock::at(Timestamp(0)));
        let failed: Result<(), _> = tier.ask(&clock, ready(Err("down".to_owned()))).await;
        let late: Result<(), _> = tier.ask(&clock, pending()).await;
        let open = tier.ask(&clock, ready(Ok(()))).await;
        assert_eq!([failed, late, open], [Passed::Failed, Passed::Late, Passed::Open].map(Err));
        clock.advance(Duration::from_secs(30));
        assert_eq!(tier.ask(&clock, ready(Ok(7))).await, Ok(7));
    }

    #[tokio::test]
    async fn no_more_calls_than_allowed_are_under_way_and_a_call_given_up_is_no_failure() {
        let (tier, clock) = (guarded(60_000), ManualClock::at(Timestamp(0)));
        for _ in 0..5 {
            let mut first = Box::pin(tier.ask::<()>(&clock, pending()));
            assert_eq!(first.as_mut().now_or_never(), None);
            assert_eq!(tier.ask(&clock, ready(Ok(()))).await, Err(Passed::Busy));
        }
        assert_eq!(tier.ask(&clock, ready(Ok(()))).await, Ok(()));
    }
}
