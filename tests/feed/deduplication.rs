//! Which records count at all: changes by their row's high-water mark, events by their first coming.

use std::collections::BTreeMap;

use crate::history::{BehaviourEvent, Id, Image, Input, Payload, RowChange};

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

/// The events that are first with their id, or come more than 24 h after the one that was.
pub fn first_events(history: &[Input]) -> Vec<&BehaviourEvent> {
    first_events_with_arrival(history).into_iter().map(|(_, event)| event).collect()
}

/// The same, with their arrival.
pub fn first_events_with_arrival(history: &[Input]) -> Vec<(i64, &BehaviourEvent)> {
    let mut counted: Vec<(i64, &BehaviourEvent)> = Vec::new();
    for input in history {
        let Payload::Event(event) = &input.payload else { continue };
        if event.time > input.arrived + 10 * MINUTE {
            continue;
        }
        let repeats = |(arrived, other): &(i64, &BehaviourEvent)| {
            same_event(other, event) && input.arrived - arrived <= DAY
        };
        if !counted.iter().any(repeats) {
            counted.push((input.arrived, event));
        }
    }
    counted
}

fn same_event(a: &BehaviourEvent, b: &BehaviourEvent) -> bool {
    let named = |event: &BehaviourEvent| (event.post, event.action, event.time.div_euclid(1_000));
    a.user == b.user
        && match (a.event, b.event) {
            (Some(a), Some(b)) => a == b,
            (None, None) => named(a) == named(b),
            (Some(_), None) | (None, Some(_)) => false,
        }
}
