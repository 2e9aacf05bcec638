//! A changelog on a cluster in this process, and what becomes of stores that are brought to its end.

use std::sync::Arc;

use super::*;
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Cleanup, Isolation, OutRecord, Outgoing, TopicIndex, TopicSpec};
use crate::clock::ManualClock;
use crate::record::{Headers, Topic};
use crate::store::Stores;
use crate::store::memory::MemoryStores;

fn log() -> TopicPartition {
    TopicPartition::new("app-counts-changelog", 0)
}

/// A changelog of five records.
fn broker() -> Embedded {
    let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
    let topic: Topic = log().topic;
    let spec = TopicSpec { name: topic.clone(), partitions: 1, cleanup: Cleanup::Compact };
    broker.admin().unwrap().create(&[spec]).unwrap();
    let mut producer = broker.producer(None, [topic].into()).unwrap();
    let mut out = Outgoing::default();
    for key in 0..5_u8 {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: Timestamp(0),
            key: Some(&[key]),
            value: Some(b"value"),
            headers: Headers::default(),
        });
    }
    producer.send(&out).unwrap();
    producer.flush(Duration::ZERO).unwrap();
    broker
}

/// A job of a store that stands at offset 1.
fn job(broker: &Embedded) -> RestoreJob {
    let id = TaskId { sub_topology: "counts".into(), partition: 0 };
    let store = MemoryStores::default().open(&id, &["counts".into()]).unwrap();
    let bounds =
        broker.consumer("app", Isolation::ReadUncommitted).unwrap().bounds(&log()).unwrap();
    let checkpoint = Checkpoint { changelog: Some(Offset(1)), ..Checkpoint::default() };
    let (columns, changelog, positions) = (vec!["counts".into()], (log(), bounds), Vec::new());
    RestoreJob { id, store, columns, checkpoint, changelog, positions, now: Timestamp(0) }
}

fn restorer(broker: &Embedded) -> Restorer {
    Restorer::new(broker.consumer("app", Isolation::ReadCommitted).unwrap())
}

/// How jobs ended, once something did: how many records were read, or that the store is stale.
fn ends(restorer: &mut Restorer) -> Vec<Option<u64>> {
    let steps = (0..10).map(|_| restorer.step(Duration::ZERO, || false).unwrap());
    steps
        .flatten()
        .map(|end| match end {
            Ok(restored) => Some(restored.records),
            Err((_, RestoreError::Stale)) => None,
            Err((_, RestoreError::Fault(fault))) => panic!("{fault}"),
        })
        .collect()
}

#[test]
fn a_store_is_brought_to_the_end_of_its_log() {
    let broker = broker();
    let mut restorer = restorer(&broker);
    restorer.begin(job(&broker)).unwrap();
    assert_eq!((ends(&mut restorer), restorer.is_busy()), (vec![Some(4)], false));
}

#[test]
fn a_store_whose_place_leaves_the_log_is_stale_and_not_waited_for() {
    let broker = broker();
    let mut restorer = restorer(&broker);
    let job = job(&broker);
    broker.admin().unwrap().delete_before(&[(log(), Offset(3))]).unwrap();
    restorer.begin(job).unwrap();
    assert_eq!((ends(&mut restorer), restorer.is_busy()), (vec![None], false));
}

#[test]
fn a_store_that_stands_outside_its_log_is_stale() {
    let broker = broker();
    let start = |at| {
        let mut job = job(&broker);
        job.changelog.1 = Bounds { start: Offset(2), end: Offset(5) };
        job.checkpoint.changelog = at;
        job.start()
    };
    let within = [None, Some(Offset(2)), Some(Offset(5))].map(start);
    assert_eq!(within, [Ok(Offset(2)), Ok(Offset(2)), Ok(Offset(5))]);
    assert_eq!([1, 6].map(|at| start(Some(Offset(at)))), [Err(Stale), Err(Stale)]);
}

#[test]
fn a_restored_store_stands_at_the_committed_positions_and_keeps_what_else_it_knew() {
    let broker = broker();
    let mut restorer = restorer(&broker);
    let mut job = job(&broker);
    let lines = |partition| TopicPartition::new("lines", partition);
    job.checkpoint.inputs = vec![(lines(0), Offset(3)), (lines(1), Offset(4))];
    job.positions = vec![(lines(0), Some(Offset(9))), (lines(1), None)];
    job.now = Timestamp(77);
    restorer.begin(job).unwrap();
    let mut restored = Vec::new();
    for _ in 0..10 {
        restored.extend(restorer.step(Duration::ZERO, || false).unwrap());
    }
    let Ok([Ok(restored)]) = <[Outcome; 1]>::try_from(restored) else { panic!("not restored") };
    let Checkpoint { inputs, committed_at, changelog, .. } = restored.checkpoint;
    assert_eq!(inputs, [(lines(1), Offset(4)), (lines(0), Offset(9))]);
    assert_eq!((committed_at, changelog), (Timestamp(77), Some(Offset(5))));
}
