//! Which likes, comments and shares count, and when: the database against the events.

use std::collections::{BTreeMap, BTreeSet};

use super::deduplication::{accepted, first_events};
use crate::history::{Action, BehaviourEvent, Id, Input, LikeOrComment, Payload, RowChange};

const DAY: i64 = 86_400_000;

/// A like, comment or share that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    pub user: Id,
    pub post: Id,
    pub action: Action,
    pub at: i64,
}

/// All that was done to posts, but for what waited too long for its post.
pub struct Interactions<'h> {
    events: Vec<&'h BehaviourEvent>,
    rows: Vec<(Action, &'h LikeOrComment, bool)>,
    from_database: BTreeSet<(Id, Id, Action)>,
}

impl<'h> Interactions<'h> {
    pub fn of(history: &'h [Input]) -> Self {
        let dropped = dropped(history);
        let kept = |post: Id, arrived: i64| dropped.get(&post).is_none_or(|until| arrived > *until);
        let events = first_events(history)
            .into_iter()
            .filter(|(arrived, event)| kept(event.post, *arrived))
            .map(|(_, event)| event)
            .collect();
        let mut interactions = Self { events, rows: Vec::new(), from_database: BTreeSet::new() };
        for (action, changes) in tables(history) {
            let mut last: BTreeMap<Id, &LikeOrComment> = BTreeMap::new();
            let mut live: BTreeMap<Id, (&LikeOrComment, bool)> = BTreeMap::new();
            for (arrived, change) in changes {
                let id = change.id();
                let before = last.get(&id).copied();
                let after = change.image.row();
                for row in before.into_iter().chain(after) {
                    if kept(row.post, arrived) {
                        interactions.from_database.insert((row.user, row.post, action));
                    }
                }
                last.extend(after.map(|row| (id, row)));
                live.remove(&id);
                live.extend(change.image.live().map(|row| (id, (row, kept(row.post, arrived)))));
            }
            interactions.rows.extend(live.into_values().map(|(row, kept)| (action, row, kept)));
        }
        interactions.rows.retain(|(_, _, kept)| *kept);
        interactions
    }

    /// The events, but for those that waited too long for their post.
    pub fn events(&self) -> &[&'h BehaviourEvent] {
        &self.events
    }

    /// The likes, comments and shares that count.
    pub fn counted(&self) -> Vec<Counted> {
        let mut bags: BTreeMap<(Id, Id, Action), Vec<i64>> = BTreeMap::new();
        for event in &self.events {
            let triple = (event.user, event.post, event.action);
            let interacts = matches!(event.action, Action::Like | Action::Comment | Action::Share);
            if interacts && !self.from_database.contains(&triple) {
                bags.entry(triple).or_default().push(event.time);
            }
        }
        for (action, row, _) in &self.rows {
            bags.entry((row.user, row.post, *action)).or_default().push(row.created_at);
        }
        let mut counted = Vec::new();
        for ((user, post, action), mut times) in bags {
            times.sort();
            if action == Action::Like {
                times.truncate(1);
            }
            counted.extend(times.into_iter().map(|at| Counted { user, post, action, at }));
        }
        counted
    }

    /// The larger of impressions and views, by post.
    pub fn exposures(&self) -> BTreeMap<Id, u32> {
        let mut both: BTreeMap<Id, (u32, u32)> = BTreeMap::new();
        for event in &self.events {
            let (impressions, views) = both.entry(event.post).or_default();
            *impressions += u32::from(event.action == Action::Impression);
            *views += u32::from(event.action == Action::View);
        }
        both.into_iter().map(|(post, (i, v))| (post, i.max(v))).collect()
    }
}

type Logged<'h> = Vec<(i64, &'h RowChange<LikeOrComment>)>;

/// The accepted changes of the two tables, each with its arrival.
fn tables(history: &[Input]) -> [(Action, Logged<'_>); 2] {
    let likes = accepted(history, |payload| match payload {
        Payload::Like(change) => Some(change),
        _ => None,
    });
    let comments = accepted(history, |payload| match payload {
        Payload::Comment(change) => Some(change),
        _ => None,
    });
    [(Action::Like, likes), (Action::Comment, comments)]
}

/// Up to which arrival everything done to a post is dropped, because nobody knew the post for 7 days
/// after the last of it.
fn dropped(history: &[Input]) -> BTreeMap<Id, i64> {
    let mut known: BTreeMap<Id, i64> = BTreeMap::new();
    let posts = accepted(history, |payload| match payload {
        Payload::Post(change) => Some(change),
        _ => None,
    });
    for (arrived, change) in posts {
        if let Some(row) = change.image.row() {
            known.entry(row.id).or_insert(arrived);
        }
    }
    let mut arrivals: BTreeMap<Id, Vec<i64>> = BTreeMap::new();
    // Whom a post is hidden from is nothing that is done to the post.
    let done = first_events(history).into_iter();
    for (arrived, event) in
        done.filter(|(_, event)| !matches!(event.action, Action::Hide | Action::Report))
    {
        arrivals.entry(event.post).or_default().push(arrived);
    }
    for (arrived, change) in tables(history).into_iter().flat_map(|(_, changes)| changes) {
        if let Some(row) = change.image.row() {
            arrivals.entry(row.post).or_default().push(arrived);
        }
    }
    let mut dropped = BTreeMap::new();
    for (post, mut times) in arrivals {
        times.sort();
        let known = known.get(&post).copied().unwrap_or(i64::MAX);
        let waiting: Vec<_> = times.into_iter().filter(|at| *at < known).chain([known]).collect();
        let pairs = waiting.iter().zip(waiting.iter().skip(1));
        let late = pairs.filter(|(at, next)| next.saturating_sub(**at) >= 7 * DAY);
        dropped.extend(late.map(|(at, _)| (post, *at)));
    }
    dropped
}
