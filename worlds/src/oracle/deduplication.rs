//! Which records count at all: changes by their row's high-water mark, events by their first coming.

use std::collections::BTreeMap;

use crate::history::{Action, BehaviourEvent, Id, Image, Input, Payload, RowChange};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// The changes of one table that are newer than all before of their row, with their arrival.
pub fn accepted<'h, R>(
    history: &'h [Input],
    of_table: impl Fn(&'h Payload) -> Option<&'h RowChange<R>>,
) -> Vec<(i64, &'h RowChange<R>)> {
    let mut marks: BTreeMap<&[Id], (u64, bool)> = BTreeMap::new();
    let mut accepted = Vec::new();
    for input in history {
        let Some(change) = of_table(&input.payload) else { continue };
        // Of a deletion and an image with equal marks the deletion wins.
        let mark = (change.lsn, !matches!(change.image, Image::Live(_)));
        if marks.get(&change.key[..]).is_none_or(|highest| mark > *highest) {
            marks.insert(&change.key, mark);
            accepted.push((input.arrived, change));
        }
    }
    accepted
}

/// The events that are first with their id, or come more than 24 h after the one that was, with their arrival.
pub fn first_events(history: &[Input]) -> Vec<(i64, &BehaviourEvent)> {
    // One that counts comes later than all that counted before it, so that the last of them is enough.
    let mut last: BTreeMap<(Id, Name), i64> = BTreeMap::new();
    let mut counted = Vec::new();
    for input in history {
        let Payload::Event(event) = &input.payload else { continue };
        if event.time > input.arrived + 10 * MINUTE {
            continue;
        }
        let named = (event.user, Name::of(event));
        if last.get(&named).is_none_or(|before| input.arrived - before > DAY) {
            last.insert(named, input.arrived);
            counted.push((input.arrived, event));
        }
    }
    counted
}

/// What an event is known by again.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Id(Id),
    /// An event without an id: its post, its action, its second; of what is said against a post its millisecond.
    Made(Id, Action, i64),
}

impl Name {
    fn of(event: &BehaviourEvent) -> Self {
        let is_said = matches!(
            event.action,
            Action::Hide | Action::Report | Action::LessLikeThis | Action::Undo
        );
        let time = if is_said { event.time } else { event.time.div_euclid(1_000) };
        let made = || Self::Made(event.post, event.action, time);
        event.event.map_or_else(made, Self::Id)
    }
}
