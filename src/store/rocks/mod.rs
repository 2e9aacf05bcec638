//! State on disk, in RocksDB: a database per task at `<dir>/<sub-topology>/<partition>`, a column family
//! per store, the checkpoint in the default family.
//!
//! There is no write-ahead log: the changelog is the log. Families are flushed together (`atomic_flush`),
//! so that what a crash leaves is a prefix with the checkpoint that belongs to it. All databases share one block
//! cache, and their write buffers are charged to it.
//!
//! A directory that RocksDB finds damaged is moved aside (`<partition>.damaged`, the last one is kept) and
//! the task starts empty: its changelogs have everything. Damage shows when a database is opened, or much later, when
//! somebody reads the block that bears it; then the next opening moves the directory aside.

mod cause;
mod damage;
mod ingest;
mod store;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Error, LogLevel,
    Options, WriteBufferManager,
};

use self::cause::{Cause, fault};
use self::damage::{Damage, SetAside};
use self::store::RocksStore;
use super::task_lock::TaskLocks;
use super::{Stores, TaskStore};
use crate::error::{Fault, Result};
use crate::memory::MemoryUse;
use crate::record::TaskId;

/// The family that holds the checkpoint; every database has it.
const MARKS_FAMILY: &str = "default";
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// What the first write to a write buffer takes. There are hundreds of them, and by default each takes 1 MiB at once: they
/// would exceed their part together before anything is in them, and be flushed for ever.
const ARENA_BLOCK_BYTES: usize = 16 << 10;
/// Write buffers get this part of the memory; above it RocksDB flushes on its own.
const WRITE_BUFFER_PART: usize = 4;
const BLOOM_BITS: f64 = 10.0;
/// Most reads that miss the rows in memory are of keys that never were: this part of a write buffer's size, 8 KiB, spares the search of
/// those in it. Each write buffer takes it before anything is written, so that it is small for the same reason.
const MEMTABLE_BLOOM_PART: f64 = 0.0005;

/// Opens state that lives in RocksDB.
pub struct RocksStores {
    dir: PathBuf,
    memory_bytes_max: usize,
    cache: Cache,
    write_buffers: WriteBufferManager,
    locks: TaskLocks,
    /// What was found of each task's database since it was opened last.
    damages: Mutex<BTreeMap<TaskId, Arc<Damage>>>,
    set_aside: Mutex<BTreeMap<TaskId, SetAside>>,
}

impl RocksStores {
    /// State below `dir`, with `memory_bytes_max` for the block cache and all write buffers together.
    pub fn new(dir: impl Into<PathBuf>, memory_bytes_max: usize) -> Self {
        let cache = Cache::new_lru_cache(memory_bytes_max);
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            memory_bytes_max / WRITE_BUFFER_PART,
            false,
            cache.clone(),
        );
        Self {
            dir: dir.into(),
            memory_bytes_max,
            cache,
            write_buffers,
            locks: TaskLocks::default(),
            damages: Mutex::default(),
            set_aside: Mutex::default(),
        }
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_paranoid_checks(true);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(2);
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_PART);
        options.set_memtable_whole_key_filtering(true);
        options.set_allow_concurrent_memtable_write(false);
        options.set_max_background_jobs(2);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_bloom_filter(BLOOM_BITS, false);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        options.set_block_based_table_factory(&table);
        options
    }

    /// The directory of `task`. Names become path components, so they must be plain.
    fn path(&self, task: &TaskId) -> Result<PathBuf> {
        let name = &*task.sub_topology;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(Fault::Fatal(format!("{name:?} cannot name a state directory")));
        }
        Ok(self.dir.join(name).join(task.partition.to_string()))
    }

    /// Moves the damaged state of `task` aside. A disk that damages it again and again is not written to for ever.
    fn set_aside(&self, task: &TaskId, path: &Path) -> Result<()> {
        if !self.set_aside.lock().entry(task.clone()).or_default().may_be_again(Instant::now()) {
            let words = "state was damaged three times within an hour: look at the disk";
            return Err(Fault::Fatal(words.to_owned()));
        }
        let aside = path.with_extension("damaged");
        move_aside(path, &aside).map_err(|e| io_fault("move damaged state aside", path, &e))?;
        tracing::warn!(%task, aside = %aside.display(), "damaged state was set aside; it is restored from the changelog");
        Ok(())
    }

    fn open_at(&self, path: &Path, columns: &[Arc<str>]) -> Result<DB, Failed> {
        fs::create_dir_all(path)?;
        let options = self.options();
        let mut families = BTreeSet::from([MARKS_FAMILY.to_owned()]);
        if path.join("CURRENT").exists() {
            families.extend(DB::list_cf(&options, path)?);
        }
        families.extend(columns.iter().map(|name| name.to_string()));
        let families =
            families.into_iter().map(|name| ColumnFamilyDescriptor::new(name, self.options()));
        Ok(DB::open_cf_descriptors(&options, path, families)?)
    }
}

