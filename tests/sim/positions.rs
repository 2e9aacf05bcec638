//! Where a task starts: what the group has committed, what its state has read, and what cannot both be so.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, GroupMetadata};
use millstream::store::memory::MemoryStores;
use millstream::store::{Checkpoint, LoggedKey, StateChanges, Stores, TaskStore};
use millstream::testing::{Driver, Table, table};
use millstream::{Builder, Bytes, I64, Offset, Result, TaskId, Topic, TopicPartition, Utf8};

use crate::world::at;

/// Stores that are found as an earlier process has left them.
struct Found {
    stores: MemoryStores,
    checkpoint: Checkpoint,
}

impl Stores for Found {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        let mut store = self.stores.open(task, columns)?;
        store.restore(&StateChanges::default(), &self.checkpoint)?;
        Ok(store)
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        self.stores.wipe(task)
    }
}

fn places(of: &[(&str, i64)]) -> Vec<(TopicPartition, Offset)> {
    of.iter().map(|(topic, at)| (TopicPartition::new(*topic, 0), Offset(*at))).collect()
}

/// Commits positions for the group, as an earlier process did.
fn commit(driver: &Driver, positions: &[(TopicPartition, Offset)]) {
    let (member, instance) = (String::new(), "".into());
    let nobody = GroupMetadata { group: "app".into(), generation: -1, member, instance };
    let topics: Arc<[Topic]> = Arc::new([]);
    let mut producer = driver.broker().producer(Some("earlier"), topics).unwrap();
    producer.init(Duration::ZERO).unwrap();
    producer.begin().unwrap();
    producer.send_offsets(positions, &nobody).unwrap();
    producer.commit().unwrap();
}

/// Counts the five records each of `a` and `b` that come behind the positions at which the task starts, or says why it
/// does not. `is_behind`: the changelog has more than the state.
fn counted(
    committed: &[(&str, i64)],
    read: &[(&str, i64)],
    is_behind: bool,
) -> Result<Table, String> {
    let builder = Builder::new("app");
    let (a, b) = (builder.stream("a", Utf8, Utf8), builder.stream("b", Utf8, Utf8));
    a.merge(&b).count("counts", Utf8).to("out", Utf8, I64);
    let checkpoint = Checkpoint { inputs: places(read), ..Checkpoint::default() };
    let found = move |_| {
        let found = Found { stores: MemoryStores::default(), checkpoint: checkpoint.clone() };
        Arc::new(found) as Arc<dyn Stores>
    };
    let mut driver = Driver::of(builder.build().unwrap()).stores(found).start().unwrap();
    for topic in ["a", "b"] {
        let input = driver.input::<String, String>(topic, Utf8, Utf8);
        (0..5).for_each(|_| input.send(&topic.into(), &"x".into(), at(0)).unwrap());
    }
    if is_behind {
        let mut key = Vec::new();
        LoggedKey { store: "of before", key: b"row" }.encode(&mut key);
        let log = driver.input::<Vec<u8>, Vec<u8>>("app-counts-changelog", Bytes, Bytes);
        log.send(&key, &b"value".to_vec(), at(0)).unwrap();
    }
    if !committed.is_empty() {
        commit(&driver, &places(committed));
    }
    driver.settle().map_err(|fault| fault.message().to_owned())?;
    Ok(driver.output("out", Utf8, I64).latest().unwrap())
}

#[test]
fn a_task_starts_where_the_group_has_committed_or_where_its_state_ends_or_at_the_beginning() {
    let rows: [(&[_], &[_], _); 6] = [
        (&[], &[], "a 5 | b 5"),
        (&[("a", 3), ("b", 4)], &[], "a 2 | b 1"),
        (&[("a", 3), ("b", 4)], &[("a", 3), ("b", 4)], "a 2 | b 1"),
        // Records that changed no state.
        (&[("a", 3), ("b", 4)], &[("a", 2), ("b", 4)], "a 2 | b 1"),
        // The group has forgotten its positions.
        (&[], &[("a", 3), ("b", 4)], "a 2 | b 1"),
        // A source that is new.
        (&[("a", 3)], &[("a", 3)], "a 2 | b 5"),
    ];
    for (committed, read, counts) in rows {
        assert_eq!(counted(committed, read, false), Ok(table(counts)), "{committed:?} {read:?}");
    }
}

#[test]
fn state_that_the_positions_do_not_explain_ends_the_process() {
    let rows: [(&[_], &[_], _, _); 4] = [
        (
            &[("a", 3), ("b", 4)],
            &[("a", 4), ("b", 4)],
            false,
            "state has read a-0 up to 4, the group has committed 3",
        ),
        (
            &[],
            &[("a", 3), ("b", 4)],
            true,
            "state has read a-0 up to 3 and more, the group has no committed position",
        ),
        (&[], &[], true, "there is state, but the group has no committed position of a-0"),
        (&[], &[("b", 4)], false, "there is state, but the group has no committed position of a-0"),
    ];
    for (committed, read, is_behind, why) in rows {
        let words = format!("Mismatch (5): counts_0: {why}");
        assert_eq!(counted(committed, read, is_behind), Err(words), "{committed:?} {read:?}");
    }
}
