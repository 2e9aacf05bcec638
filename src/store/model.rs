//! Typed stores against plain maps: random histories of writes, reads, commits, aborts, restarts and
//! crashes, by seed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{
    CacheBudget, Checkpoint, Column, Committed, KeyValue, StateChanges, StateStore, Stores,
    TaskStore, TimerQueue,
};
use crate::error::Result;
use crate::record::{Offset, TaskId, Timestamp};
use crate::serde::Utf8;

const ROWS: Column = Column(0);
const TIMERS: Column = Column(1);
const STEPS: usize = 600;

/// What the typed stores must answer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    rows: BTreeMap<String, (String, i64)>,
    timers: BTreeMap<String, i64>,
}

/// Where the bytes are, and what a kill leaves of them.
trait AppContext {
    fn stores(&self) -> &dyn Stores;
    fn crash(&mut self, store: Box<dyn TaskStore>);
}

struct World<G> {
    ground: G,
    store: Option<Box<dyn TaskStore>>,
    rows: KeyValue<String, String>,
    timers: TimerQueue<String>,
    cache_bytes_max: usize,
    /// One entry per commit: its changes, and what was so after it.
    log: Vec<(StateChanges, Model)>,
    now: Model,
    clock: i64,
    seed: u64,
}

impl<G: AppContext> World<G> {
    fn new(ground: G, seed: u64) -> Result<Self> {
        let cache_bytes_max = if seed.is_multiple_of(2) { 700 } else { 1 << 20 };
        let store = open(&ground)?;
        let (rows, timers) = typed(&*store, cache_bytes_max)?;
        let (log, now, clock) = (Vec::new(), Model::default(), 0);
        let store = Some(store);
        Ok(Self { ground, store, rows, timers, cache_bytes_max, log, now, clock, seed })
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// Short and long keys, some the prefix of others.
    fn key(&mut self) -> String {
        let letter = char::from(b'a' + self.random(4) as u8);
        String::from(letter).repeat([1, 2, 3, 38, 39, 60][self.random(6) as usize])
    }

    fn step(&mut self) -> Result<()> {
        self.clock += self.random(5) as i64 - 1;
        let at = Timestamp(self.clock);
        self.rows.at(at);
        match self.random(20) {
            0..3 => self.put(),
            3 => self.delete(),
            4..7 => self.update(),
            7 => self.leave_as_it_is(),
            8 => self.panic_in_an_update(),
            9..11 => self.get(),
            11 => self.scan(),
            12 => self.scan_prefix(),
            13 => self.set_timer(),
            14 => self.cancel_timer(),
            15 => self.fire(),
            16 => self.commit(),
            17 => self.abort(),
            18 => self.restart(),
            _ => self.crash(),
        }
    }

    fn put(&mut self) -> Result<()> {
        let (key, value) = (self.key(), self.random(1000).to_string());
        self.now.rows.insert(key.clone(), (value.clone(), self.clock));
        self.rows.put(&key, value)
    }

    fn delete(&mut self) -> Result<()> {
        let key = self.key();
        self.now.rows.remove(&key);
        self.rows.delete(&key)
    }

    fn update(&mut self) -> Result<()> {
        let key = self.key();
        let held = self.now.rows.entry(key.clone()).or_insert((String::new(), i64::MIN));
        held.0.push('+');
        held.1 = held.1.max(self.clock);
        let length = self.rows.update(&key, |value| {
            value.push('+');
            value.len()
        })?;
        assert_eq!(length, held.0.len());
        Ok(())
    }

    fn leave_as_it_is(&mut self) -> Result<()> {
        let (key, before) = (self.key(), self.rows.dirty_bytes());
        assert!(!self.rows.update_if(&key, |_| false)?);
        assert_eq!(self.rows.dirty_bytes(), before);
        Ok(())
    }

    fn panic_in_an_update(&mut self) -> Result<()> {
        let key = self.key();
        let cut_short = catch_unwind(AssertUnwindSafe(|| {
            self.rows.update(&key, |value| {
                value.push_str("half");
                std::panic::resume_unwind(Box::new("cut short"))
            })
        }));
        assert!(cut_short.is_err());
        self.abort()
    }

    fn get(&mut self) -> Result<()> {
        let key = self.key();
        let found = self.rows.timed(&key)?.map(|(value, at)| (value.clone(), at.0));
        assert_eq!(found.as_ref(), self.now.rows.get(&key));
        Ok(())
    }

    fn scan(&mut self) -> Result<()> {
        let (from, to, mut found) = (self.key(), self.key(), Vec::new());
        self.rows.scan(&from..&to, |key, value| {
            found.push((key.clone(), value.clone()));
            found.len() < 5
        })?;
        let to = to.max(from.clone());
        let range = (Bound::Included(from), Bound::Excluded(to));
        let held =
            self.now.rows.iter().filter(|(key, _)| std::ops::RangeBounds::contains(&range, *key));
        let held = held.map(|(key, (value, _))| (key.clone(), value.clone()));
        assert_eq!(found, held.take(5).collect::<Vec<_>>());
        Ok(())
    }

    fn scan_prefix(&mut self) -> Result<()> {
        let (prefix, mut found) = (self.key(), Vec::new());
        self.rows.scan_prefix(prefix.as_bytes(), |key, value| {
            found.push((key.clone(), value.clone()));
            true
        })?;
        let held = self.now.rows.iter().filter(|(key, _)| key.starts_with(&prefix));
        let held = held.map(|(key, (value, _))| (key.clone(), value.clone()));
        assert_eq!(found, held.collect::<Vec<_>>());
        Ok(())
    }

    fn set_timer(&mut self) -> Result<()> {
        let (key, at) = (self.key(), self.clock + self.random(20) as i64);
        self.now.timers.insert(key.clone(), at);
        self.timers.set(&key, Timestamp(at))
    }

    fn cancel_timer(&mut self) -> Result<()> {
        let key = self.key();
        self.now.timers.remove(&key);
        self.timers.cancel(&key)
    }

    fn fire(&mut self) -> Result<()> {
        let earliest = self.now.timers.iter().map(|(key, at)| (*at, key.clone())).min();
        assert_eq!(self.timers.next().map(|at| at.0), earliest.as_ref().map(|due| due.0));
        let due = earliest.filter(|(at, _)| *at <= self.clock);
        let mut key = None;
        let fired = self.timers.pop_due(Timestamp(self.clock), &mut key)?;
        assert_eq!(fired.map(|at| (at.0, key.unwrap_or_default())), due);
        self.now.timers.retain(|key, _| due.as_ref().is_none_or(|(_, fired)| fired != key));
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let mut changes = StateChanges::default();
        self.rows.stage(&mut changes)?;
        self.timers.stage(&mut changes)?;
        let keys: Vec<_> = changes.iter().map(|change| (change.column, change.key)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "staged in the order of the keys, each once");
        self.log.push((changes, self.now.clone()));
        let checkpoint = checkpoint(self.log.len());
        let (changes, _) = &self.log[self.log.len() - 1];
        if let Some(store) = &mut self.store {
            store.apply(changes, &checkpoint, &Committed::mint())?;
            if self.clock % 3 == 0 {
                store.flusher()()?;
            }
        }
        self.rows.settle();
        self.timers.settle();
        assert_eq!(self.rows.dirty_bytes() + self.timers.dirty_bytes(), 0);
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        self.rows.discard();
        self.timers.discard();
        self.now = self.log.last().map(|(_, model)| model.clone()).unwrap_or_default();
        self.same_as_model()
    }

    fn restart(&mut self) -> Result<()> {
        self.store.take().map_or(Ok(()), TaskStore::close)?;
        self.reopen()
    }

    fn crash(&mut self) -> Result<()> {
        if let Some(store) = self.store.take() {
            self.ground.crash(store);
        }
        self.reopen()
    }

    /// Opens what is left, a committed prefix, and replays the rest of the log.
    fn reopen(&mut self) -> Result<()> {
        let mut store = open(&self.ground)?;
        let left = store.checkpoint()?.changelog.map_or(0, |next| next.0);
        let prefix = self.log[..left as usize].last().map(|(_, model)| model.clone());
        self.now = prefix.unwrap_or_default();
        (self.rows, self.timers) = typed(&*store, self.cache_bytes_max)?;
        self.same_as_model()?;
        for (place, (changes, model)) in self.log.iter().enumerate().skip(left as usize) {
            store.restore(changes, &checkpoint(place + 1))?;
            self.now = model.clone();
        }
        (self.rows, self.timers) = typed(&*store, self.cache_bytes_max)?;
        self.store = Some(store);
        self.same_as_model()
    }

    fn same_as_model(&mut self) -> Result<()> {
        let mut found = Model::default();
        self.rows.scan_bytes(&[], None, |key, value| {
            found.rows.insert(key.clone(), (value.clone(), 0));
            true
        })?;
        for (key, held) in &mut found.rows {
            held.1 = self.rows.timed(key)?.map_or(i64::MIN, |(_, at)| at.0);
        }
        for key in self.now.timers.keys() {
            found.timers.extend(self.timers.deadline(key).map(|at| (key.clone(), at.0)));
        }
        assert_eq!((&found, self.timers.len()), (&self.now, self.now.timers.len()));
        Ok(())
    }
}

fn open(ground: &impl AppContext) -> Result<Box<dyn TaskStore>> {
    let task = TaskId { sub_topology: "model".into(), partition: 0 };
    ground.stores().open(&task, &["rows".into(), "timers".into()])
}

fn typed(
    store: &dyn TaskStore,
    cache_bytes_max: usize,
) -> Result<(KeyValue<String, String>, TimerQueue<String>)> {
    let (reader, utf8) = (store.reader(), Arc::new(Utf8));
    let timers =
        TimerQueue::open(TIMERS, &*reader, utf8.clone(), &CacheBudget::new(cache_bytes_max))?;
    Ok((
        KeyValue::new(ROWS, reader, utf8.clone(), utf8, &CacheBudget::new(cache_bytes_max)),
        timers,
    ))
}

fn checkpoint(commits: usize) -> Checkpoint {
    Checkpoint { changelog: Some(Offset(commits as i64)), ..Checkpoint::default() }
}

fn run<G: AppContext>(seeds: u64, ground: impl Fn() -> G) -> Result<()> {
    for seed in 0..seeds {
        let mut world = World::new(ground(), seed)?;
        for step in 0..STEPS {
            let told = catch_unwind(AssertUnwindSafe(|| world.step()));
            assert_eq!(told.ok(), Some(Ok(())), "seed {seed}, step {step}");
        }
        world.commit()?;
        world.same_as_model()?;
    }
    Ok(())
}

struct Memory(super::memory::MemoryStores);

impl AppContext for Memory {
    fn stores(&self) -> &dyn Stores {
        &self.0
    }