impl Stores for RocksStores {
    fn open(&self, task: &TaskId, columns: &[Arc<str>]) -> Result<Box<dyn TaskStore>> {
        if columns.iter().any(|name| &**name == MARKS_FAMILY) {
            return Err(Fault::Fatal(format!("no store can be called {MARKS_FAMILY:?}")));
        }
        let path = self.path(task)?;
        let lock = self.locks.take(task)?;
        let found = self.damages.lock().get(task).is_some_and(|damage| damage.is_found());
        if found {
            self.set_aside(task, &path)?;
            self.damages.lock().remove(task);
        }
        let db = match self.open_at(&path, columns) {
            Ok(db) => db,
            Err(failed) if failed.is_damage() => {
                tracing::error!(%task, error = %failed.fault(&path), "state is damaged");
                self.set_aside(task, &path)?;
                self.open_at(&path, columns).map_err(|failed| failed.fault(&path))?
            }
            Err(failed) => return Err(failed.fault(&path)),
        };
        let damage = Arc::new(Damage::of(task.clone()));
        self.damages.lock().insert(task.clone(), Arc::clone(&damage));
        Ok(Box::new(RocksStore::new(db, (lock, damage), columns, self.options())))
    }

    fn wipe(&self, task: &TaskId) -> Result<()> {
        let path = self.path(task)?;
        let _lock = self.locks.take(task)?;
        // Renamed first, so that a crash leaves the old state or none, never half of it.
        let aside = path.with_extension("wiped");
        move_aside(&path, &aside)
            .and_then(|()| remove(&aside))
            .map_err(|error| io_fault("wipe state", &path, &error))
    }

    /// The write buffers are charged to the block cache, which is therefore shown without them.
    fn memory(&self) -> Vec<MemoryUse> {
        let write_buffers = self.write_buffers.get_usage();
        let write_buffers_max = self.memory_bytes_max / WRITE_BUFFER_PART;
        let blocks = self.cache.get_usage().saturating_sub(write_buffers);
        let blocks_max = self.memory_bytes_max - write_buffers_max;
        vec![
            MemoryUse::bounded("write_buffers", write_buffers, write_buffers_max),
            MemoryUse::bounded("block_cache", blocks, blocks_max),
        ]
    }
}

fn move_aside(path: &Path, aside: &Path) -> io::Result<()> {
    remove(aside)?;
    match fs::rename(path, aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        outcome => outcome,
    }
}

/// Why a database did not open.
enum Failed {
    Files(io::Error),
    Rocks(Error),
}

impl Failed {
    fn is_damage(&self) -> bool {
        match self {
            Self::Files(error) => {
                matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
            }
            Self::Rocks(error) => Cause::of(error) == Cause::Files,
        }
    }

    fn fault(&self, path: &Path) -> Fault {
        match self {
            Self::Files(error) => io_fault("open state", path, error),
            Self::Rocks(error) => fault(&format!("open state at {}", path.display()), error),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Rocks(error)
    }
}

/// A file system may recover (space, permissions): worth another try.
fn io_fault(doing: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::Retry(format!("{doing} at {}: {error}", path.display()))
}
