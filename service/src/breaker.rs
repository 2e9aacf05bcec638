//! Leaves a failing tier alone, and comes back to it with care.
//!
//! Closed, every call is let through. So many failures within the window open it: no call. After a while it is
//! half open: one call at a time tries, and from the first success on all are let through, but for the
//! time of coming back a single failure opens it again. Pure: the caller brings the time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use millstream::Timestamp;

use crate::config;

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

/// A breaker, shared by all calls to one tier.
#[derive(Debug)]
pub struct Breaker {
    limits: config::Breaker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    since: Timestamp,
    failures: VecDeque<Timestamp>,
    trying: bool,
}

impl Breaker {
    /// A closed one.
    pub fn new(limits: config::Breaker) -> Self {
        let failures = VecDeque::with_capacity(limits.failures);
        let state = State { mode: Mode::Closed, since: Timestamp(0), failures, trying: false };
        Self { limits, state: Mutex::new(state) }
    }

    /// Whether a call may be made now. Whoever is let through reports how it ended.
    pub fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.mode == Mode::Open && now.has_passed(state.since, self.limits.open) {
            state.enter(Mode::HalfOpen, now);
        }
        match state.mode {
            Mode::Closed | Mode::Back => true,
            Mode::Open => false,
            Mode::HalfOpen => !std::mem::replace(&mut state.trying, true),
        }
    }

    /// Notes how a call ended that was let through.
    pub fn report(&self, outcome: Outcome, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (outcome, state.mode) {
            (Outcome::Abandoned, _) => state.trying = false,
            (Outcome::Answered, Mode::HalfOpen) => state.enter(Mode::Back, now),
            (Outcome::Answered, Mode::Back) if now.has_passed(state.since, self.limits.back) => {
                state.enter(Mode::Closed, now);
            }
            (Outcome::Answered, _) | (Outcome::Failed, Mode::Open) => {}
            (Outcome::Failed, Mode::HalfOpen | Mode::Back) => state.enter(Mode::Open, now),
            (Outcome::Failed, Mode::Closed) => {
                let window = self.limits.window;
                state.failures.retain(|at| now.since(*at) < window);
                state.failures.push_back(now);
                if state.failures.len() >= self.limits.failures {
                    state.enter(Mode::Open, now);
                }
            }
        }
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
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(config::Breaker::default())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn fail(breaker: &Breaker, seconds: &[i64]) {
        for second in seconds {
            breaker.report(Outcome::Failed, at(*second));
        }
    }

    #[test]
    fn five_failures_in_ten_seconds_open_it_and_four_do_not() {
        let breaker = breaker();
        fail(&breaker, &[0, 1, 2, 3, 11, 12]);
        assert_eq!(breaker.mode(), Mode::Closed);
        fail(&breaker, &[12]);
        assert_eq!((breaker.mode(), breaker.admits(at(41))), (Mode::Closed, true));
        fail(&breaker, &[12]);
        assert_eq!((breaker.mode(), breaker.admits(at(41))), (Mode::Open, false));
    }

    #[test]
    fn after_thirty_seconds_one_call_tries_and_its_end_decides() {
        let breaker = breaker();
        fail(&breaker, &[0; 5]);
        assert_eq!([29, 30, 30].map(|second| breaker.admits(at(second))), [false, true, false]);
        fail(&breaker, &[31]);
        assert_eq!([60, 61].map(|second| breaker.admits(at(second))), [false, true]);
        breaker.report(Outcome::Answered, at(61));
        assert_eq!((breaker.mode(), breaker.admits(at(61))), (Mode::Back, true));
    }

    #[test]
    fn a_clock_set_back_does_not_keep_it_open() {
        let breaker = breaker();
        fail(&breaker, &[100; 5]);
        assert_eq!([99, 98].map(|second| breaker.admits(at(second))), [true, false]);
    }

    #[test]
    fn a_call_given_up_lets_the_next_one_try() {
        let breaker = breaker();
        fail(&breaker, &[0; 5]);
        assert!(breaker.admits(at(30)));
        breaker.report(Outcome::Abandoned, at(31));
        assert!(breaker.admits(at(31)));
    }

    #[test]
    fn while_coming_back_one_failure_opens_it_and_a_minute_of_answers_closes_it() {
        let back = || {
            let breaker = breaker();
            fail(&breaker, &[0; 5]);
            assert!(breaker.admits(at(30)));
            breaker.report(Outcome::Answered, at(30));
            breaker
        };
        let failing = back();
        fail(&failing, &[31]);
        assert_eq!(failing.mode(), Mode::Open);
        let steady = back();
        steady.report(Outcome::Answered, at(90));
        assert_eq!(steady.mode(), Mode::Closed);
    }
}