    fn crash(&mut self, store: Box<dyn TaskStore>) {
        drop(store);
    }
}

#[test]
fn in_memory_every_history_reads_as_the_model_says() -> Result<()> {
    run(200, || Memory(super::memory::MemoryStores::default()))
}

#[cfg(feature = "rocksdb")]
mod rocks {
    use tempfile::TempDir;

    use super::super::rocks::RocksStores;
    use super::super::rocks::tests::copy_as_killed;
    use super::{AppContext, Result, Stores, TaskStore, run};

    struct Disk {
        dir: TempDir,
        stores: RocksStores,
    }

    impl Disk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let stores = RocksStores::new(dir.path(), 8 << 20);
            Self { dir, stores }
        }

        fn place(&self) -> std::path::PathBuf {
            self.dir.path().join("model").join("0")
        }
    }

    impl AppContext for Disk {
        fn stores(&self) -> &dyn Stores {
            &self.stores
        }

        /// Goes on with the files as they are, without what is only in memory.
        fn crash(&mut self, store: Box<dyn TaskStore>) {
            let image = Self::new();
            copy_as_killed(&self.place(), &image.place());
            drop(store);
            *self = image;
        }
    }

    #[test]
    fn on_disk_every_history_reads_as_the_model_says() -> Result<()> {
        run(3, Disk::new)
    }
}
