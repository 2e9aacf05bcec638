//! The group: how its failures end, what is given back, and the partitions that it is about.

use std::sync::Arc;
use std::time::Duration;

use super::{World, counts};
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Call, Cleanup, Code, Failure, TopicSpec};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::error::Exit;
use crate::fail_points::FailPoints;
use crate::record::Timestamp;
use crate::store::memory::MemoryStores;
use crate::worker::{PartitionWatch, Stop, prepare};

#[test]
fn a_member_goes_on_after_what_passes_and_ends_with_a_code_of_its_own_where_another_has_its_name() {
    let mut world = World::new();
    let mut ends = |code| {
        world.refuse("app", Failure::new(Call::Poll, code, "x"));
        world.member.step(Duration::ZERO, &mut |_| {})
    };
    assert_eq!(ends(Code::Transport), Ok(()));
    assert_eq!(ends(Code::Denied), Err(Stop::Exit(Exit::Failed, "Poll: Denied: x".into())));
    let words = "another process has the name one: Poll: FencedInstance: x";
    assert_eq!(ends(Code::FencedInstance), Err(Stop::Exit(Exit::Duplicate, words.into())));
}

#[test]
fn a_member_that_closes_gives_everything_back() {
    let mut world = World::with(counts(), 2, |_| {});
    let mut wanted = Vec::new();
    world.member.close(&mut |partitions| wanted.extend_from_slice(partitions));
    assert_eq!((wanted, world.instance.ownership().partitions()), (vec![0, 1], vec![]));
}

#[test]
fn partitions_that_are_wanted_back_are_waited_for_until_they_are_released() {
    let world = World::new();
    let released = || world.instance.wait_until_released(&[0], Duration::ZERO);
    let held = released();
    world.instance.release(0, 0);
    assert_eq!([held, released()], [false, true]);
}

#[test]
fn a_topic_that_has_other_partitions_than_at_the_start_ends_the_process() {
    let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
    let spec = TopicSpec { name: "lines".into(), partitions: 2, cleanup: Cleanup::Delete(None) };
    broker.admin().unwrap().create(&[spec]).unwrap();
    let config = Config { instance: Some("one".into()), partitions: 1, ..Config::default() };
    let stores = Arc::new(MemoryStores::default());
    let mut instance =
        prepare(&counts(), config, Arc::new(broker), stores, FailPoints::default()).unwrap();
    assert_eq!(PartitionWatch::new(instance.clone()).check(), Ok(()));
    let context =
        Arc::get_mut(&mut instance).and_then(|instance| Arc::get_mut(&mut instance.context));
    context.unwrap().partitions.insert("lines".into(), 1);
    let words = "lines had 1 partitions and has 2 now";
    let ended = Stop::Exit(Exit::Mismatch, words.into());
    assert_eq!(PartitionWatch::new(instance).check(), Err(ended));
}
