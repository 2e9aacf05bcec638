//! What the topics say when all is over: values as a committed reader sees them, by transaction.

use std::collections::{BTreeMap, BTreeSet};

use millstream::store::Envelope;
use millstream::{I64, Serde};

use crate::load::Sums;
use crate::segments::{Transaction, transactions};
use crate::worker;
use crate::world::{Row, World};

/// A count that a topic tells of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    key: String,
    count: i64,
}

/// What one committed transaction told in one partition.
#[derive(Debug, PartialEq, Eq)]
struct Act {
    producer: i64,
    told: Vec<Told>,
}

impl Act {
    /// The last of each key.
    fn last(&self) -> BTreeMap<&str, i64> {
        self.told.iter().map(|told| (told.key.as_str(), told.count)).collect()
    }
}

fn count_of(value: &[u8]) -> i64 {
    let mut count = None;
    I64.decode(value, 1, &mut count).unwrap();
    count.unwrap()
}

fn told(row: &Row) -> Told {
    let key = String::from_utf8(row.key.clone()).unwrap();
    Told { key, count: count_of(row.value.as_deref().unwrap()) }
}

/// A changelog's value has an envelope around it.
fn unsealed(row: &Row) -> Row {
    let value = row.value.as_deref().map(|value| Envelope::open(value).unwrap().value.to_vec());
    Row { value, ..row.clone() }
}

/// The committed transactions of a partition that told anything of a key.
fn acts(world: &World, topic: &str, partition: i32, rows: &[Row]) -> Vec<Act> {
    let ended = transactions(&world.data, topic, partition);
    assert_eq!(ended.open, 0, "{topic}-{partition}: every transaction has ended");
    let of = |transaction: &Transaction| Act {
        producer: transaction.producer,
        told: rows.iter().filter(|row| transaction.has(row.offset)).map(told).collect(),
    };
    let acts: Vec<_> = ended.committed.iter().map(of).filter(|act| !act.told.is_empty()).collect();
    let seen: usize = acts.iter().map(|act| act.told.len()).sum();
    assert_eq!(
        seen,
        rows.len(),
        "{topic}-{partition}: each record is of one committed transaction"
    );
    acts
}

/// How many transactions of a partition are void.
fn aborts(world: &World, topic: &str, partition: i32) -> usize {
    transactions(&world.data, topic, partition).aborted.len()
}

/// How much there was to see.
#[derive(Debug)]
pub struct Seen {
    pub updates: usize,
    /// Parts of committed transactions, by partition.
    pub transactions: usize,
    pub aborted: usize,
}

/// Holds the whole history against what was sent: returns only if all is as it should be.
pub fn verify(world: &World, sums: &Sums) -> Seen {
    let (mut latest, mut counted) = (Sums::new(), Sums::new());
    let (mut transactions, mut updates, mut aborted) = (0, 0, 0);
    for partition in 0..world.partitions {
        let (outputs, log) = both(world, &worker::counts(&world.app), "counts", partition);
        once_per_key(&outputs);
        rising(&outputs);
        same_acts(&outputs, &log);
        transactions += outputs.len();
        aborted += aborts(world, &worker::updates(&world.app), partition);
        latest.extend(outputs.iter().flat_map(|act| &act.told).map(|t| (t.key.clone(), t.count)));

        let (outputs, log) = both(world, &worker::updates(&world.app), "updates", partition);
        gapless(&outputs, &mut counted);
        same_acts(&outputs, &log);
        updates += outputs.iter().map(|act| act.told.len()).sum::<usize>();
    }
    assert_eq!(&latest, sums, "the last count of each key");
    assert_eq!(&counted, sums, "the updates of each key");
    Seen { updates, transactions, aborted }
}

/// The transactions of an output and of the changelog of its store.
fn both(world: &World, output: &str, store: &str, partition: i32) -> (Vec<Act>, Vec<Act>) {
    let outputs = acts(world, output, partition, &world.read(output, partition));
    let changelog = world.changelog();
    let end = world.end(&changelog, partition);
    let rows: Vec<_> = world.logged(store, partition, end).iter().map(unsealed).collect();
    (outputs, acts(world, &changelog, partition, &rows))
}

fn once_per_key(acts: &[Act]) {
    for act in acts {
        let keys: BTreeSet<_> = act.told.iter().map(|told| &told.key).collect();
        assert_eq!(keys.len(), act.told.len(), "a key twice in one transaction: {act:?}");
    }
}

fn rising(acts: &[Act]) {
    let mut last = BTreeMap::new();
    for told in acts.iter().flat_map(|act| &act.told) {
        let before = last.insert(&told.key, told.count).unwrap_or(0);
        assert!(before < told.count, "{}: {before}, then {}", told.key, told.count);
    }
}

/// One, two, three: nothing twice, nothing missing.
fn gapless(acts: &[Act], counted: &mut Sums) {
    for told in acts.iter().flat_map(|act| &act.told) {
        let count = counted.entry(told.key.clone()).or_default();
        *count += 1;
        assert_eq!((*count, &told.key), (told.count, &told.key), "a gap or a duplicate");
    }
}

/// Transaction by transaction, what went out is what the changelog keeps: none is torn.
fn same_acts(outputs: &[Act], log: &[Act]) {
    let of = |act: &Act| -> (i64, BTreeMap<String, i64>) {
        (act.producer, act.last().into_iter().map(|(key, count)| (key.to_owned(), count)).collect())
    };
    let (outputs, log): (Vec<_>, Vec<_>) =
        (outputs.iter().map(of).collect(), log.iter().map(of).collect());
    let differs = outputs.iter().zip(&log).position(|(output, log)| output != log);
    assert_eq!((differs, outputs.len()), (None, log.len()), "outputs and changelog differ");
}
