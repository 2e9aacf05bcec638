//! Positions, bounds, and records as they come back.

use super::Cluster;
use super::clients::rows_of;
use super::world::{AT, Outcome, Row, World, row, same};
use crate::broker::{
    Bounds, Cleanup, Created, Flow, Isolation, OutRecord, Outgoing, TopicIndex, TopicSpec, headers,
};
use crate::record::{Header, Headers, Offset, RawRecord, Timestamp};

type Fields = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

pub(super) fn assign_moves_a_position_and_nothing_of_before_arrives(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = numbered(cluster, 9)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    reader.poll()?;
    reader.consumer.assign(&[(world.first(), Offset(7))])?;
    same(reader.rows_to(9)?, numbers(7, 9))?;
    reader.consumer.assign(&[(world.first(), Offset(5))])?;
    same(reader.rows_to(9)?, numbers(5, 9))
}

pub(super) fn a_paused_partition_keeps_its_position(cluster: &dyn Cluster) -> Outcome {
    let world = numbered(cluster, 3)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.rows_to(3)?, numbers(0, 3))?;
    reader.consumer.flow(&[world.first()], Flow::Paused)?;
    world.write(&[("3", Some("3")), ("4", Some("4"))])?;
    reader.nothing()?;
    reader.consumer.flow(&[world.first()], Flow::Resumed)?;
    same(reader.rows_to(5)?, numbers(3, 5))
}

pub(super) fn an_unassigned_partition_delivers_nothing(cluster: &dyn Cluster) -> Outcome {
    let world = numbered(cluster, 3)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    reader.consumer.unassign(&[world.first()])?;
    reader.nothing()
}

pub(super) fn records_round_trip_with_nulls_headers_and_times(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let list = [
        Header { name: "kind", value: Some(b"like") },
        Header { name: "empty", value: Some(b"") },
        Header { name: "null", value: None },
        Header { name: "kind", value: Some(b"again") },
    ];
    let (with, without) = (headers(&list), Vec::new());
    let sent: [Fields; 4] = [
        (0, AT.0, Some(b"key".to_vec()), Some(b"value".to_vec()), with.clone()),
        (1, AT.0 + 1, None, Some(Vec::new()), without.clone()),
        (2, AT.0 - 1, Some(Vec::new()), None, without.clone()),
        (3, AT.0, None, None, with),
    ];
    let mut out = Outgoing::default();
    for (_, at, key, value, headers) in &sent {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: Timestamp(*at),
            key: key.as_deref(),
            value: value.as_deref(),
            headers: Headers::from_bytes(headers),
        });
    }
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send(&out)?;
    producer.commit()?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    let mut found = Vec::new();
    world.until("four records", || {
        for batch in reader.poll()?.batches {
            same(batch.source().clone(), world.first())?;
            found.extend(batch.iter().map(fields));
        }
        Ok((found.len() >= 4).then_some(()))
    })?;
    same(found, sent.to_vec())
}

pub(super) fn what_is_flushed_without_a_transaction_is_visible_at_once(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = numbered(cluster, 2)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.bounds()?, Bounds { start: Offset(0), end: Offset(2) })?;
    same(reader.rows_to(2)?, numbers(0, 2))
}

pub(super) fn deleted_records_are_out_of_range(cluster: &dyn Cluster) -> Outcome {
    let world = numbered(cluster, 5)?;
    cluster.broker().admin()?.delete_before(&[(world.first(), Offset(3))])?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    let lost = world.until("the position is out of range", || {
        let polled = reader.poll()?;
        same(rows_of(&polled), Vec::new())?;
        Ok(Some(polled.out_of_range).filter(|lost| !lost.is_empty()))
    })?;
    same(lost, vec![world.first()])?;
    reader.nothing()?;
    same(reader.bounds()?, Bounds { start: Offset(3), end: Offset(5) })?;
    reader.consumer.assign(&[(world.first(), Offset(3))])?;
    same(reader.rows_to(5)?, numbers(3, 5))
}

pub(super) fn a_position_beyond_the_end_is_out_of_range(cluster: &dyn Cluster) -> Outcome {
    let world = numbered(cluster, 2)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    reader.consumer.assign(&[(world.first(), Offset(3))])?;
    let lost = world.until("the position is out of range", || {
        let polled = reader.poll()?;
        same(rows_of(&polled), Vec::new())?;
        Ok(Some(polled.out_of_range).filter(|lost| !lost.is_empty()))
    })?;
    same(lost, vec![world.first()])
}

pub(super) fn creating_a_topic_again_finds_it_as_it_is(cluster: &dyn Cluster) -> Outcome {
    let world = World::with(cluster, 3, Cleanup::Compact)?;
    let mut admin = cluster.broker().admin()?;
    let spec = |name, partitions| TopicSpec { name, partitions, cleanup: Cleanup::Compact };
    let (missing, new) = (cluster.fresh("missing").into(), cluster.fresh("new").into());
    let specs = [spec(world.topic.clone(), 5), spec(std::sync::Arc::clone(&new), 2)];
    same(admin.create(&specs)?, vec![Created::Existed, Created::New])?;
    let of = [world.topic.clone(), new, missing];
    let wanted = vec![Some(3), Some(2), None];
    world.until("the new topic is known", || {
        let found = admin.partitions(&of)?;
        Ok((found == wanted).then_some(()))
    })
}

/// A world whose partition holds records 0, 1, ..., each with its number as key and value.
fn numbered(cluster: &dyn Cluster, count: i64) -> Outcome<World<'_>> {
    let world = World::new(cluster)?;
    let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let rows: Vec<_> = names.iter().map(|name| (name.as_str(), Some(name.as_str()))).collect();
    world.write(&rows)?;
    Ok(world)
}

fn numbers(from: i64, to: i64) -> Vec<Row> {
    (from..to).map(|number| row(number, &number.to_string(), &number.to_string())).collect()
}

fn fields(record: RawRecord<'_>) -> Fields {
    let RawRecord { offset, timestamp, key, value, headers } = record;
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    (offset.0, timestamp.0, owned(key), owned(value), headers.bytes().to_vec())
}
