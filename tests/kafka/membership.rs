//! Membership: who owns what, told in which order.

use std::fs;
use std::time::{Duration, Instant};

use millstream::broker::{Reaction, Rebalance, classify};

use tests::poll_until;

use crate::world::{PATIENCE, live, world};

#[test]
fn the_first_member_is_given_everything_in_a_generation_it_can_name() {
    let world = world(4);
    let mut members = [world.join("one")];
    assert!(!members[0].metadata().is_member());
    let told = live(&mut members, |told| !told[0].is_empty());
    assert_eq!(told, [[Rebalance::Assigned(vec![0, 1, 2, 3])]]);
    assert!(members[0].metadata().is_member());
}

#[test]
fn a_second_member_is_given_only_what_the_first_gave_up() {
    let world = world(4);
    let mut members = vec![world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    members.push(world.join("two"));
    let told = live(&mut members, |told| !told[1].is_empty());
    let [Rebalance::Revoked(revoked)] = told[0].as_slice() else { panic!("{told:?}") };
    assert_eq!(told[1], [Rebalance::Assigned(revoked.clone())]);
    // The one that gave up hears of the last generation at some later poll.
    let same = poll_until(PATIENCE, || {
        for member in &mut members {
            member.poll(Duration::from_millis(20), &mut |_, _| {}).unwrap();
        }
        let [one, two] = [0, 1].map(|of: usize| members[of].metadata().generation);
        (one == two).then_some(())
    });
    assert_eq!(same, Ok(()));
}

#[test]
fn a_static_member_that_comes_back_is_given_the_same_again_and_its_ghost_is_told_to_die() {
    let world = world(2);
    let mut ghost = [world.join("same")];
    live(&mut ghost, |told| !told[0].is_empty());
    let mut heir = [world.join("same")];
    let told = live(&mut heir, |told| !told[0].is_empty());
    assert_eq!(told, [[Rebalance::Assigned(vec![0, 1])]]);

    let mut changes = Vec::new();
    let fenced = std::iter::repeat_with(|| {
        ghost[0].poll(Duration::from_millis(100), &mut |change, _| changes.push(change))
    })
    .take(200)
    .find_map(Result::err)
    .unwrap();
    assert_eq!((fenced.fatal, classify(&fenced)), (true, Reaction::Die));
}

#[test]
fn closing_gives_everything_back() {
    let world = world(2);
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let mut changes = Vec::new();
    members[0].close(&mut |change, _| changes.push(change)).unwrap();
    assert_eq!(changes, [Rebalance::Revoked(vec![0, 1])]);
    assert!(!members[0].metadata().is_member());
}

/// librdkafka waits for the answer to what it gives, for ever and on a whole core, even from a handle being destroyed.
#[test]
fn a_member_that_goes_without_a_word_while_it_is_given_partitions_leaves_no_thread_behind() {
    let world = world(4);
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let silent = world.join("two");
    live(&mut members, |told| !told[0].is_empty());
    // Its share of this generation is at the second member by now or soon.
    let soon = Instant::now() + Duration::from_secs(1);
    live(&mut members, |_| Instant::now() > soon);
    drop(silent);
    assert_eq!(poll_until(PATIENCE, || (!is_a_handle_being_destroyed()).then_some(())), Ok(()));
}

/// Whether any thread of this process is at it, as its name tells.
fn is_a_handle_being_destroyed() -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.into_iter().any(|name| name.trim() == "kafka-destroy")
}
