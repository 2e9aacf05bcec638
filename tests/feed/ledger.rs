//! Which records count at all: changes by their row's high-water mark, events by their first coming.

use std::collections::BTreeMap;

use crate::history::{Behaviour, Change, Id, Image, Input, What};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// The changes of one table that are newer than all before of their row, with their arrival.
pub fn accepted<'h, R>(
    history: &'h [Input],
    of_table: impl Fn(&'h What) -> Option<&'h Change<R>>,
) -> Vec<(i64, &'h Change<R>)> {
    let mut marks: BTreeMap<&[Id], (u64, bool)> = BTreeMap::new();
    let mut accepted = Vec::new();
    for input in history {
        let Some(change) = of_table(&input.what) else { continue };
        // Of a deletion and an image with equal marks the deletion wins.
        let mark = (change.lsn, !matches!(change.image, Image::Live(_)));
        if marks.get(&change.key[..]).is_none_or(|held| mark > *held) {
            marks.insert(&change.key, mark);
            accepted.push((input.arrived, change));
        }
    }
    accepted
}

/// The events that are first with their id, or come more than 24 h after the one that was.
pub fn first_events(history: &[Input]) -> Vec<&Behaviour> {
    first_events_with_arrival(history).into_iter().map(|(_, event)| event).collect()
}

/// The same, with their arrival.
pub fn first_events_with_arrival(history: &[Input]) -> Vec<(i64, &Behaviour)> {
    let mut counted: Vec<(i64, &Behaviour)> = Vec::new();
    for input in history {
        let What::Event(event) = &input.what else { continue };
        if event.time > input.arrived + 10 * MINUTE {
            continue;
        }
        let repeats = |(arrived, other): &(i64, &Behaviour)| {
            same_event(other, event) && input.arrived - arrived <= DAY
        };
        if !counted.iter().any(repeats) {
            counted.push((input.arrived, event));
        }
    }
    counted
}

fn same_event(a: &Behaviour, b: &Behaviour) -> bool {
    let named = |event: &Behaviour| (event.post, event.action, event.time.div_euclid(1_000));
    a.user == b.user
        && match (a.event, b.event) {
            (Some(a), Some(b)) => a == b,
            (None, None) => named(a) == named(b),
            (Some(_), None) | (None, Some(_)) => false,
        }
}
