//! Random worlds: any order of words, crashes, moves and lost answers; the seed replays it.
//!
//! `MILLSTREAM_SEEDS=5000` tries more of them, `MILLSTREAM_SEED=17` one.

use std::collections::BTreeMap;

use millstream::store::{Column, LoggedKey};
use millstream::testing::Driver;
use millstream::{Bytes, Emit, FailPoint, I64, Result};

use crate::disk::Disk;
use crate::world::{history, say, word_count};

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn index(&mut self, below: usize) -> usize {
        self.below(below as u64) as usize
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Keys and values in the order of the log.
type Logged = Vec<(Vec<u8>, Option<Vec<u8>>)>;

struct World {
    chance: Chance,
    driver: Driver,
    instances: usize,
    emit: Emit,
    said: BTreeMap<String, i64>,
    cleaned: bool,
}

impl World {
    fn of(seed: u64) -> Result<Self> {
        let mut chance = Chance(seed);
        let emit = [Emit::EveryUpdate, Emit::OnCommit][chance.index(2)];
        let instances = 1 + chance.index(3);
        let setup = Driver::of(word_count(emit)?)
            .partitions(1 + chance.index(12) as i32)
            .workers(1 + chance.index(2))
            .instances(instances);
        let disks: [Disk; 3] = Default::default();
        let setup = match chance.index(2) {
            0 => setup.stores(move |process| disks[process].open()),
            _ => setup,
        };
        let driver = setup.start()?;
        driver.broker().faults().limit_fetch(1 + chance.index(40));
        Ok(Self { chance, driver, instances, emit, said: BTreeMap::new(), cleaned: false })
    }

    fn turn(&mut self) -> Result<()> {
        let Self { chance, driver, instances, .. } = self;
        let one = chance.index(*instances);
        match chance.below(16) {
            0..6 => self.speak()?,
            6..9 => {
                for _ in 0..chance.below(8) {
                    driver.step()?;
                }
            }
            9 => driver.arm(FailPoint::ALL[chance.index(FailPoint::ALL.len())], chance.index(6)),
            10 => driver.kill(one),
            11 => driver.restart(one)?,
            12 => driver.advance_clock(std::time::Duration::from_millis(chance.below(3_000))),
            13 => {
                let id = format!("word-count-instance-{one}-0");
                match chance.index(2) {
                    0 => driver.broker().faults().lose_next_commit_answer(&id),
                    _ => driver.broker().faults().lose_next_commit_request(&id),
                }
            }
            14 => {
                let name = format!("instance-{one}");
                driver.broker().faults().expire_session("word-count", &name);
            }
            _ => {
                let late = std::time::Duration::from_millis(chance.below(2) * 200);
                driver.broker().faults().delay_markers(late);
                driver.broker().clean();
                self.cleaned = true;
            }
        }
        self.holds_a_committed_prefix()
    }

    fn speak(&mut self) -> Result<()> {
        let words = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let line: Vec<_> =
            (0..self.chance.below(12)).map(|_| words[self.chance.index(words.len())]).collect();
        for word in &line {
            *self.said.entry((*word).into()).or_default() += 1;
        }
        let who = self.chance.below(20).to_string();
        say(&self.driver, &who, &line.join(" "))
    }

    /// What every running task answers to readers is what its changelog said at some committed moment.
    /// A cleaned log tells no more what it said in between.
    fn holds_a_committed_prefix(&self) -> Result<()> {
        if self.cleaned {
            return Ok(());
        }
        for (task, held) in self.states()? {
            let log = self.changelog(task)?;
            let mut fold = Rows::new();
            let mut found = held.is_empty();
            for (key, value) in log {
                drop(match value {
                    Some(value) => fold.insert(key, value),
                    None => fold.remove(&key),
                });
                found |= fold == held;
            }
            assert!(found, "task {task} holds {held:?}, its log {fold:?}");
        }
        Ok(())
    }

    /// The counts of each running task, by partition.
    fn states(&self) -> Result<BTreeMap<i32, Rows>> {
        let mut states = BTreeMap::new();
        for (id, reader) in self.driver.readers() {
            let mut rows = Rows::new();
            reader.scan(Column(0), &[], None, &mut |key, value| {
                rows.insert(key.into(), value.into());
                true
            })?;
            states.insert(id.partition, rows);
        }
        Ok(states)
    }

    fn changelog(&self, partition: i32) -> Result<Logged> {
        let topic = "word-count-counts-changelog";
        let rows = self.driver.output::<Vec<u8>, Vec<u8>>(topic, Bytes, Bytes).rows()?;
        let rows = rows.into_iter().filter(|row| row.partition == partition);
        let counts = rows.filter_map(|row| {
            let LoggedKey { store, key } = LoggedKey::decode(row.key.as_deref()?)?;
            (store == "counts").then(|| (key.to_vec(), row.value))
        });
        Ok(counts.collect())
    }

    /// Everything runs, everything said is counted, and each store is its changelog folded.
    fn ends_well(&mut self) -> Result<()> {
        self.driver.broker().faults().delay_markers(std::time::Duration::ZERO);
        for instance in 0..self.instances {
            self.driver.restart(instance)?;
        }
        self.driver.settle()?;
        let said = history(&self.driver, "word-counts", I64)?;
        let last: BTreeMap<_, _> =
            said.iter().map(|(word, counts)| (word.clone(), *counts.last().unwrap())).collect();
        assert_eq!(last, self.said);
        let rising = said.values().all(|counts| counts.is_sorted_by(|a, b| a < b));
        let whole = said.values().all(|counts| counts.len() as i64 == *counts.last().unwrap());
        assert!(rising && (whole || self.emit == Emit::OnCommit), "{said:?}");
        for (task, held) in self.states()? {
            let mut fold = Rows::new();
            for (key, value) in self.changelog(task)? {
                drop(match value {
                    Some(value) => fold.insert(key, value),
                    None => fold.remove(&key),
                });
            }
            assert_eq!(held, fold, "task {task}");
        }
        Ok(())
    }
}

fn a_random_world_counts_every_word_once(seed: u64) -> Result<()> {
    let mut world = World::of(seed)?;
    let turns = 10 + world.chance.below(60);
    for _ in 0..turns {
        world.turn()?;
    }
    world.ends_well()
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_worlds_count_every_word_once() {
    let seeds = match asked("MILLSTREAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("MILLSTREAM_SEEDS").unwrap_or(200),
    };
    for seed in seeds {
        let world = std::panic::catch_unwind(|| a_random_world_counts_every_word_once(seed));
        assert!(matches!(world, Ok(Ok(()))), "MILLSTREAM_SEED={seed} replays it: {world:?}");
    }
}
