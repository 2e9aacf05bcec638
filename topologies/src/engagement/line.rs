//! When a post's line is sent: its state as the readers' side has it, against its state here.
//!
//! A post that appears or goes, in any way, is sent at once; so is a change of its counts that moves a
//! score. Smaller changes wait 5 s for the next, 60 s at most: lines are exact at rest, and within 0.002
//! of the score before.

use schemas::PostLine;
use serde::Serialize;

use crate::ranking::{Weights, score};

/// How patient a line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePolicy {
    /// A change of the weighted engagement term above this is sent at once.
    pub score_max: f64,
    /// So long after the last change a line is sent.
    pub quiet_ms: i64,
    /// So long after the first unsent change a line is sent at the latest.
    pub unsent_ms_max: i64,
    /// A post older than this has no line.
    pub age_ms_max: i64,
}

impl Default for LinePolicy {
    fn default() -> Self {
        // A ranking is as of a time that has just passed: what it may still choose must not be gone
        // because the clock went on. Ranking itself is exact to the millisecond about 7 days.
        let age_ms_max = 7 * 86_400_000 + 3_600_000;
        Self { score_max: 0.002, quiet_ms: 5_000, unsent_ms_max: 60_000, age_ms_max }
    }
}

/// The line last sent, and since when it is not the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The line; none if nothing was sent, or a null.
    pub line: Option<PostLine>,
    /// The first and the last change that were not sent.
    pub unsent: Option<Unsent>,
}

/// Changes that were not sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// When the first came, ms UTC.
    pub first_ms: i64,
    /// When the last came.
    pub last_ms: i64,
}

/// What to do about a post's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the line is the truth.
    Rest,
    /// Send it; none is a null.
    Send(Option<PostLine>),
    /// Look again at this time.
    Wait(i64),
}

impl Sent {
    /// Decides about the line that is `wanted` at `now`, after a change of the post if `changed`.
    pub fn step(
        &mut self,
        wanted: Option<PostLine>,
        changed: bool,
        now: i64,
        (policy, weights): (&LinePolicy, &Weights),
    ) -> Step {
        if wanted == self.line {
            self.unsent = None;
            return Step::Rest;
        }
        if at_once(self.line, wanted, policy, weights) {
            return self.send(wanted);
        }
        let unsent = match self.unsent {
            Some(unsent) if changed => Unsent { last_ms: now, ..unsent },
            Some(unsent) => unsent,
            None => Unsent { first_ms: now, last_ms: now },
        };
        let due = due(unsent, policy);
        if due <= now {
            return self.send(wanted);
        }
        self.unsent = Some(unsent);
        Step::Wait(due)
    }

    fn send(&mut self, line: Option<PostLine>) -> Step {
        *self = Self { line, unsent: None };
        Step::Send(line)
    }
}

/// When unsent changes are sent if nothing else happens.
pub fn due(unsent: Unsent, policy: &LinePolicy) -> i64 {
    let quiet = unsent.last_ms.saturating_add(policy.quiet_ms);
    quiet.min(unsent.first_ms.saturating_add(policy.unsent_ms_max))
}

fn at_once(
    sent: Option<PostLine>,
    wanted: Option<PostLine>,
    policy: &LinePolicy,
    weights: &Weights,
) -> bool {
    let (Some(sent), Some(wanted)) = (sent, wanted) else { return true };
    let counts = |line: &PostLine| [line.likes, line.comments, line.shares, line.exposures];
    let term = |line: &PostLine| libm::log1p(score::rate(counts(line), weights.points));
    let itself = |line: &PostLine| (line.author, line.created_at_ms, line.content_hash);
    let moved = weights.engagement * (term(&wanted) - term(&sent)).abs();
    itself(&sent) != itself(&wanted) || moved > policy.score_max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(likes: u32, exposures: u32) -> Option<PostLine> {
        Some(PostLine { likes, exposures, ..PostLine::default() })
    }

    fn step(sent: &mut Sent, wanted: Option<PostLine>, now: i64) -> Step {
        sent.step(wanted, true, now, (&LinePolicy::default(), &Weights::v1()))
    }

    #[test]
    fn a_post_that_appears_or_goes_is_sent_at_once_and_once() {
        let mut sent = Sent::default();
        assert_eq!(step(&mut sent, line(0, 0), 0), Step::Send(line(0, 0)));
        assert_eq!(step(&mut sent, line(0, 0), 1), Step::Rest);
        assert_eq!(step(&mut sent, None, 2), Step::Send(None));
        assert_eq!(step(&mut sent, None, 3), Step::Rest);
    }

    #[test]
    fn a_change_that_moves_a_score_is_sent_at_once() {
        let mut sent = Sent { line: line(0, 100), unsent: None };
        assert_eq!(step(&mut sent, line(1, 100), 0), Step::Send(line(1, 100)));
    }

    #[test]
    fn small_changes_wait_five_seconds_for_the_next_and_a_minute_at_most() {
        let mut sent = Sent { line: line(0, 1), unsent: None };
        let mut waits = Vec::new();
        for now in [0, 4_000, 8_000, 58_000] {
            let exposures = u32::try_from(now).unwrap() + 2;
            waits.push(step(&mut sent, line(0, exposures), now));
        }
        let expected = [5_000, 9_000, 13_000, 60_000].map(Step::Wait);
        assert_eq!(waits, expected);
        assert_eq!(step(&mut sent, line(0, 9), 60_000), Step::Send(line(0, 9)));
    }

    #[test]
    fn changes_that_end_where_they_began_are_not_sent() {
        let mut sent = Sent { line: line(5, 1_000_000), unsent: None };
        assert_eq!(step(&mut sent, line(6, 1_000_000), 0), Step::Wait(5_000));
        assert_eq!(step(&mut sent, line(5, 1_000_000), 1), Step::Rest);
        assert_eq!(sent.unsent, None);
    }

    #[test]
    fn a_change_is_weighed_by_what_it_adds_to_the_term_and_not_by_the_term() {
        // The terms are ln 1.004 and ln 1.0045: weighted, the change is 0.0002, their sum 0.0034.
        let mut sum = Sent { line: line(8, 2_000), unsent: None };
        assert_eq!(step(&mut sum, line(9, 2_000), 0), Step::Wait(5_000));
        // Before its weight this change is 0.0025: above the limit, and below it with the weight.
        let mut unweighted = Sent { line: line(0, 400), unsent: None };
        assert_eq!(step(&mut unweighted, line(1, 400), 0), Step::Wait(5_000));
    }

    #[test]
    fn a_change_of_exactly_the_limit_waits() {
        let policy = LinePolicy { score_max: 0.0, ..LinePolicy::default() };
        let mut sent = Sent { line: line(0, 1), unsent: None };
        let step = sent.step(line(0, 2), true, 0, (&policy, &Weights::v1()));
        assert_eq!(step, Step::Wait(5_000));
    }

    #[test]
    fn a_look_at_a_post_that_did_not_change_puts_nothing_off() {
        let mut sent = Sent { line: line(0, 1), unsent: None };
        step(&mut sent, line(0, 2), 0);
        let mut look =
            |now| sent.step(line(0, 2), false, now, (&LinePolicy::default(), &Weights::v1()));
        let looks = [look(4_000), look(4_999), look(5_000)];
        assert_eq!(looks, [Step::Wait(5_000), Step::Wait(5_000), Step::Send(line(0, 2))]);
    }
}
