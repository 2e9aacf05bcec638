//! What a tier may cost a read: a time, a number of calls at once, and nothing at all while it fails.
//!
//! A call that is given up (its reader left) says nothing of the tier, nor does one that finds it without state;
//! one that is late counts as failed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millstream::Clock;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::breaker::{Admission, Breaker, Mode, Outcome};
use crate::config::{self, Live};
use crate::flags::{Flag, FollowedFlags};
use crate::metrics::Metrics;

use super::{Source, TierFault};

/// What a tier may cost.
pub struct Guard {
    /// Which it is.
    pub source: Source,
    /// How long a call may take.
    pub wait: Duration,
    /// How many calls at once.
    pub calls_max: usize,
    /// When it is left alone.
    pub breaker: Live<config::Breaker>,
    /// Whether it is turned off.
    pub flags: FollowedFlags,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It is turned off.
    Off,
    /// Its breaker is open.
    Open,
    /// Too many calls are under way.
    Busy,
    /// It failed.
    Failed(String),
    /// It was late.
    Late,
    /// It is well, but without the state that was asked for.
    Unready(String),
}

impl<T> Guarded<T> {
    /// `tier`, behind `guard`.
    pub fn new(tier: T, guard: Guard) -> Self {
        let (breaker, slots) =
            (Breaker::new(guard.breaker.clone()), Semaphore::new(guard.calls_max));
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

    /// The answer of `asked`, if the tier may be asked and answers in time.
    pub async fn ask<V>(
        &self,
        clock: &dyn Clock,
        asked: impl Future<Output = Result<V, TierFault>>,
    ) -> Result<V, Passed> {
        if self.is_off() {
            return self.passed(Passed::Off);
        }
        let admission = self.breaker.admit(clock.now());
        self.answer(clock, admission, asked).await
    }

    /// The same of a tier that is left alone after faults, because no other is left: one call at a time. `Err` if it is not
    /// left alone.
    pub async fn ask_left_alone<V>(
        &self,
        clock: &dyn Clock,
        asked: impl Future<Output = Result<V, TierFault>>,
    ) -> Result<V, Passed> {
        if self.is_off() {
            return self.passed(Passed::Off);
        }
        // Who is not left alone was asked, and is not passed by for this.
        let admission = self.breaker.admit_early(clock.now()).ok_or(Passed::Open)?;
        self.answer(clock, Some(admission), asked).await
    }

    async fn answer<V>(
        &self,
        clock: &dyn Clock,
        admission: Option<Admission>,
        asked: impl Future<Output = Result<V, TierFault>>,
    ) -> Result<V, Passed> {
        let answer = match (admission, self.slots.try_acquire()) {
            (Some(admission), slot) => {
                let tier = self.guard.source.name();
                let mut reporting = Reporting::of(tier, &self.breaker, clock, admission);
                match slot {
                    Ok(_slot) => reporting.until(self.guard.wait, asked).await,
                    Err(_) => Err(Passed::Busy),
                }
            }
            (None, _) => Err(Passed::Open),
        };
        answer.or_else(|passed| self.passed(passed))
    }

    /// Whether operators turned it off.
    pub fn is_off(&self) -> bool {
        !self.guard.flags.known().is_on(Flag::Tier(self.guard.source))
    }

    fn passed<V>(&self, passed: Passed) -> Result<V, Passed> {
        let tier = self.guard.source.name();
        tracing::debug!(tier, ?passed, "tier passed by");
        self.guard.metrics.tier_passed.with_label_values(&[tier, passed.reason()]).inc();
        Err(passed)
    }
}

impl Passed {
    /// Its name in metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Open => "open",
            Self::Busy => "busy",
            Self::Failed(_) => "failed",
            Self::Late => "late",
            Self::Unready(_) => "unready",
        }
    }
}

