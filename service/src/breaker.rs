//! Leaves a failing tier alone, and comes back to it with care.
//!
//! Closed, every call is let through. So many failures within the window open it: no call. After a while it is
//! half open: one call at a time tries, and from the first success on all are let through, but for the
//! time of coming back a single failure opens it again. Pure: the caller brings the time.
//!
//! Calls that are under way together and fail together are one failure: under load one short pause of a tier makes
//! dozens of calls late, and must not cost its answers for as long as the breaker is open. And a call that began in
//! another mode says nothing about this one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use millstream::Timestamp;

use crate::config::{self, Live};

/// What the breaker makes of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Calls go through.
    Closed,
    /// None does.
    Open,
    /// One tries.
    HalfOpen,
    /// They go through again, but the first failure opens it.
    Back,
}

impl Mode {
    /// Its name, for readiness and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Back => "back",
        }
    }

    /// Whether calls are not made, but for one that tries.
    pub fn keeps_calls_away(self) -> bool {
        match self {
            Self::Open | Self::HalfOpen => true,
            Self::Closed | Self::Back => false,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered,
    /// Without.
    Failed,
    /// It was given up before it ended: says nothing of the tier.
    Abandoned,
}

/// A call that was let through: what the breaker had seen when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    modes: u64,
    failures: u64,
}

/// A breaker, shared by all calls to one tier.
pub struct Breaker {
    limits: Live<config::Breaker>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    since: Timestamp,
    failures: VecDeque<Timestamp>,
    trying: bool,
    /// How many modes and how many failures there were, ever.
    counted: Admission,
}

impl Breaker {
    /// A closed one.
    pub fn new(limits: impl Into<Live<config::Breaker>>) -> Self {
        let (limits, failures) = (limits.into(), VecDeque::new());
        let (mode, since) = (Mode::Closed, Timestamp(0));
        let counted = Admission { modes: 0, failures: 0 };
        let state = State { mode, since, failures, trying: false, counted };
        Self { limits, state: Mutex::new(state) }
    }

    /// Whether a call may be made now. Whoever is let through reports how it ended.
    pub fn admit(&self, now: Timestamp) -> Option<Admission> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.mode == Mode::Open && now.has_passed(state.since, self.limits.get().open) {
            state.enter(Mode::HalfOpen, now);
        }
        let admitted = match state.mode {
            Mode::Closed | Mode::Back => true,
            Mode::Open => false,
            Mode::HalfOpen => !std::mem::replace(&mut state.trying, true),
        };
        admitted.then_some(state.counted)
    }

    /// Whether an open one lets a call try before its time, because no other tier is left. Whoever is let through reports
    /// how it ended.
    pub fn admit_early(&self, now: Timestamp) -> Option<Admission> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.mode == Mode::Open {
            state.enter(Mode::HalfOpen, now);
        }
        let admitted = match state.mode {
            Mode::HalfOpen => !std::mem::replace(&mut state.trying, true),
            Mode::Closed | Mode::Back | Mode::Open => false,
        };
        admitted.then_some(state.counted)
    }

    /// Notes how a call ended that was let through; answers from which mode to which this led, if it is another, or if a
    /// failure is the first in the window.
    pub fn report(
        &self,
        admission: Admission,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<(Mode, Mode)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if admission.modes != state.counted.modes {
            return None;
        }
        let (before, limits) = (state.mode, self.limits.get());
        let mut is_news = false;
        match (outcome, state.mode) {
            (Outcome::Abandoned, _) => state.trying = false,
            (Outcome::Answered, Mode::HalfOpen) => state.enter(Mode::Back, now),
            (Outcome::Answered, Mode::Back) if now.has_passed(state.since, limits.back) => {
                state.enter(Mode::Closed, now);
            }
            (Outcome::Answered, _) | (Outcome::Failed, Mode::Open) => {}
            (Outcome::Failed, Mode::HalfOpen | Mode::Back) => state.enter(Mode::Open, now),
            (Outcome::Failed, Mode::Closed) if admission.failures == state.counted.failures => {
                state.counted.failures += 1;
                state.failures.retain(|at| now.since(*at) < limits.window);
                state.failures.push_back(now);
                is_news = state.failures.len() == 1;
                if state.failures.len() >= limits.failures {
                    state.enter(Mode::Open, now);
                }
            }
            (Outcome::Failed, Mode::Closed) => {}
        }
        is_news |= admission.modes != state.counted.modes;
        is_news.then_some((before, state.mode))
    }

    /// What it makes of calls.
    pub fn mode(&self) -> Mode {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mode
    }
}

