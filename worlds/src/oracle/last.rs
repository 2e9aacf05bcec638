//! What is left of each row after its last change.

use std::collections::{BTreeMap, BTreeSet};

use super::deduplication::accepted;
use crate::history::{Id, Image, Input, Payload, PostRow};

/// The last image of a post.
pub struct Known {
    /// Its columns.
    pub row: PostRow,
    /// Whether it exists, undeleted.
    pub live: bool,
}

/// Every post of which an image came.
pub fn posts(history: &[Input]) -> BTreeMap<Id, Known> {
    let mut posts: BTreeMap<Id, Known> = BTreeMap::new();
    let changes = accepted(history, |payload| match payload {
        Payload::Post(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        let live = matches!(change.image, Image::Live(_));
        if let Some(row) = change.image.row() {
            posts.insert(row.id, Known { row: row.clone(), live });
        } else if let Some(known) = posts.get_mut(&change.id()) {
            known.live = false;
        }
    }
    posts
}

/// The users who are gone.
pub fn gone(history: &[Input]) -> BTreeSet<Id> {
    let mut gone = BTreeSet::new();
    let changes = accepted(history, |payload| match payload {
        Payload::User(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        match change.image.live() {
            Some(row) => gone.remove(&row.id),
            None => gone.insert(change.id()),
        };
    }
    gone
}

/// Whom each follows.
pub fn follows(history: &[Input]) -> BTreeMap<Id, BTreeSet<Id>> {
    let mut follows: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let changes = accepted(history, |payload| match payload {
        Payload::Follow(change) => Some(change),
        _ => None,
    });
    for (_, change) in changes {
        let (follower, followee) = change.pair();
        let followees = follows.entry(follower).or_default();
        match change.image.live() {
            Some(_) => followees.insert(followee),
            None => followees.remove(&followee),
        };
    }
    follows
}
