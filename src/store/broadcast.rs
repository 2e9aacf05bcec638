//! A view shared by the tasks of a process: one loader writes it, tasks hold it still while they run a batch.
//!
//! The loader applies records as they come. A task takes a [`Snapshot`] before a batch and drops it after:
//! in between nothing of the view changes for it. A loader waits while a snapshot is held, and who takes one
//! waits while a loader waits; so a thread holds one snapshot of a view at a time, and not for long.

use std::any::Any;
use std::hash::Hash;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::{ArcRwLockReadGuard, RawRwLock, RwLock};

use super::{Index, View};
use crate::error::{Fault, Result};
use crate::record::{Offset, RawRecord};
use crate::serde::Serde;

/// A record that could not be applied: its key is null, or key or value do not decode. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it stands in its partition.
    pub offset: Offset,
    /// Why.
    pub why: Fault,
}

/// A broadcast store as its loader has it, whatever the types.
///
/// # Contract
/// 1. Records come in the order of their partition; one that was applied before changes nothing.
/// 2. A record that is rejected leaves its key as it was.
/// 3. Nothing changes while a `snapshot` is held.
pub trait BroadcastStore: Send + Sync {
    /// Applies records of `partition`, whose offsets lie before `end`, and moves its end there; answers
    /// those it rejected.
    fn apply(
        &self,
        partition: i32,
        records: &mut dyn Iterator<Item = RawRecord<'_>>,
        end: Offset,
    ) -> Vec<Rejected>;

    /// The offset after the last that was applied of `partition`.
    fn end(&self, partition: i32) -> Offset;

    /// Drops the removed keys of `partition` whose removal stands before `before`.
    fn forget(&self, partition: i32, before: Offset);

    /// Holds the store still until it is dropped.
    fn snapshot(&self) -> Rc<dyn BroadcastSnapshot>;

    /// About how many bytes it takes, its index included.
    fn bytes(&self) -> usize;
}

/// A task's hold on a broadcast store, whatever the types.
pub trait BroadcastSnapshot: Any {
    /// The offset after the last that was applied of `partition`.
    fn end(&self, partition: i32) -> Offset;

    /// Who stands before this position of `partition` must look at everything anew: [`View::horizon`].
    fn horizon(&self, partition: i32) -> Offset;

    /// [`View::changed_from`], the keys as `&K` behind `dyn Any`.
    fn changed_from(
        &self,
        partition: i32,
        from: Offset,
        visit: &mut dyn FnMut(&dyn Any, Offset) -> bool,
    );

    /// The [`Snapshot`] itself, to be downcast.
    fn into_any(self: Rc<Self>) -> Rc<dyn Any>;
}

/// The view of one broadcast topic and how its records are read.
pub struct SharedView<K, V, I = ()> {
    view: Arc<RwLock<View<K, V, I>>>,
    keys: Arc<dyn Serde<K>>,
    values: Arc<dyn Serde<V>>,
}

impl<K, V, I> Clone for SharedView<K, V, I> {
    fn clone(&self) -> Self {
        Self { view: self.view.clone(), keys: self.keys.clone(), values: self.values.clone() }
    }
}

impl<K, V, I> SharedView<K, V, I>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    I: Index<K, V>,
{
    /// An empty view of a topic whose records these read.
    pub fn new(keys: Arc<dyn Serde<K>>, values: Arc<dyn Serde<V>>) -> Self {
        Self { view: Arc::default(), keys, values }
    }

    /// Runs `read` on the view as it is.
    pub fn read<R>(&self, read: impl FnOnce(&View<K, V, I>) -> R) -> R {
        read(&self.view.read())
    }

    fn decode(&self, record: &RawRecord<'_>) -> Result<(K, Option<V>)> {
        let bytes = record.key.ok_or_else(|| Fault::Reject("the key is null".into()))?;
        let key = decoded(&*self.keys, bytes)?;
        let value = record.value.map(|bytes| decoded(&*self.values, bytes)).transpose()?;
        Ok((key, value))
    }
}

fn decoded<T: 'static>(serde: &dyn Serde<T>, bytes: &[u8]) -> Result<T> {
    let mut slot = None;
    serde.decode(bytes, serde.version(), &mut slot)?;
    slot.ok_or_else(|| Fault::Reject("nothing was decoded".into()))
}

impl<K, V, I> BroadcastStore for SharedView<K, V, I>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    I: Index<K, V>,
{
    fn apply(
        &self,
        partition: i32,
        records: &mut dyn Iterator<Item = RawRecord<'_>>,
        end: Offset,
    ) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        let mut decoded = Vec::new();
        for record in records {
            match self.decode(&record) {
                Ok((key, value)) => decoded.push((record.offset, key, value)),
                Err(why) => rejected.push(Rejected { offset: record.offset, why }),
            }
        }
        // A row holds the value itself.
        let beyond_row = |value: &V| self.values.weight(value).saturating_sub(size_of::<V>());
        let weight = |value: Option<&V>| value.map_or(0, beyond_row);
        let mut view = self.view.write();
        for (offset, key, value) in decoded {
            view.apply(partition, offset, (key, value), weight);
        }
        view.advance(partition, end);
        rejected
    }

    fn end(&self, partition: i32) -> Offset {
        self.view.read().end(partition)
    }

    fn bytes(&self) -> usize {
        self.view.read().bytes()
    }

    fn forget(&self, partition: i32, before: Offset) {
        self.view.write().forget(partition, before);
    }

    fn snapshot(&self) -> Rc<dyn BroadcastSnapshot> {
        Rc::new(Snapshot { view: self.view.read_arc() })
    }
}

