//! Reading: order, ends, positions, isolation.

use std::time::Duration;

use millstream::broker::{Code, Flow, Isolation, OutRecord, Outgoing, TopicIndex, headers};
use millstream::{Header, Headers, Offset, Timestamp};

use crate::world::{live, plain, read_for_a_while, read_to_end, read_until, world};

#[test]
fn a_record_comes_back_with_its_time_headers_key_and_nulls() {
    let world = world(1);
    let mut writer = world.writer("w");
    let list = headers(&[
        Header { name: "a", value: Some(b"1") },
        Header { name: "none", value: None },
        Header { name: "empty", value: Some(b"") },
    ]);
    let record = OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: Timestamp(1_234),
        key: Some(b""),
        value: None,
        headers: Headers::from_bytes(&list),
    };
    let mut out = Outgoing::default();
    out.push(record);
    writer.begin().unwrap();
    writer.send(&out).unwrap();
    writer.commit().unwrap();

    let mut reader = world.reader_from(0);
    let mut batches = Vec::new();
    while batches.is_empty() {
        batches = reader.poll(Duration::from_secs(1)).unwrap().batches;
    }
    let back = batches[0].get(0).unwrap();
    assert_eq!((back.offset, back.timestamp), (Offset(0), Timestamp(1_234)));
    assert_eq!((back.key, back.value), (Some(&b""[..]), None));
    assert_eq!(back.headers.bytes(), list);
}

#[test]
fn aborted_records_never_arrive_and_the_end_counts_their_markers() {
    let world = world(1);
    let mut writer = world.writer("w");
    world.commit(&mut *writer, &["a", "b"]);
    writer.begin().unwrap();
    writer.send(&plain(&["x"])).unwrap();
    writer.abort().unwrap();
    world.commit(&mut *writer, &["c"]);

    // Offsets: a, b, marker, x, marker, c, marker.
    let seen = read_until(&mut *world.reader_from(0), |seen| seen.ends.contains(&7));
    assert_eq!(seen.values, [(0, "a".into()), (1, "b".into()), (5, "c".into())]);
}

#[test]
fn a_reader_that_was_paused_at_the_end_misses_nothing_when_it_is_resumed() {
    let world = world(1);
    let mut writer = world.writer("w");
    world.commit(&mut *writer, &["a"]);
    let mut reader = world.reader_from(0);
    read_until(&mut *reader, |seen| seen.ends.contains(&2));
    reader.flow(&[world.at(0)], Flow::Paused).unwrap();
    world.commit(&mut *writer, &["b", "c"]);
    assert_eq!(read_for_a_while(&mut *reader).values, []);

    reader.flow(&[world.at(0)], Flow::Resumed).unwrap();
    let seen = read_until(&mut *reader, |seen| seen.values.len() == 2);
    assert_eq!(seen.words(), ["b", "c"]);
}

#[test]
fn an_end_is_told_once_until_it_moved() {
    let world = world(1);
    world.commit(&mut *world.writer("w"), &["a"]);
    let mut reader = world.reader_from(0);
    read_until(&mut *reader, |seen| seen.ends.contains(&2));
    reader.flow(&[world.at(0)], Flow::Paused).unwrap();
    reader.flow(&[world.at(0)], Flow::Resumed).unwrap();
    assert_eq!(read_for_a_while(&mut *reader).ends, [0; 0]);
}

#[test]
fn assigning_again_moves_and_nothing_of_before_arrives_afterwards() {
    let world = world(1);
    world.commit(&mut *world.writer("w"), &["a", "b", "c"]);
    let mut reader = world.reader_from(0);
    read_to_end(&world, &mut *reader);
    reader.flow(&[world.at(0)], Flow::Paused).unwrap();
    reader.assign(&[(world.at(0), Offset(1))]).unwrap();
    assert_eq!(read_to_end(&world, &mut *reader).words(), ["b", "c"]);
}

#[test]
fn an_unassigned_partition_falls_silent_and_the_others_stay() {
    let world = world(2);
    let mut reader = world.reader(Isolation::ReadCommitted);
    reader.assign(&[(world.at(0), Offset(0)), (world.at(1), Offset(0))]).unwrap();
    read_until(&mut *reader, |seen| seen.ends.len() == 2);
    reader.unassign(&[world.at(1)]).unwrap();
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&plain(&["kept"])).unwrap();
    writer.send(&crate::world::to(1, &["lost"], false)).unwrap();
    writer.commit().unwrap();
    assert_eq!(read_until(&mut *reader, |seen| !seen.values.is_empty()).words(), ["kept"]);
    assert_eq!(read_for_a_while(&mut *reader).values, []);
}

#[test]
fn a_position_that_is_not_in_the_log_is_told_and_a_new_one_heals_it() {
    let world = world(1);
    world.commit(&mut *world.writer("w"), &["a"]);
    let mut reader = world.reader_from(1_000);
    read_until(&mut *reader, |seen| seen.out_of_range == 1);
    reader.assign(&[(world.at(0), Offset(0))]).unwrap();
    assert_eq!(read_to_end(&world, &mut *reader).words(), ["a"]);
}

#[test]
fn bounds_are_the_stable_offset_for_one_isolation_and_the_watermark_for_the_other() {
    let world = world(1);
    let mut writer = world.writer("w");
    world.commit(&mut *writer, &["a"]);
    writer.begin().unwrap();
    writer.send(&plain(&["open"])).unwrap();
    let mut dirty = world.reader(Isolation::ReadUncommitted);
    dirty.assign(&[(world.at(0), Offset(0))]).unwrap();
    read_until(&mut *dirty, |seen| seen.values.len() == 2);
    let mut clean = world.reader(Isolation::ReadCommitted);
    let ends = [&mut dirty, &mut clean].map(|reader| reader.bounds(&world.at(0)).unwrap().end);
    assert_eq!(ends, [Offset(3), Offset(2)]);
}

#[test]
fn committed_offsets_are_unstable_while_a_transaction_would_change_them() {
    let world = world(1);
    let mut members = [world.join("one")];
    live(&mut members, |told| !told[0].is_empty());
    let mut writer = world.writer("w");
    writer.begin().unwrap();
    writer.send(&plain(&["a"])).unwrap();
    writer.send_offsets(&[(world.at(0), Offset(7))], &members[0].metadata()).unwrap();
    let mut reader = world.reader(Isolation::ReadCommitted);
    let asked = reader.committed(&[world.at(0)]).map_err(|failed| (failed.code, failed.retriable));
    assert_eq!(asked, Err((Code::UnstableOffsets, true)));

    writer.commit().unwrap();
    assert_eq!(reader.committed(&[world.at(0)]), Ok(vec![Some(Offset(7))]));
}
