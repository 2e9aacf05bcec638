//! State on disk after a kill: a copy is opened, and must be the fold of the changelogs up to its marks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use millstream::store::rocks::RocksStores;
use millstream::store::{Column, Stores, TaskStore};
use millstream::{Offset, TaskId};

use crate::worker;
use crate::world::{GENESIS, World};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the copy of a dead process's state says.
#[derive(Debug, Default)]
pub struct Left {
    /// Where each of its changelogs is to be read from.
    pub marks: BTreeMap<(String, i32), Offset>,
    /// How many rows it has.
    pub rows: usize,
}

impl Left {
    /// How many offsets of the changelogs a restart has to read, at most.
    pub fn behind(&self, world: &World) -> u64 {
        let behind = |((log, partition), mark): (&(String, i32), &Offset)| {
            (world.end(log, *partition).0 - mark.0).cast_unsigned()
        };
        self.marks.iter().map(behind).sum()
    }

    /// How many offsets these changelogs have in all.
    pub fn whole(&self, world: &World) -> i64 {
        self.marks.keys().map(|(log, partition)| world.end(log, *partition).0).sum()
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
        let marks = store.checkpoint().unwrap();
        for (place, name) in (0..).zip(&names) {
            let mark = marks.changelogs.get(usize::from(place)).copied().flatten();
            let (rows, log) = (rows_of(&*store, Column(place)), world.changelog(name));
            let folded = mark.map(|mark| fold(world, &log, task.partition, mark));
            assert_eq!(rows, folded.unwrap_or_default(), "{log}-{} at {mark:?}", task.partition);
            left.rows += rows.len();
            left.marks.insert((log, task.partition), mark.unwrap_or(Offset(0)));
        }
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

fn fold(world: &World, log: &str, partition: i32, mark: Offset) -> Rows {
    let mut rows = Rows::new();
    for row in world.read_to(log, partition, mark) {
        match row.value {
            Some(value) => rows.insert(row.key, value),
            None => rows.remove(&row.key),
        };
    }
    rows.remove(GENESIS);
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