/// The answer of `asked`, if the breaker of `name` has given an `admission` and it comes in time.
pub async fn call<V>(
    (name, breaker): (&str, &Breaker),
    clock: &dyn Clock,
    admission: Option<Admission>,
    wait: Duration,
    asked: impl Future<Output = Result<V, TierFault>>,
) -> Result<V, Passed> {
    let admission = admission.ok_or(Passed::Open)?;
    Reporting::of(name, breaker, clock, admission).until(wait, asked).await
}

/// Reports how a call ended, also if nobody waits for its end.
struct Reporting<'a> {
    name: &'a str,
    breaker: &'a Breaker,
    clock: &'a dyn Clock,
    admission: Admission,
    end: Outcome,
    /// Why it failed, if it did.
    why: String,
}

impl<'a> Reporting<'a> {
    fn of(name: &'a str, breaker: &'a Breaker, clock: &'a dyn Clock, admission: Admission) -> Self {
        let (end, why) = (Outcome::Abandoned, String::new());
        Self { name, breaker, clock, admission, end, why }
    }

    async fn until<V>(
        &mut self,
        wait: Duration,
        asked: impl Future<Output = Result<V, TierFault>>,
    ) -> Result<V, Passed> {
        let (end, answer) = match timeout(wait, asked).await {
            Ok(Ok(value)) => (Outcome::Answered, Ok(value)),
            Ok(Err(TierFault::Unready(words))) => (Outcome::Abandoned, Err(Passed::Unready(words))),
            Ok(Err(TierFault::Failed(words))) => {
                self.why.clone_from(&words);
                (Outcome::Failed, Err(Passed::Failed(words)))
            }
            Err(_) => {
                self.why = format!("no answer in {} ms", wait.as_millis());
                (Outcome::Failed, Err(Passed::Late))
            }
        };
        self.end = end;
        answer
    }
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        match self.breaker.report(self.admission, self.end, self.clock.now()) {
            Some((Mode::Closed | Mode::Back, Mode::Open)) => {
                let why = &self.why;
                tracing::warn!(
                    tier = self.name,
                    why,
                    "it fails again and again, and is left alone"
                );
            }
            Some((Mode::Closed, Mode::Closed)) => {
                tracing::warn!(tier = self.name, why = self.why, "a call failed");
            }
            Some((_, Mode::Back)) => tracing::info!(tier = self.name, "it answers again"),
            Some((_, Mode::Open | Mode::Closed | Mode::HalfOpen)) | None => {}
        }
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
            breaker: config::Breaker { failures: 2, ..config::Breaker::default() }.into(),
            flags: FollowedFlags::default(),
            metrics: Arc::new(Metrics::new().unwrap()),
        };
        Guarded::new((), guard)
    }

    fn down() -> TierFault {
        TierFault::Failed("down".to_owned())
    }

    #[tokio::test]
    async fn a_tier_without_the_state_is_asked_again_and_again() {
        let (tier, clock) = (guarded(60_000), ManualClock::at(Timestamp(0)));
        for _ in 0..5 {
            let opening = ready(Err(TierFault::Unready("opening".to_owned())));
            let answer: Result<(), _> = tier.ask(&clock, opening).await;
            assert_eq!(answer, Err(Passed::Unready("opening".to_owned())));
        }
        assert_eq!(tier.ask(&clock, ready(Ok(()))).await, Ok(()));
    }

    #[tokio::test]
    async fn a_tier_that_fails_and_is_late_is_soon_not_asked_any_more() {
        let (tier, clock) = (guarded(1), ManualClock::at(Timestamp(0)));
        let failed: Result<(), _> = tier.ask(&clock, ready(Err(down()))).await;
        let late: Result<(), _> = tier.ask(&clock, pending()).await;
        let open = tier.ask(&clock, ready(Ok(()))).await;
        let words = Passed::Failed("down".to_owned());
        assert_eq!([failed, late, open], [words, Passed::Late, Passed::Open].map(Err));
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