impl State {
    fn enter(&mut self, mode: Mode, now: Timestamp) {
        self.mode = mode;
        self.since = now;
        self.failures.clear();
        self.trying = false;
        self.counted.modes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(config::Breaker::default())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    /// Calls one after the other that fail, as far as they are let through.
    fn fail(breaker: &Breaker, seconds: &[i64]) {
        for second in seconds {
            if let Some(admission) = breaker.admit(at(*second)) {
                breaker.report(admission, Outcome::Failed, at(*second));
            }
        }
    }

    fn admits(breaker: &Breaker, second: i64) -> bool {
        breaker.admit(at(second)).is_some()
    }

    #[test]
    fn five_failures_in_ten_seconds_open_it_and_four_do_not() {
        let breaker = breaker();
        fail(&breaker, &[0, 1, 2, 3, 11, 12]);
        assert_eq!(breaker.mode(), Mode::Closed);
        fail(&breaker, &[12]);
        assert_eq!((breaker.mode(), admits(&breaker, 41)), (Mode::Closed, true));
        fail(&breaker, &[12]);
        assert_eq!((breaker.mode(), admits(&breaker, 41)), (Mode::Open, false));
    }

    #[test]
    fn the_first_failure_of_a_window_is_news_and_so_is_every_other_mode() {
        let breaker = breaker();
        let news = [0, 1, 20, 21, 22, 23, 24].map(|second| {
            let admission = breaker.admit(at(second)).unwrap();
            breaker.report(admission, Outcome::Failed, at(second))
        });
        let first = Some((Mode::Closed, Mode::Closed));
        let open = Some((Mode::Closed, Mode::Open));
        assert_eq!(news, [first, None, first, None, None, None, open]);
    }

    #[test]
    fn one_that_is_left_alone_may_be_tried_early_by_one_call_at_a_time() {
        let breaker = breaker();
        assert!(breaker.admit_early(at(0)).is_none(), "it is not left alone");
        fail(&breaker, &[0; 5]);
        let trying = breaker.admit_early(at(1)).unwrap();
        assert!(breaker.admit_early(at(1)).is_none() && !admits(&breaker, 1));
        assert_eq!(
            breaker.report(trying, Outcome::Failed, at(1)),
            Some((Mode::HalfOpen, Mode::Open))
        );
        let trying = breaker.admit_early(at(2)).unwrap();
        assert_eq!(
            breaker.report(trying, Outcome::Answered, at(2)),
            Some((Mode::HalfOpen, Mode::Back))
        );
        assert!(admits(&breaker, 2));
    }

    #[test]
    fn calls_that_fail_together_are_one_failure() {
        let breaker = breaker();
        for second in 0..4 {
            let together = [(); 50].map(|()| breaker.admit(at(second)).unwrap());
            for one in together {
                breaker.report(one, Outcome::Failed, at(second));
            }
        }
        assert_eq!(breaker.mode(), Mode::Closed);
        fail(&breaker, &[4]);
        assert_eq!(breaker.mode(), Mode::Open);
    }

    #[test]
    fn after_thirty_seconds_one_call_tries_and_its_end_decides() {
        let breaker = breaker();
        fail(&breaker, &[0; 5]);
        assert!(!admits(&breaker, 29));
        let trying = breaker.admit(at(30)).unwrap();
        assert!(!admits(&breaker, 30));
        breaker.report(trying, Outcome::Failed, at(31));
        assert!(!admits(&breaker, 60));
        let trying = breaker.admit(at(61)).unwrap();
        breaker.report(trying, Outcome::Answered, at(61));
        assert_eq!((breaker.mode(), admits(&breaker, 61)), (Mode::Back, true));
    }

    #[test]
    fn a_call_of_an_earlier_mode_decides_nothing() {
        let breaker = breaker();
        let early = [(); 3].map(|()| breaker.admit(at(0)).unwrap());
        fail(&breaker, &[0; 5]);
        let trying = breaker.admit(at(30)).unwrap();
        breaker.report(early[0], Outcome::Abandoned, at(30));
        assert!(!admits(&breaker, 30), "one call tries already");
        breaker.report(early[1], Outcome::Answered, at(30));
        assert_eq!(breaker.mode(), Mode::HalfOpen);
        breaker.report(trying, Outcome::Answered, at(30));
        breaker.report(early[2], Outcome::Failed, at(30));
        assert_eq!(breaker.mode(), Mode::Back);
    }

    #[test]
    fn a_clock_set_back_does_not_keep_it_open() {
        let breaker = breaker();
        fail(&breaker, &[100; 5]);
        assert_eq!([99, 98].map(|second| admits(&breaker, second)), [true, false]);
    }

    #[test]
    fn a_call_given_up_lets_the_next_one_try() {
        let breaker = breaker();
        fail(&breaker, &[0; 5]);
        let trying = breaker.admit(at(30)).unwrap();
        breaker.report(trying, Outcome::Abandoned, at(31));
        assert!(admits(&breaker, 31));
    }

    #[test]
    fn while_coming_back_one_failure_opens_it_and_a_minute_of_answers_closes_it() {
        let answered = |breaker: &Breaker, second| {
            let admission = breaker.admit(at(second)).unwrap();
            breaker.report(admission, Outcome::Answered, at(second));
        };
        let back = || {
            let breaker = breaker();
            fail(&breaker, &[0; 5]);
            answered(&breaker, 30);
            breaker
        };
        let failing = back();
        fail(&failing, &[31]);
        assert_eq!(failing.mode(), Mode::Open);
        let steady = back();
        answered(&steady, 90);
        assert_eq!(steady.mode(), Mode::Closed);
    }
}
