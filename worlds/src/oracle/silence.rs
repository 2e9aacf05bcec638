//! What readers do not want to see: whom they mute or block, of whom they wish less, and which posts they hid.

use std::collections::{BTreeMap, BTreeSet};

use super::deduplication::{accepted, first_events};
use super::last::Known;
use super::{DAY, Why};
use crate::history::{Action, BehaviourEvent, Id, Input, Payload, RowChange, SilenceRow};

/// A hidden post comes back after so long.
const HIDDEN: i64 = 90 * DAY;
/// A wish for less holds on so many days.
const LESS_DAYS: i64 = 14;

/// See the module.
pub struct Silences {
    mutes: BTreeSet<(Id, Id)>,
    blocks: BTreeSet<(Id, Id)>,
    /// When each said last that a post is to be hidden, and that this is taken back.
    hidden: BTreeMap<(Id, Id), [Option<i64>; 2]>,
    /// When each wished last for less of a post's author, and took it back.
    less: BTreeMap<Id, BTreeMap<Id, [Option<i64>; 2]>>,
}

impl Silences {
    /// `kept` are the events but for those that waited too long for their post.
    pub fn of(history: &[Input], kept: &[&BehaviourEvent]) -> Self {
        let mut silences = Self {
            mutes: rows(history, |payload| match payload {
                Payload::Mute(change) => Some(change),
                _ => None,
            }),
            blocks: rows(history, |payload| match payload {
                Payload::Block(change) => Some(change),
                _ => None,
            }),
            hidden: BTreeMap::new(),
            less: BTreeMap::new(),
        };
        for (_, event) in first_events(history) {
            let said = silences.hidden.entry((event.user, event.post)).or_default();
            note(said, event, &[Action::Hide, Action::Report]);
        }
        for event in kept {
            let of_user = silences.less.entry(event.user).or_default();
            note(of_user.entry(event.post).or_default(), event, &[Action::LessLikeThis]);
        }
        silences
    }

    /// Why `reader` sees nothing of `author`, if that is so.
    pub fn of_author(
        &self,
        (reader, author): (Id, Id),
        posts: &BTreeMap<Id, Known>,
        as_of: i64,
    ) -> Option<Why> {
        if self.blocks.contains(&(reader, author)) || self.blocks.contains(&(author, reader)) {
            return Some(Why::Blocked);
        }
        if self.mutes.contains(&(reader, author)) {
            return Some(Why::Muted);
        }
        let wishes = self.less.get(&reader).into_iter().flatten();
        let of_author = wishes
            .filter(|(post, _)| posts.get(*post).is_some_and(|known| known.row.user == author));
        let days = of_author.filter_map(|(_, said)| holds(*said)).map(|at| at.div_euclid(DAY));
        let today = as_of.div_euclid(DAY);
        let last = days.filter(|day| *day <= today && *day > today - LESS_DAYS).max()?;
        Some(Why::Less((last + LESS_DAYS) * DAY))
    }

    /// Since when `reader` hides a post, if they do.
    pub fn of_post(&self, reader: Id, post: Id, as_of: i64) -> Option<Why> {
        let since = holds(*self.hidden.get(&(reader, post))?)?;
        (since > as_of - HIDDEN).then_some(Why::Hidden(since))
    }
}

/// The rows that live: who, and whom.
fn rows<'h>(
    history: &'h [Input],
    of_table: impl Fn(&'h Payload) -> Option<&'h RowChange<SilenceRow>>,
) -> BTreeSet<(Id, Id)> {
    let mut live = BTreeSet::new();
    for (_, change) in accepted(history, of_table) {
        match change.image.live() {
            Some(_) => live.insert(change.pair()),
            None => live.remove(&change.pair()),
        };
    }
    live
}

fn note([said, undone]: &mut [Option<i64>; 2], event: &BehaviourEvent, actions: &[Action]) {
    if actions.contains(&event.action) {
        *said = (*said).max(Some(event.time));
    }
    if event.action == Action::Undo {
        *undone = (*undone).max(Some(event.time));
    }
}

fn holds([said, undone]: [Option<i64>; 2]) -> Option<i64> {
    said.filter(|_| said > undone)
}
