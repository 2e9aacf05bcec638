//! Worlds of some thousands, counted.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::history::{Action, BehaviourEvent, Image, Input, Payload};

const SIZE: Size = Size { users: 2_000, follows: 30_000, posts: 6_000, events: 60_000 };
const UNTIL: i64 = 1_790_000_000_000;

fn world(seed: u64) -> World {
    World { seed, size: SIZE, days: 4, until: UNTIL }
}

/// What kind of record it is, and whether it takes something away.
fn kind(input: &Input) -> (&'static str, bool) {
    let is_deletion = |live: bool| !live;
    match &input.payload {
        Payload::User(change) => ("user", is_deletion(change.image.live().is_some())),
        Payload::Post(change) => ("post", is_deletion(change.image.live().is_some())),
        Payload::Follow(change) => ("follow", is_deletion(change.image.live().is_some())),
        Payload::Comment(change) => ("comment", is_deletion(change.image.live().is_some())),
        Payload::Like(change) => ("like", is_deletion(change.image.live().is_some())),
        Payload::Mute(change) | Payload::Block(change) => {
            ("silence", is_deletion(change.image.live().is_some()))
        }
        Payload::Event(_) => ("event", false),
        Payload::Read { .. } => ("read", false),
    }
}

fn events(world: World) -> Vec<BehaviourEvent> {
    let event = |input: Input| match input.payload {
        Payload::Event(event) => Some(event),
        _ => None,
    };
    world.inputs().filter_map(event).collect()
}

#[test]
fn the_same_seed_tells_the_same_world_and_another_one_another() {
    assert!(world(1).inputs().eq(world(1).inputs()));
    assert!(world(1).inputs().ne(world(2).inputs()));
}

#[test]
fn every_kind_comes_as_often_as_asked_and_each_row_is_also_deleted() {
    let mut counts: BTreeMap<(&str, bool), u32> = BTreeMap::new();
    world(1).inputs().for_each(|input| *counts.entry(kind(&input)).or_default() += 1);
    let of = |kind, deleted| counts.get(&(kind, deleted)).copied().unwrap_or(0);
    assert_eq!(of("follow", false), SIZE.follows);
    // Beside them the few that come back, or twice.
    let beyond = |kind, asked: u32| of(kind, false).checked_sub(asked).unwrap() * 1_000 / asked;
    assert!(beyond("user", SIZE.users) < 2 && beyond("post", SIZE.posts) < 5, "{counts:?}");
    assert!((3..=7).contains(&beyond("event", SIZE.events)), "{counts:?}");
    let share = |kind| of(kind, false) * 100 / SIZE.events;
    assert!((8..=12).contains(&share("like")) && (2..=3).contains(&share("comment")), "{counts:?}");
    let deleted: BTreeSet<&str> =
        counts.keys().filter(|(_, deleted)| *deleted).map(|(kind, _)| *kind).collect();
    assert_eq!(deleted, BTreeSet::from(["user", "post", "follow", "comment", "like"]));
    let mut inputs = world(1).inputs();
    inputs.by_ref().for_each(drop);
    assert_eq!(inputs.made(), world(1).asked());
}

#[test]
fn things_come_in_the_order_of_time_and_log_and_none_after_the_end() {
    let (mut last, mut last_lsn) = (i64::MIN, 0);
    for input in world(3).inputs() {
        assert!(input.arrived >= last && input.arrived < UNTIL);
        last = input.arrived;
        let lsn = match &input.payload {
            Payload::User(change) => change.lsn,
            Payload::Post(change) => change.lsn,
            Payload::Follow(change) => change.lsn,
            Payload::Comment(change) | Payload::Like(change) => change.lsn,
            Payload::Mute(change) | Payload::Block(change) => change.lsn,
            Payload::Event(_) | Payload::Read { .. } => continue,
        };
        assert!(lsn > last_lsn);
        last_lsn = lsn;
    }
}

#[test]
fn what_is_deleted_was_there() {
    let mut live: BTreeSet<(&str, Vec<Id>)> = BTreeSet::new();
    let mut change = |kind, key: Vec<Id>, is_live: bool| match is_live {
        true => assert!(live.insert((kind, key)), "{kind} came twice"),
        false => assert!(live.remove(&(kind, key)), "{kind} was not there"),
    };
    for input in world(4).inputs() {
        match input.payload {
            Payload::User(row) => change("user", row.key, row.image.live().is_some()),
            Payload::Post(row) => change("post", row.key, row.image.live().is_some()),
            Payload::Follow(row) => change("follow", row.key, row.image.live().is_some()),
            Payload::Comment(row) => change("comment", row.key, row.image.live().is_some()),
            Payload::Like(row) => change("like", row.key, row.image.live().is_some()),
            Payload::Mute(row) => change("mute", row.key, row.image.live().is_some()),
            Payload::Block(row) => change("block", row.key, row.image.live().is_some()),
            Payload::Event(_) | Payload::Read { .. } => {}
        }
    }
}

#[test]
fn a_like_of_the_database_was_an_event_before() {
    let mut liked = BTreeSet::new();
    for input in world(4).inputs() {
        match input.payload {
            Payload::Event(event) if event.action == Action::Like => {
                liked.insert((event.user, event.post));
            }
            Payload::Like(change) => {
                let Image::Live(row) = change.image else { continue };
                assert!(liked.contains(&(row.user, row.post)));
            }
            _ => {}
        }
    }
    assert!(!liked.is_empty());
}

#[test]
fn few_posts_have_most_of_what_is_done_and_a_burst_has_its_own() {
    let mut done: BTreeMap<Id, u32> = BTreeMap::new();
    let events = events(world(5));
    events.iter().for_each(|event| *done.entry(event.post).or_default() += 1);
    let mut counts: Vec<u32> = done.into_values().collect();
    counts.sort_by(|a, b| b.cmp(a));
    let (most, all) = (counts[0], counts.iter().sum::<u32>());
    let tenth = counts[..counts.len() / 10].iter().sum::<u32>();
    assert!(tenth * 100 / all >= 30, "the first tenth has {tenth} of {all}");
    assert!(most > 300 && most < all / 10, "the most looked at has {most} of {all}");
}

#[test]
fn readers_are_drawn_once_and_they_are_people_who_do_something() {
    let world = world(6);
    let readers = world.readers(40);
    assert_eq!((readers.len(), world.readers(40)), (40, readers.clone()));
    let active: BTreeSet<Id> = events(world).iter().map(|event| event.user).collect();
    assert!(readers.iter().filter(|reader| active.contains(*reader)).count() >= 38);
    assert_eq!(world.readers(5_000).len(), 2_000);
}

#[test]
fn a_size_that_cannot_be_is_refused() {
    let of = |users, follows, posts, events| World {
        size: Size { users, follows, posts, events },
        ..world(1)
    };
    assert_eq!(world(1).fault(), None);
    let faults = [of(1, 0, 0, 0), of(10, 46, 1, 1), of(10, 5, 0, 1)].map(|world| world.fault());
    assert!(faults.iter().all(Option::is_some), "{faults:?}");
    assert_eq!(of(10, 45, 1, 0).fault(), None);
    // What may be is told to its end.
    assert_eq!(of(10, 45, 1, 100).inputs().filter(|input| kind(input).0 == "follow").count(), 46);
}
