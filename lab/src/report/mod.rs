//! The report: every figure of every contender, with its interval over the seeds; as data, as a [`table`], as a [`page`].

pub mod page;
pub mod plot;
pub mod table;
mod weakness;

use serde::Serialize;

use crate::contender::BEST;
use crate::kept::Kept;
use crate::metric::{Interval, Metric};
use crate::open_loop::Opened;
use crate::referee::{Asked, OfSeed};
use crate::trend::TrendFigures;
use crate::world::Size;

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seeds of the worlds.
    pub seeds: Vec<u64>,
    /// Their size.
    pub size: Size,
    /// Looks that everybody ranked, in each world of the open loop.
    pub looks: Vec<usize>,
    /// The open loop.
    pub open: Vec<Row>,
    /// The open loop in worlds without spammers.
    pub without_rings: Vec<Row>,
    /// The closed loop, of those who have one.
    pub closed: Vec<Row>,
    /// What trends in the open loop: by interactions, and by people.
    pub trends: Vec<(String, TrendRow)>,
    /// The hit rate of suggestions in the open loop, and what chance would have.
    pub suggested: (Option<Interval>, Option<Interval>),
    /// The feeds that were kept ranked.
    pub kept: KeptRow,
}

/// What keeping feeds ranked took: shares by seed, and the sums over all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeptRow {
    /// Of a ranking of everybody for every change of a post, the share that was not made.
    pub avoided_of_everybody: Option<Interval>,
    /// The same of a ranking of whoever follows the author or has affinity.
    pub avoided_of_audience: Option<Interval>,
    /// What the floor alone spares of these.
    pub avoided_by_floor: Option<Interval>,
    /// All seeds together.
    pub sum: Kept,
}

/// The figures of one contender.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Who.
    pub name: String,
    /// Each metric with its interval; none where nothing of the kind happened.
    pub figures: Vec<(Metric, Option<Interval>)>,
    /// NDCG@10 of each seed.
    pub by_seed: Vec<f64>,
    /// NDCG@10 above that of `v1`, seed by seed.
    pub above_v1: Option<Interval>,
    /// NDCG@10 by day; of the closed loop alone.
    pub by_day: Vec<Option<Interval>>,
    /// What trends, and the hit rate of suggestions, where the contender decides what is seen.
    pub trends: Option<TrendRow>,
    /// The hit rate of suggestions there.
    pub suggested: Option<Interval>,
}

/// The figures of a list of what trends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TrendRow {
    /// In minutes.
    pub delay_min: Option<Interval>,
    /// Share of bursts.
    pub found: Option<Interval>,
    /// Share of places.
    pub false_alarms: Option<Interval>,
    /// Share of places.
    pub spam: Option<Interval>,
}

/// What is known of one contender in one world.
#[derive(Clone, Copy)]
struct Sample<'a> {
    figures: &'a [Option<f64>],
    by_day: &'a [Option<f64>],
}

impl Report {
    /// Puts the seeds together.
    pub fn of(asked: &Asked, done: &[OfSeed]) -> Self {
        let names: Vec<&str> = asked.contenders.iter().map(|of| of.name.as_str()).collect();
        let opened = |of: fn(&OfSeed) -> Option<&Opened>| -> Vec<&Opened> {
            done.iter().filter_map(of).collect()
        };
        let open = opened(|of| of.open.as_ref());
        let by_people = opened(|of| of.by_people.as_ref());
        let trends = |of: &[&Opened]| TrendRow::of(of.iter().map(|opened| opened.trends));
        let kept: Vec<Kept> = done.iter().filter_map(|of| of.kept).collect();
        Self {
            seeds: asked.seeds.clone(),
            size: asked.size,
            looks: open.iter().map(|opened| opened.looks).collect(),
            open: rows(&names, &open),
            without_rings: rows(&names, &opened(|of| of.without_rings.as_ref())),
            closed: closed(asked, done),
            trends: vec![
                ("by interactions".to_owned(), trends(&open)),
                ("by people".to_owned(), trends(&by_people)),
            ],
            suggested: (
                interval(open.iter().map(|opened| opened.suggested.hit_rate)),
                interval(open.iter().map(|opened| opened.suggested.by_chance)),
            ),
            kept: KeptRow::of(&kept),
        }
    }

