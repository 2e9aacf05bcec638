//! Whom a user must be suggested, by a naive reading: every path of two steps, walked one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Oracle, Why};
use crate::history::Id;

/// How far paths are walked.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many of those whom the user follows.
    pub followed: usize,
    /// So many of each one's followees, and of their followers.
    pub neighbours: usize,
}

/// Somebody who must be suggested.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggested {
    /// Who.
    pub user: Id,
    /// How much speaks for them.
    pub score: f64,
    /// How many follow them, of those whom the user follows; how many these follow; how many of both are named by the rules.
    pub friends: usize,
    /// How many they follow together with the user.
    pub same_people: usize,
    /// The user's interactions with them.
    pub interactions: u32,
}

impl Oracle {
    /// Whom `user` must be suggested as of `as_of`, the best first, given whom they dismissed.
    pub fn suggestions(
        &self,
        user: Id,
        as_of: i64,
        dismissed: &BTreeSet<Id>,
        bounds: Bounds,
    ) -> Vec<Suggested> {
        let (followed, affinity) = (self.followees(user), self.affinity(user, as_of));
        let close = |of: &Id| affinity.get(of).copied().unwrap_or(0);
        let mut walked: Vec<Id> = followed.iter().copied().collect();
        walked.sort_by(|a, b| close(b).cmp(&close(a)).then(a.cmp(b)));
        walked.truncate(bounds.followed);
        let mut paths: BTreeMap<Id, [Vec<f64>; 2]> = BTreeMap::new();
        for through in walked.into_iter().filter(|of| !self.is_gone(*of)) {
            let followers: Vec<Id> = self.followers(through);
            let strength =
                (1.0 + f64::from(close(&through)).ln_1p()) / (2.0 + followers.len() as f64).ln();
            for whom in self.followees(through).into_iter().take(bounds.neighbours) {
                paths.entry(whom).or_default()[0].push(strength);
            }
            for whom in followers.into_iter().take(bounds.neighbours) {
                paths.entry(whom).or_default()[1].push(strength);
            }
        }
        for author in affinity.keys() {
            paths.entry(*author).or_default();
        }
        let wanted = paths.into_iter().filter(|(whom, _)| {
            let silenced = self.silences.of_author((user, *whom), &self.posts, as_of);
            *whom != user
                && !followed.contains(whom)
                && !dismissed.contains(whom)
                && !self.is_gone(*whom)
                && !matches!(silenced, Some(Why::Muted | Why::Blocked))
        });
        let mut suggested: Vec<_> = wanted
            .map(|(whom, [friends, same_people])| {
                let sum = |of: &[f64]| of.iter().sum::<f64>();
                let interactions = close(&whom);
                let score =
                    sum(&friends) + 0.5 * sum(&same_people) + f64::from(interactions).ln_1p();
                let (friends, same_people) = (friends.len(), same_people.len());
                Suggested { user: whom, score, friends, same_people, interactions }
            })
            .collect();
        suggested.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.user.cmp(&b.user)));
        suggested
    }

    /// Who follows a user, ascending.
    fn followers(&self, of: Id) -> Vec<Id> {
        let all = self.follows.iter().filter(|(_, followees)| followees.contains(&of));
        all.map(|(follower, _)| *follower).collect()
    }
}
