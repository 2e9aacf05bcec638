//! The referee: plants a world for every seed, has everybody compared in all of them, and tells the figures with their intervals.
//!
//! A world takes several lives, none of which knows of another: the open loop; the same without spammers; with trending
//! counted by people; kept ranked, for the floor; and the closed loop of each contender that has one. They are shared among
//! the threads as these come free, and put together in the order of the seeds, so that the table does not depend on it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use millstream::{Fault, Result};
use topologies::feed::FeedSettings;
use topologies::trending::points::Formula;

use crate::closed_loop::{self, Closed};
use crate::contender::Contender;
use crate::kept::{self, Kept};
use crate::open_loop::{self, Opened};
use crate::report::Report;
use crate::world::{Size, World};

/// The world that is kept ranked lasts no longer: everybody is ranked every ten minutes in it.
const KEPT_DAYS_MAX: u32 = 3;

/// What is asked of the referee.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The seeds of the worlds.
    pub seeds: Vec<u64>,
    /// How large each is.
    pub size: Size,
    /// Of the judged looks one in so many is ranked by everybody in the open loop.
    pub look_every: usize,
    /// How long a tick is in the life that is kept ranked.
    pub kept_tick_ms: i64,
    /// How many lives go on at a time.
    pub threads: usize,
    /// Who is compared.
    pub contenders: Vec<Contender>,
}

/// One life that is to be lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Open,
    WithoutRings,
    ByPeople,
    Kept,
    /// The loop of the contender of this number.
    Closed(usize),
}

/// What comes of a life.
enum Done {
    Open(Opened),
    WithoutRings(Opened),
    ByPeople(Opened),
    Kept(Kept),
    Closed(usize, Closed),
}

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub struct OfSeed {
    /// The open loop.
    pub open: Option<Opened>,
    /// The same world without spammers.
    pub without_rings: Option<Opened>,
    /// The open loop, with trending counted by people.
    pub by_people: Option<Opened>,
    /// The feeds that were kept ranked.
    pub kept: Option<Kept>,
    /// The closed loops, by contender.
    pub closed: Vec<Option<Closed>>,
}

/// Lives all lives; `told` hears of each that ended, in words.
pub fn judge(asked: &Asked, told: &(dyn Fn(&str) + Sync)) -> Result<Report> {
    let closed = asked.contenders.iter().enumerate().filter(|(_, of)| of.closes_loop);
    let closed = closed.map(|(number, _)| Task::Closed(number));
    // The longest first, so that no thread is left with one at the end.
    let tasks: Vec<Task> = [Task::Kept, Task::Open, Task::WithoutRings]
        .into_iter()
        .chain(closed)
        .chain([Task::ByPeople])
        .collect();
    let seeds = 0..asked.seeds.len();
    let queue = seeds.flat_map(|seed| tasks.iter().map(move |task| (seed, *task))).collect();
    let queue: Mutex<VecDeque<(usize, Task)>> = Mutex::new(queue);
    let of_seed = OfSeed { closed: vec![None; asked.contenders.len()], ..OfSeed::default() };
    let done = Mutex::new(vec![of_seed; asked.seeds.len()]);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((seed, task)) = next else { return Ok(()) };
                let outcome = live(asked, seed, task)?;
                told(&format!(
                    "seed {}: {}",
                    asked.seeds.get(seed).unwrap_or(&0),
                    task.name(asked)
                ));
                keep(&done, seed, outcome);
            }
        };
        let threads: Vec<_> = (0..asked.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Fault::Fatal("a life ended badly".into())))
        })
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Report::of(asked, &done))
}

/// The topology of worlds in which arms are compared: those that ask for it know what readers were shown.
pub fn settings() -> FeedSettings {
    FeedSettings { remembers_shown: true, ..FeedSettings::default() }
}

impl Task {
    fn name(self, asked: &Asked) -> String {
        match self {
            Self::Open => "open loop".to_owned(),
            Self::WithoutRings => "open loop without spam".to_owned(),
            Self::ByPeople => "trending by people".to_owned(),
            Self::Kept => "kept ranked".to_owned(),
            Self::Closed(number) => {
                let name = asked.contenders.get(number).map(|of| of.name.as_str());
                format!("closed loop, {}", name.unwrap_or_default())
            }
        }
    }
}

