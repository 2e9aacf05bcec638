//! What will happen because of what happened: plans in the order of their times, then of their making.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::history::{BehaviourEvent, LikeOrComment};

/// Something that will happen. Users and posts are named by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// The database has the like of which an event told.
    Like { user: u32, post: u32 },
    /// The database has the comment of which an event told.
    Comment { user: u32, post: u32 },
    /// A like is taken back, and its user may like the post again.
    Unlike { row: LikeOrComment, user: u32, post: u32 },
    /// A comment is deleted.
    Uncomment(LikeOrComment),
    /// A post is deleted,
    DeletePost(u32),
    /// and is there again.
    RestorePost(u32),
    /// A user is deleted,
    Leave(u32),
    /// and is there again.
    Return(u32),
    /// A client that heard no answer sends an event again.
    Repeat(BehaviourEvent),
}

/// Plans that wait.
#[derive(Debug, Default)]
pub struct Plans {
    waiting: BinaryHeap<Waiting>,
    made: u64,
}

/// A plan with its place.
#[derive(Debug)]
struct Waiting {
    at: Reverse<(i64, u64)>,
    plan: Plan,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Plans {
    /// Plans something for `at`.
    pub fn add(&mut self, at: i64, plan: Plan) {
        self.made += 1;
        self.waiting.push(Waiting { at: Reverse((at, self.made)), plan });
    }

    /// When the first of them is due.
    pub fn next_at(&self) -> Option<i64> {
        self.waiting.peek().map(|waiting| waiting.at.0.0)
    }

    /// The first of them.
    pub fn take(&mut self) -> Option<Plan> {
        self.waiting.pop().map(|waiting| waiting.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_by_time_and_those_of_one_time_as_they_were_made() {
        let mut plans = Plans::default();
        plans.add(2, Plan::Leave(3));
        plans.add(1, Plan::Leave(2));
        plans.add(1, Plan::Leave(1));
        assert_eq!(plans.next_at(), Some(1));
        let taken: Vec<_> = std::iter::from_fn(|| plans.take()).collect();
        assert_eq!(taken, [2, 1, 3].map(Plan::Leave));
    }
}
