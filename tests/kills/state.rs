//! State on disk after a kill: a copy is opened, and must be the fold of the changelog up to its mark.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use millstream::store::rocks::RocksStores;
use millstream::store::{Column, Stores, TaskStore};
use millstream::{Offset, TaskId};

use crate::worker;
use crate::world::World;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the copy of a dead process's state says.
#[derive(Debug, Default)]
pub struct Left {
    /// Where the changelog of each partition is to be read from.
    pub marks: BTreeMap<i32, Offset>,
    /// How many rows it has.
    pub rows: usize,
}

impl Left {
    /// How many offsets of the changelog a restart has to read, at most.
    pub fn behind(&self, world: &World) -> u64 {
        let log = world.changelog();
        let behind = |(partition, mark): (&i32, &Offset)| {
            (world.end(&log, *partition).0 - mark.0).cast_unsigned()
        };
        self.marks.iter().map(behind).sum()
    }

    /// How many offsets these partitions have in all.
    pub fn whole(&self, world: &World) -> i64 {
        let log = world.changelog();
        self.marks.keys().map(|partition| world.end(&log, *partition).0).sum()
    }
}

/// Copies the state of a process that is dead, and compares.
pub fn verify(world: &World, dir: &Path) -> Left {
    let image = tempfile::tempdir().unwrap();
    let tasks = worker::state_dir(dir).join("tasks");
    let mut left = Left::default();
    if !tasks.exists() {
        return left;
    }
    copy(&tasks, image.path());
    let stores = RocksStores::new(image.path(), 16 << 20);
    for task in tasks_in(image.path()) {
        let own = format!("{}-task", task.sub_topology);
        let names = ["counts", "updates", &own].map(Arc::from);
        let store = stores.open(&task, &names).unwrap();
        let mark = store.checkpoint().unwrap().changelog;
        for (place, name) in (0..).zip(&names) {
            let rows = rows_of(&*store, Column(place));
            let folded = mark.map(|mark| fold(world, name, task.partition, mark));
            assert_eq!(rows, folded.unwrap_or_default(), "{name}-{} at {mark:?}", task.partition);
            left.rows += rows.len();
        }
        left.marks.insert(task.partition, mark.unwrap_or(Offset(0)));
    }
    left
}

fn tasks_in(root: &Path) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for sub in fs::read_dir(root).unwrap().map(Result::unwrap) {
        for task in fs::read_dir(sub.path()).unwrap().map(Result::unwrap) {
            let partition = task.file_name().to_str().unwrap().parse().unwrap();
            let sub_topology = sub.file_name().to_str().unwrap().into();
            tasks.push(TaskId { sub_topology, partition });
        }
    }
    tasks.sort();
    tasks
}

fn rows_of(store: &dyn TaskStore, column: Column) -> Rows {
    let mut rows = Rows::new();
    let mut keep = |key: &[u8], value: &[u8]| {
        rows.insert(key.to_vec(), value.to_vec());
        true
    };
    store.reader().scan(column, &[], None, &mut keep).unwrap();
    rows
}

fn fold(world: &World, store: &str, partition: i32, mark: Offset) -> Rows {
    let mut rows = Rows::new();
    for row in world.logged(store, partition, mark) {
        match row.value {
            Some(value) => rows.insert(row.key, value),
            None => rows.remove(&row.key),
        };
    }
    rows
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).unwrap()),
        }
    }
}