fn live(asked: &Asked, seed: usize, task: Task) -> Result<Done> {
    let (seed, size) = (asked.seeds.get(seed).copied().unwrap_or_default(), asked.size);
    let (contenders, every) = (&asked.contenders[..], asked.look_every);
    let settings = settings();
    Ok(match task {
        Task::Open => {
            let world = World::plant(seed, size);
            Done::Open(open_loop::run(&world, (contenders, every), &settings)?)
        }
        Task::WithoutRings => {
            let world = World::plant(seed, Size { rings: 0, ..size });
            Done::WithoutRings(open_loop::run(&world, (contenders, every), &settings)?)
        }
        Task::ByPeople => {
            let settings = FeedSettings { trending: Formula::People { points_max: 1 }, ..settings };
            let world = World::plant(seed, size);
            Done::ByPeople(open_loop::run(&world, (&[], every), &settings)?)
        }
        Task::Kept => {
            let world = World::plant(seed, Size { days: size.days.min(KEPT_DAYS_MAX), ..size });
            Done::Kept(kept::run(&world, asked.kept_tick_ms, &FeedSettings::default())?)
        }
        Task::Closed(number) => {
            let world = World::plant(seed, size);
            let contender = contenders.get(number).ok_or(Fault::Fatal("no contender".into()))?;
            Done::Closed(number, closed_loop::run(&world, contender, &settings)?)
        }
    })
}

fn keep(done: &Mutex<Vec<OfSeed>>, seed: usize, outcome: Done) {
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(of) = done.get_mut(seed) else { return };
    match outcome {
        Done::Open(opened) => of.open = Some(opened),
        Done::WithoutRings(opened) => of.without_rings = Some(opened),
        Done::ByPeople(opened) => of.by_people = Some(opened),
        Done::Kept(kept) => of.kept = Some(kept),
        Done::Closed(number, closed) => {
            of.closed.iter_mut().skip(number).take(1).for_each(|of| *of = Some(closed.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::contender::all;
    use crate::metric::Metric;
    use crate::report::Row;

    const NAMES: [&str; 5] = ["random", "chronological", "v1", "best of v1's candidates", "oracle"];

    fn judged(threads: usize) -> Report {
        let contenders = all().into_iter().filter(|of| NAMES.contains(&of.name.as_str()));
        let asked = Asked {
            seeds: vec![1],
            size: Size::TINY,
            look_every: 4,
            kept_tick_ms: kept::TINY_TICK_MS,
            threads,
            contenders: contenders.collect(),
        };
        judge(&asked, &|_| {}).unwrap()
    }

    /// Judged once for all tests.
    fn report() -> &'static Report {
        static REPORT: OnceLock<Report> = OnceLock::new();
        REPORT.get_or_init(|| judged(2))
    }

    fn means(rows: &[Row], metric: Metric) -> Vec<f64> {
        rows.iter().map(|row| row.figure(metric).unwrap().mean).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_figures_whatever_the_threads() {
        let again = judged(1);
        // How many rankings a floor spares depends on how much the engine takes at a time.
        assert_eq!(Report { kept: report().kept, ..again }, *report());
    }

    #[test]
    fn the_oracle_reaches_all_and_chance_the_least() {
        for rows in [&report().open, &report().closed] {
            let [random, others @ .., oracle] = &means(rows, Metric::Ndcg10)[..] else { panic!() };
            assert_eq!(*oracle, 1.0);
            assert!(others.iter().all(|of| random < of && of < oracle), "{random} {others:?}");
        }
        let regret = means(&report().open, Metric::Regret);
        assert!(regret[4].abs() < 1e-12 && regret[0] > 0.05, "{regret:?}");
    }

    #[test]
    fn what_is_published_is_what_is_ranked_on_demand_and_the_floor_is_never_wrong() {
        let kept = report().kept.sum;
        assert!(kept.published > 25, "{kept:?}");
        assert_eq!((kept.equal, kept.mismatches), (kept.published, 0));
        assert!(kept.avoided_of_everybody() > Some(0.9), "{kept:?}");
    }

    #[test]
    fn a_report_is_told_as_a_table_and_as_a_page_that_asks_for_nothing() {
        let (table, page) = (report().table(), report().page());
        assert!(NAMES.iter().all(|name| table.contains(name)), "{table}");
        assert!(page.contains("What v1 does badly") && page.contains("<svg"));
        let asks = ["<script", "src=", "href=", "url(", "@import"];
        assert!(asks.iter().all(|word| !page.contains(word)));
    }
}