    /// The row of a contender in the open loop.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.open.iter().find(|row| row.name == name)
    }

    /// The best arm against who it must beat on NDCG@10: whom, and whether it lies above them with separated intervals.
    pub fn verdicts(&self) -> Vec<(&'static str, bool)> {
        let best = self.row(BEST).and_then(Row::ndcg);
        ["v1", "x-style", "chronological"]
            .into_iter()
            .map(|name| {
                let other = self.row(name).and_then(Row::ndcg);
                (name, best.zip(other).is_some_and(|(best, other)| best.is_above(&other)))
            })
            .collect()
    }
}

impl Row {
    /// The interval of a metric.
    pub fn figure(&self, metric: Metric) -> Option<Interval> {
        self.figures.iter().find(|(of, _)| *of == metric).and_then(|(_, interval)| *interval)
    }

    /// NDCG@10.
    pub fn ndcg(&self) -> Option<Interval> {
        self.figure(Metric::Ndcg10)
    }

    fn of(name: &str, samples: &[Sample<'_>], v1: &[f64]) -> Self {
        let of = |place: usize| {
            interval(samples.iter().map(|of| of.figures.get(place).copied().flatten()))
        };
        let figures = Metric::ALL.iter().enumerate().map(|(place, metric)| (*metric, of(place)));
        let by_seed = by_seed(samples);
        let above: Vec<f64> = by_seed.iter().zip(v1).map(|(own, v1)| own - v1).collect();
        let days = samples.iter().map(|of| of.by_day.len()).max().unwrap_or(0);
        let by_day = (0..days)
            .map(|day| interval(samples.iter().map(|of| of.by_day.get(day).copied().flatten())));
        Self {
            name: name.to_owned(),
            figures: figures.collect(),
            above_v1: Interval::of(&above),
            by_day: by_day.collect(),
            by_seed,
            trends: None,
            suggested: None,
        }
    }
}

impl TrendRow {
    fn of(figures: impl Iterator<Item = TrendFigures>) -> Self {
        let figures: Vec<_> = figures.collect();
        let of = |of: fn(&TrendFigures) -> Option<f64>| interval(figures.iter().map(of));
        Self {
            delay_min: of(|of| of.delay_min),
            found: of(|of| of.found),
            false_alarms: of(|of| of.false_alarms),
            spam: of(|of| of.spam),
        }
    }
}

/// A row for each contender.
fn rows(names: &[&str], opened: &[&Opened]) -> Vec<Row> {
    let samples = |contender: usize| -> Vec<Sample<'_>> {
        let figures = opened.iter().filter_map(|opened| opened.figures.get(contender));
        figures.map(|figures| Sample { figures, by_day: &[] }).collect()
    };
    let v1 = names.iter().position(|name| *name == "v1");
    let v1 = v1.map(|v1| by_seed(&samples(v1))).unwrap_or_default();
    let row = |(number, name): (usize, &&str)| Row::of(name, &samples(number), &v1);
    names.iter().enumerate().map(row).collect()
}

/// A row for each contender that has a loop.
fn closed(asked: &Asked, done: &[OfSeed]) -> Vec<Row> {
    let of = |number: usize| done.iter().filter_map(move |of| of.closed.get(number)?.as_ref());
    let samples = |number: usize| -> Vec<Sample<'_>> {
        of(number).map(|of| Sample { figures: &of.figures, by_day: &of.by_day }).collect()
    };
    let v1 = asked.contenders.iter().position(|of| of.name == "v1");
    let v1 = v1.map(|v1| by_seed(&samples(v1))).unwrap_or_default();
    let loops = asked.contenders.iter().enumerate().filter(|(_, of)| of.closes_loop);
    loops
        .map(|(number, contender)| Row {
            trends: Some(TrendRow::of(of(number).map(|of| of.trends))),
            suggested: interval(of(number).map(|of| of.suggested.hit_rate)),
            ..Row::of(&contender.name, &samples(number), &v1)
        })
        .collect()
}

/// NDCG@10, the first of the metrics, of each seed.
fn by_seed(samples: &[Sample<'_>]) -> Vec<f64> {
    samples.iter().filter_map(|of| of.figures.first().copied().flatten()).collect()
}

impl KeptRow {
    fn of(kept: &[Kept]) -> Self {
        let share = |of: fn(&Kept) -> Option<f64>| interval(kept.iter().map(of));
        Self {
            avoided_of_everybody: share(Kept::avoided_of_everybody),
            avoided_of_audience: share(Kept::avoided_of_audience),
            avoided_by_floor: share(Kept::avoided_by_floor),
            sum: kept.iter().fold(Kept::default(), Kept::plus),
        }
    }
}

fn interval(values: impl Iterator<Item = Option<f64>>) -> Option<Interval> {
    Interval::of(&values.flatten().collect::<Vec<_>>())
}