/// A view held still.
pub struct Snapshot<K, V, I = ()> {
    view: ArcRwLockReadGuard<RawRwLock, View<K, V, I>>,
}

impl<K, V, I> Deref for Snapshot<K, V, I> {
    type Target = View<K, V, I>;

    fn deref(&self) -> &View<K, V, I> {
        &self.view
    }
}

impl<K, V, I> BroadcastSnapshot for Snapshot<K, V, I>
where
    K: Hash + Eq + 'static,
    V: 'static,
    I: Index<K, V>,
{
    fn end(&self, partition: i32) -> Offset {
        self.view.end(partition)
    }

    fn horizon(&self, partition: i32) -> Offset {
        self.view.horizon(partition)
    }

    fn changed_from(
        &self,
        partition: i32,
        from: Offset,
        visit: &mut dyn FnMut(&dyn Any, Offset) -> bool,
    ) {
        self.view.changed_from(partition, from, |key, offset| visit(key, offset));
    }

    fn into_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Headers, Timestamp};
    use crate::serde::{I64, Utf8};

    type Numbers = SharedView<String, i64>;

    fn numbers() -> Numbers {
        SharedView::new(Arc::new(Utf8), Arc::new(I64))
    }

    fn record<'a>(offset: i64, key: Option<&'a str>, value: Option<&'a [u8]>) -> RawRecord<'a> {
        RawRecord {
            offset: Offset(offset),
            timestamp: Timestamp(0),
            key: key.map(str::as_bytes),
            value,
            headers: Headers::default(),
        }
    }

    fn number(value: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        I64.encode(&value, &mut bytes);
        bytes
    }

    fn apply(to: &Numbers, of: &[RawRecord<'_>], end: i64) -> Vec<Rejected> {
        to.apply(0, &mut of.iter().copied(), Offset(end))
    }

    #[test]
    fn records_are_decoded_and_bad_ones_leave_their_key_as_it_was() {
        let shared = numbers();
        let (one, two) = (number(1), number(2));
        let rejected = apply(
            &shared,
            &[
                record(0, Some("a"), Some(&one)),
                record(1, Some("b"), Some(&two)),
                record(2, Some("a"), Some(b"short")),
                record(3, None, Some(&one)),
                record(4, Some("b"), None),
            ],
            9,
        );
        let reject =
            |offset, why: &str| Rejected { offset: Offset(offset), why: Fault::Reject(why.into()) };
        let expected = [reject(2, "i64 has 8 bytes, found 5"), reject(3, "the key is null")];
        assert_eq!(rejected, expected);
        let values =
            shared.read(|view| (view.get(&"a".into()).copied(), view.get(&"b".into()).copied()));
        assert_eq!((values, shared.end(0)), ((Some(1), None), Offset(9)));
    }

    fn value(of: &Rc<dyn BroadcastSnapshot>, key: &str) -> Option<i64> {
        let typed = of.clone().into_any().downcast::<Snapshot<String, i64>>();
        typed.unwrap().get(&key.into()).copied()
    }

    #[test]
    fn a_snapshot_stands_still_while_a_loader_writes() {
        let shared = numbers();
        apply(&shared, &[record(0, Some("a"), Some(&number(1)))], 1);
        let held = shared.snapshot();
        let loader = std::thread::spawn({
            let shared = shared.clone();
            move || apply(&shared, &[record(1, Some("a"), Some(&number(2)))], 2)
        });
        assert_eq!(value(&held, "a"), Some(1));
        drop(held);
        assert_eq!(loader.join().unwrap(), []);
        assert_eq!(value(&shared.snapshot(), "a"), Some(2));
    }

    #[test]
    fn a_value_weighs_what_it_has_beyond_its_row() {
        let shared: SharedView<String, String> = SharedView::new(Arc::new(Utf8), Arc::new(Utf8));
        let said = |offset, value: &str| {
            let record = record(offset, Some("a"), Some(value.as_bytes()));
            shared.apply(0, &mut std::iter::once(record), Offset(offset + 1));
            shared.bytes()
        };
        let (short, long) = (said(0, "short"), said(1, &"long".repeat(100)));
        assert_eq!(long, short + 400 - size_of::<String>());
    }

    #[test]
    fn changes_reach_a_task_that_knows_no_types() {
        let shared = numbers();
        let one = number(1);
        apply(&shared, &[record(0, Some("a"), Some(&one)), record(1, Some("b"), None)], 2);
        shared.forget(0, Offset(2));
        let held = shared.snapshot();
        let mut keys = Vec::new();
        held.changed_from(0, Offset(0), &mut |key, offset| {
            keys.push((key.downcast_ref::<String>().cloned(), offset));
            true
        });
        assert_eq!(keys, [(Some("a".into()), Offset(0))]);
        assert_eq!((held.end(0), held.horizon(0)), (Offset(2), Offset(2)));
    }
}
