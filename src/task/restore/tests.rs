//! A changelog on a cluster in this process, and what becomes of stores that are brought to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::broker::embedded::Embedded;
use crate::broker::{Broker, Cleanup, Isolation, OutRecord, Outgoing, TopicIndex, TopicSpec};
use crate::clock::ManualClock;
use crate::record::{Headers, Topic};
use crate::store::memory::MemoryStores;
use crate::store::{Committed, StateReader, Stores};

fn log() -> TopicPartition {
    TopicPartition::new("app-counts-changelog", 0)
}

/// A changelog of five records.
fn broker() -> Embedded {
    let broker = empty();
    (0..5_u8).for_each(|key| append(&broker, &[key], b"value"));
    broker
}

/// A changelog without records.
fn empty() -> Embedded {
    let broker = Embedded::new(Arc::new(ManualClock::at(Timestamp(0))));
    let spec = TopicSpec { name: log().topic, partitions: 1, cleanup: Cleanup::Compact };
    broker.admin().unwrap().create(&[spec]).unwrap();
    broker
}

fn append(broker: &Embedded, key: &[u8], value: &[u8]) {
    let topic: Topic = log().topic;
    let mut producer = broker.producer(None, [topic].into()).unwrap();
    let mut out = Outgoing::default();
    out.push(OutRecord {
        topic: TopicIndex(0),
        partition: 0,
        logged: false,
        timestamp: Timestamp(0),
        key: Some(key),
        value: Some(value),
        headers: Headers::default(),
    });
    producer.send(&out).unwrap();
    producer.flush(Duration::ZERO).unwrap();
}

/// A store that counts how often it was written to, and how often it was brought to disk.
struct Counted {
    store: Box<dyn TaskStore>,
    written: Arc<AtomicUsize>,
    flushed: Arc<AtomicUsize>,
}

impl TaskStore for Counted {
    fn reader(&self) -> Arc<dyn StateReader> {
        self.store.reader()
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.store.checkpoint()
    }

    fn apply(&mut self, of: &StateChanges, at: &Checkpoint, permit: &Committed) -> Result<()> {
        self.store.apply(of, at, permit)
    }

    fn restore(&mut self, changes: &StateChanges, checkpoint: &Checkpoint) -> Result<()> {
        self.written.fetch_add(1, Ordering::SeqCst);
        self.store.restore(changes, checkpoint)
    }

    fn flusher(&self) -> Box<dyn FnOnce() -> Result<()> + Send> {
        self.flushed.fetch_add(1, Ordering::SeqCst);
        self.store.flusher()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.store.close()
    }
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

#[test]
fn little_is_written_once_at_the_end_and_brought_to_disk_unless_there_was_nothing_to_read() {
    let broker = broker();
    broker.faults().limit_fetch(1);
    let counts_from = |place| {
        let mut restorer = restorer(&broker);
        let (written, flushed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let RestoreJob { store, checkpoint, .. } = job(&broker);
        let store = Box::new(Counted { store, written: written.clone(), flushed: flushed.clone() });
        let checkpoint = Checkpoint { changelog: Some(Offset(place)), ..checkpoint };
        restorer.begin(RestoreJob { store, checkpoint, ..job(&broker) }).unwrap();
        let ends = ends(&mut restorer);
        (ends, written.load(Ordering::SeqCst), flushed.load(Ordering::SeqCst))
    };
    assert_eq!(counts_from(1), (vec![Some(4)], 1, 1));
    assert_eq!(counts_from(5), (vec![Some(0)], 1, 0));
}

#[test]
fn a_store_is_done_that_stands_at_the_end_of_a_log_that_it_knows() {
    let broker = broker();
    let done = |place: i64, genesis: Option<Genesis>| {
        let mut job = job(&broker);
        job.checkpoint.changelog = Some(Offset(place));
        job.checkpoint.genesis = genesis;
        job.is_done()
    };
    let is_done = [done(4, None), done(5, None), done(5, Some([7; 16]))];
    assert_eq!(is_done, [false, true, false]);
}

#[test]
fn a_job_whose_task_is_wanted_no_more_is_given_up() {
    let broker = broker();
    let mut restorer = restorer(&broker);
    restorer.begin(job(&broker)).unwrap();
    restorer.keep(|id| id.partition == 0).unwrap();
    assert!(restorer.is_busy());
    restorer.keep(|id| id.partition == 1).unwrap();
    assert_eq!((restorer.is_busy(), ends(&mut restorer)), (false, vec![]));
}

#[test]
fn nothing_more_is_read_of_a_log_whose_store_is_done() {
    let broker = broker();
    let mut restorer = restorer(&broker);
    restorer.begin(job(&broker)).unwrap();
    assert_eq!(ends(&mut restorer), [Some(4)]);
    append(&broker, b"later", b"value");
    assert!(restorer.consumer.poll(Duration::ZERO).unwrap().is_empty());
}

#[test]
fn a_store_that_was_built_from_the_beginning_of_a_log_knows_it_again() {
    let broker = empty();
    let (id, key, value) = genesis::make();
    append(&broker, key, &value);
    append(&broker, b"row", b"value");
    let mut restorer = restorer(&broker);
    let RestoreJob { mut store, checkpoint, .. } = job(&broker);
    let checkpoint = Checkpoint { changelog: None, ..checkpoint };
    store.restore(&StateChanges::default(), &checkpoint).unwrap();
    restorer.begin(RestoreJob { store, checkpoint, ..job(&broker) }).unwrap();
    let steps = (0..10).flat_map(|_| restorer.step(Duration::ZERO, || false).unwrap());
    let known: Vec<_> = steps.map(|end| end.ok().map(|end| end.checkpoint.genesis)).collect();
    assert_eq!(known, [Some(Some(id))]);
}
