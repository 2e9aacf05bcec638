//! What readers see of transactions, and what commit tells.

use super::Cluster;
use super::world::{AT, Outcome, World, out, refused, row, same};
use crate::broker::{
    Cleanup, Isolation, OutRecord, Outgoing, Producer, Reaction, TopicIndex, classify,
};
use crate::record::{Headers, Offset, TopicPartition};

pub(super) fn aborted_records_are_invisible(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    world.commit(&mut *producer, "a", "1")?;
    world.open(&mut *producer, "b", 2)?;
    producer.abort()?;
    world.commit(&mut *producer, "c", "3")?;
    let committed = [row(0, "a", "1"), row(4, "c", "3")];
    same(world.rows(Isolation::ReadCommitted, 6)?, committed.to_vec())?;
    let all = [row(0, "a", "1"), row(2, "b", "open"), row(4, "c", "3")];
    same(world.rows(Isolation::ReadUncommitted, 6)?, all.to_vec())
}

pub(super) fn open_records_are_invisible(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    world.open(&mut *producer, "a", 0)?;
    same(world.rows(Isolation::ReadUncommitted, 1)?, vec![row(0, "a", "open")])?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.rows_to(0)?, Vec::new())?;
    reader.nothing()?;
    producer.commit()?;
    same(reader.rows_to(2)?, vec![row(0, "a", "open")])
}

pub(super) fn an_open_transaction_holds_back_what_others_committed_after_it(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut slow = world.producer(&world.id)?;
    let mut quick = world.producer(&cluster.fresh("quick"))?;
    world.open(&mut *slow, "slow", 0)?;
    world.commit(&mut *quick, "quick", "1")?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.rows_to(0)?, Vec::new())?;
    same(reader.bounds()?.end, Offset(0))?;
    let all = [row(0, "slow", "open"), row(1, "quick", "1")];
    let mut uncommitted = world.reader(Isolation::ReadUncommitted)?;
    same(uncommitted.rows_to(3)?, all.to_vec())?;
    same(uncommitted.bounds()?.end, Offset(3))?;
    slow.commit()?;
    same(reader.rows_to(4)?, all.to_vec())
}

pub(super) fn an_end_counts_the_marker_and_is_told_once(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.rows_to(0)?, Vec::new())?;
    let mut producer = world.producer(&world.id)?;
    world.commit(&mut *producer, "a", "1")?;
    same(reader.rows_to(2)?, vec![row(0, "a", "1")])?;
    reader.nothing()?;
    world.open(&mut *producer, "b", 2)?;
    producer.abort()?;
    same(reader.rows_to(4)?, Vec::new())
}

pub(super) fn an_abandoned_transaction_is_aborted_when_its_time_is_up(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    world.open(&mut *producer, "a", 0)?;
    let mut reader = world.reader(Isolation::ReadCommitted)?;
    same(reader.rows_to(2)?, Vec::new())?;
    let failure = refused(producer.commit())?;
    same(classify(&failure), Reaction::RebuildProducer)
}

pub(super) fn a_successor_aborts_what_its_predecessor_left_open(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut crashed = world.producer(&world.id)?;
    world.open(&mut *crashed, "a", 0)?;
    let mut successor = world.producer(&world.id)?;
    world.commit(&mut *successor, "b", "1")?;
    same(world.rows(Isolation::ReadCommitted, 4)?, vec![row(2, "b", "1")])
}

pub(super) fn an_applied_commit_without_an_answer_is_found_out_by_the_successor(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    producer.send(&out(&[("a", Some("1"))]))?;
    producer.send_offsets(&[(world.first(), Offset(7))], &world.nobody())?;
    cluster.lose_next_commit_answer(&world.id);
    // librdkafka may ask again within the call, and then knows; who does not know must build anew.
    if let Err(failure) = producer.commit() {
        same(classify(&failure), Reaction::RebuildProducer)?;
    }
    drop(producer);
    let mut successor = world.producer(&world.id)?;
    same(world.position()?, Some(7))?;
    world.commit(&mut *successor, "b", "2")?;
    same(world.rows(Isolation::ReadCommitted, 4)?, vec![row(0, "a", "1"), row(2, "b", "2")])
}

pub(super) fn an_empty_transaction_leaves_no_trace(cluster: &dyn Cluster) -> Outcome {
    let world = World::new(cluster)?;
    let mut producer = world.producer(&world.id)?;
    producer.begin()?;
    same(producer.commit()?, Vec::new())?;
    producer.begin()?;
    producer.abort()?;
    world.commit(&mut *producer, "a", "1")?;
    same(world.rows(Isolation::ReadCommitted, 2)?, vec![row(0, "a", "1")])
}

pub(super) fn commit_tells_the_last_acknowledged_offset_of_logged_partitions(
    cluster: &dyn Cluster,
) -> Outcome {
    let world = World::with(cluster, 3, Cleanup::Delete(None))?;
    let mut producer = world.producer(&world.id)?;
    let of = |partition| TopicPartition::new(world.topic.clone(), partition);
    send_to(&mut *producer, &[(0, true), (0, true), (1, true), (2, false)])?;
    let first = sorted(producer.commit()?);
    same(first, vec![(of(0), Offset(1)), (of(1), Offset(0))])?;
    send_to(&mut *producer, &[(1, true)])?;
    same(sorted(producer.commit()?), vec![(of(1), Offset(2))])
}

/// Begins a transaction with a record for each row: the partition, and whether it is logged.
fn send_to(producer: &mut dyn Producer, rows: &[(i32, bool)]) -> Outcome {
    let mut out = Outgoing::default();
    for &(partition, logged) in rows {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition,
            logged,
            timestamp: AT,
            key: Some(b"key"),
            value: Some(b"value"),
            headers: Headers::default(),
        });
    }
    producer.begin()?;
    Ok(producer.send(&out)?)
}

fn sorted<T: Ord>(mut of: Vec<T>) -> Vec<T> {
    of.sort();
    of
}
