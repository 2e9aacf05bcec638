//! What will happen, and when: plans in the order of their times, then of their making.

use std::collections::BTreeMap;

const HOUR_MS: f64 = 3_600_000.0;

/// Something that will happen. People and posts are named by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Somebody writes a post.
    Write,
    /// Somebody follows somebody.
    Meet,
    /// This person is shown this post,
    Show(usize, usize),
    /// looks at it,
    View(usize, usize),
    /// likes it,
    Like(usize, usize),
    /// comments on it,
    Comment(usize, usize),
    /// shares it,
    Share(usize, usize),
    /// takes the like back.
    Unlike(usize, usize),
    /// Its author corrects it.
    Edit(usize),
    /// Its author deletes it.
    Delete(usize),
}

/// Plans that wait.
#[derive(Debug, Default)]
pub struct Plans {
    waiting: BTreeMap<(i64, u64), Plan>,
    made: u64,
}

impl Plans {
    /// Plans something for `at`.
    pub fn add(&mut self, at: i64, plan: Plan) {
        self.made += 1;
        self.waiting.insert((at, self.made), plan);
    }

    /// The first plan whose time has come by `now`.
    pub fn due(&mut self, now: i64) -> Option<(i64, Plan)> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let ((at, _), plan) = first.remove_entry();
        Some((at, plan))
    }

    /// Brings everything that waits nearer to `now`, by `pace`.
    pub fn hurry(&mut self, now: i64, pace: f64) {
        let nearer = |at: i64| now + ((at - now) as f64 / pace) as i64;
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().map(|((at, n), plan)| ((nearer(at), n), plan)).collect();
    }
}

/// How lively an hour is: 1 on average, a third at four in the morning, most in the evening. At a higher
/// pace days pass by faster.
pub fn rhythm(at: i64, pace: f64) -> f64 {
    let hour = (at as f64 * pace / HOUR_MS).rem_euclid(24.0);
    1.0 - 0.65 * ((hour - 4.0) / 24.0 * std::f64::consts::TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_by_time_and_those_of_one_time_as_they_were_made() {
        let mut plans = Plans::default();
        plans.add(2, Plan::Write);
        plans.add(1, Plan::Meet);
        plans.add(1, Plan::Edit(7));
        let due: Vec<_> = std::iter::from_fn(|| plans.due(1)).collect();
        assert_eq!(due, [(1, Plan::Meet), (1, Plan::Edit(7))]);
    }
}
