//! A feed that must be: its items in their places, and the same kept items read at a later time.

use std::collections::BTreeSet;

use crate::history::Id;

const HOUR: i64 = 3_600_000;
const KEPT_MAX: usize = 100;

/// A feed that must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The reader follows nobody and did nothing.
    pub cold_start: bool,
    /// The best first, but for spacing.
    pub items: Vec<ExpectedItem>,
}

/// An item that must be in it, in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedItem {
    /// Which post.
    pub post: Id,
    /// Whose.
    pub author: Id,
    /// When it was written, ms UTC.
    pub created_at: i64,
    /// L.
    pub likes: u32,
    /// C.
    pub comments: u32,
    /// S.
    pub shares: u32,
    /// E.
    pub exposures: u32,
    /// A.
    pub affinity: u32,
    /// 1 follow, 2 trending, 4 affinity.
    pub sources: u8,
    /// 0 none, 1 spaced, 2 distance dropped, 3 top five dropped.
    pub rule: u8,
    /// As of the feed's time.
    pub score: f64,
}

impl Expected {
    /// What a reader is served of these kept items at `now`: scored, ordered and spaced again.
    pub fn served(&self, now: i64) -> Self {
        let mut items = self.items.clone();
        items.iter_mut().for_each(|item| item.score(now));
        sort(&mut items);
        Self { cold_start: self.cold_start, items: spaced(items) }
    }
}

impl ExpectedItem {
    /// Scores it as of a time.
    pub(super) fn score(&mut self, as_of: i64) {
        let age_hours = (as_of - self.created_at).max(0) as f64 / HOUR as f64;
        let [likes, comments, shares] = [self.likes, self.comments, self.shares].map(f64::from);
        let points = likes + 2.0 * comments + 3.0 * shares;
        let freshness = (-0.1 * age_hours).exp();
        let engagement = (points / f64::from(self.exposures.max(1))).ln_1p();
        let affinity = f64::from(self.affinity).ln_1p();
        self.score = 0.30 * freshness + 0.40 * engagement + 0.30 * affinity;
    }
}

/// The best first, ties by creation and then by id.
pub(super) fn sort(items: &mut [ExpectedItem]) {
    items.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        by_score.then(b.created_at.cmp(&a.created_at)).then(a.post.cmp(&b.post))
    });
}

/// The first 100 after spacing.
pub(super) fn spaced(mut remaining: Vec<ExpectedItem>) -> Vec<ExpectedItem> {
    let mut placed: Vec<ExpectedItem> = Vec::new();
    while !remaining.is_empty() && placed.len() < KEPT_MAX {
        let first_five = placed.len() < 5;
        let near: BTreeSet<Id> = placed.iter().rev().take(2).map(|item| item.author).collect();
        let top: BTreeSet<Id> = placed.iter().map(|item| item.author).collect();
        let keeps_distance = |item: &ExpectedItem| !near.contains(&item.author);
        let keeps_top = |item: &ExpectedItem| !first_five || !top.contains(&item.author);
        let both = remaining.iter().position(|item| keeps_distance(item) && keeps_top(item));
        let without_distance = remaining.iter().position(keeps_top);
        let (at, rule) = match (both, without_distance) {
            (Some(0), _) => (0, 0),
            (Some(at), _) => (at, 1),
            (None, Some(at)) => (at, 2),
            (None, None) => (0, 3),
        };
        let item = remaining.remove(at);
        placed.push(ExpectedItem { rule, ..item });
    }
    placed
}
