//! Writing: acknowledgements, fencing, sizes; and the sinks' and the administrator's calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{
    Broker, Cleanup, Created, GroupMetadata, Isolation, Reaction, TopicSpec, classify,
};
use millstream::{Offset, Topic};

use crate::world::{PATIENCE, Seen, plain, read_to_end, to, world};

#[test]
fn commit_answers_the_last_offset_of_every_logged_partition_and_of_no_other() {
    let world = world(3);
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&to(2, &["a", "b"], true)).unwrap();
    writer.send(&to(0, &["c"], true)).unwrap();
    writer.send(&to(1, &["not logged"], false)).unwrap();
    writer.send(&to(2, &["d"], true)).unwrap();
    assert_eq!(writer.commit(), Ok(vec![(world.at(0), Offset(0)), (world.at(2), Offset(2))]));
    writer.begin().unwrap();
    writer.send(&to(2, &["e"], true)).unwrap();
    assert_eq!(writer.commit(), Ok(vec![(world.at(2), Offset(4))]));
}

#[test]
fn more_records_than_the_local_queue_holds_arrive_in_order() {
    let world = world(1);
    let mut writer = world.writer("w");
    let large = "x".repeat(1 << 20);
    let values: Vec<_> = (0..100).map(|number| format!("{number:03}{large}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    writer.begin().unwrap();
    writer.send(&to(0, &values, true)).unwrap();
    assert_eq!(writer.commit(), Ok(vec![(world.at(0), Offset(99))]));
    let seen = read_to_end(&world, &mut *world.reader_from(0));
    let heads: Vec<_> = seen.words().iter().map(|word| word[..3].to_owned()).collect();
    assert_eq!(heads, (0..100).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}

#[test]
fn a_newer_producer_of_the_same_id_ends_the_older_ones_transaction() {
    let world = world(1);
    let mut older = world.writer("same");
    older.begin().unwrap();
    older.send(&plain(&["never"])).unwrap();
    let mut newer = world.writer("same");
    world.commit(&mut *newer, &["only"]);
    let refused = older.commit().unwrap_err();
    assert_eq!((refused.fatal, classify(&refused)), (true, Reaction::RebuildProducer));
    assert_eq!(read_to_end(&world, &mut *world.reader_from(0)).words(), ["only"]);
}

#[test]
fn offsets_of_an_older_generation_are_refused_and_the_transaction_can_be_aborted() {
    let world = world(1);
    let mut members = [world.join("one")];
    crate::world::live(&mut members, |told| !told[0].is_empty());
    let metadata = members[0].metadata();
    assert!(metadata.is_member());
    let stale = GroupMetadata { generation: metadata.generation - 1, ..metadata.clone() };
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&plain(&["a"])).unwrap();
    let refused = writer.send_offsets(&[(world.at(0), Offset(1))], &stale).unwrap_err();
    assert_eq!(classify(&refused), Reaction::AbortAndRewind);
    writer.abort().unwrap();

    writer.begin().unwrap();
    writer.send(&plain(&["b"])).unwrap();
    writer.send_offsets(&[(world.at(0), Offset(2))], &metadata).unwrap();
    writer.commit().unwrap();
    let mut reader = world.reader(Isolation::ReadCommitted);
    assert_eq!(reader.committed(&[world.at(0)]), Ok(vec![Some(Offset(2))]));
}

#[test]
fn metadata_of_nobody_is_accepted_unfenced() {
    let world = world(1);
    let mut writer = world.writer("w");
    let nobody = GroupMetadata {
        group: world.name.as_str().into(),
        generation: -1,
        member: String::new(),
        instance: "".into(),
    };
    writer.begin().unwrap();
    writer.send_offsets(&[(world.at(0), Offset(3))], &nobody).unwrap();
    writer.commit().unwrap();
    let mut reader = world.reader(Isolation::ReadCommitted);
    assert_eq!(reader.committed(&[world.at(0)]), Ok(vec![Some(Offset(3))]));
}

#[test]
fn a_record_larger_than_the_topic_takes_is_told_at_the_latest_by_commit_and_abort_recovers() {
    let world = world(1);
    let mut writer = world.writer("w");
    let large = "x".repeat(17 << 20);
    writer.begin().unwrap();
    let refused = writer.send(&plain(&[&large])).unwrap_err();
    assert_eq!(classify(&refused), Reaction::AbortAndRewind);
    writer.abort().unwrap();
    world.commit(&mut *writer, &["small"]);
    assert_eq!(read_to_end(&world, &mut *world.reader_from(0)).words(), ["small"]);
}

#[test]
fn without_a_transactional_id_flush_answers_what_was_acknowledged() {
    let world = world(1);
    let mut writer = world.kafka.producer(None, Arc::from([world.topic.clone()])).unwrap();
    writer.send(&to(0, &["a", "b"], true)).unwrap();
    assert_eq!(writer.flush(PATIENCE), Ok(vec![(world.at(0), Offset(1))]));
    assert_eq!(writer.flush(PATIENCE), Ok(vec![]));
}

#[test]
fn a_sink_goes_on_where_it_committed() {
    let world = world(1);
    world.commit(&mut *world.writer("w"), &["a", "b", "c"]);
    let group = format!("{}-sink", world.name);
    let topics = [world.topic.clone()];
    let read = |count: usize| {
        let mut sink = world.kafka.group_consumer(&group, None, &topics).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Seen::default();
        while seen.values.len() < count && Instant::now() < deadline {
            seen.add(&sink.poll(Duration::from_millis(100)).unwrap());
        }
        sink.commit(&[(world.at(0), Offset(2))]).unwrap();
        seen
    };
    assert_eq!(read(3).words(), ["a", "b", "c"]);
    assert_eq!(read(1).words(), ["c"]);
}

#[test]
fn topics_are_created_once_counted_and_cut() {
    let world = world(3);
    let mut admin = world.kafka.admin().unwrap();
    let other: Topic = format!("{}-other", world.name).into();
    let spec =
        |name: &Topic| TopicSpec { name: name.clone(), partitions: 2, cleanup: Cleanup::Compact };
    let created = admin.create(&[spec(&world.topic), spec(&other)]);
    assert_eq!(created, Ok(vec![Created::Existed, Created::New]));
    let nowhere: Topic = "nowhere-to-be-found".into();
    let counts = admin.partitions(&[world.topic.clone(), other, nowhere]);
    assert_eq!(counts, Ok(vec![Some(3), Some(2), None]));

    world.commit(&mut *world.writer("w"), &["a", "b"]);
    admin.delete_before(&[(world.at(0), Offset(1))]).unwrap();
    let bounds = world.reader(Isolation::ReadUncommitted).bounds(&world.at(0)).unwrap();
    assert_eq!(bounds.start, Offset(1));
}
