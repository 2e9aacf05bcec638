//! The closed loop: readers are shown what one contender ranks, do what they do with it, and the contender learns of that
//! alone. Every look is judged, and NDCG@10 is told by day from the first one on.

use millstream::Result;
use topologies::feed::FeedSettings;

use crate::contender::{Contender, Policy};
use crate::life::{Life, Look, Witness};
use crate::metric::Metric;
use crate::suggested::{Suggested, SuggestedFigures};
use crate::tally::{Ideal, Tally};
use crate::trend::{TrendFigures, Trends};
use crate::world::World;

/// Suggestions are asked for at one look in so many.
const SUGGESTED_EVERY: usize = 10;

/// What came of one contender in one world.
#[derive(Clone, Debug)]
pub struct Closed {
    /// In the order of [`Metric::ALL`].
    pub figures: Vec<Option<f64>>,
    /// NDCG@10 by day.
    pub by_day: Vec<Option<f64>>,
    /// Of the list of what trends.
    pub trends: TrendFigures,
    /// Of suggestions.
    pub suggested: SuggestedFigures,
}

struct Judge {
    tally: Tally,
    trends: Trends,
    suggested: Suggested,
    looks: usize,
}

/// Lets a world go by in which readers are shown what `contender` ranks.
pub fn run(world: &World, contender: &Contender, settings: &FeedSettings) -> Result<Closed> {
    let mut settings = FeedSettings { keeps_ranked: false, ..settings.clone() };
    if let Policy::Weighed(weights) = &contender.policy {
        settings.weights = (**weights).clone();
    }
    let mut life = Life::of(world, &settings)?;
    let mut judge = Judge {
        tally: Tally::default(),
        trends: Trends::of(&life),
        suggested: Suggested::default(),
        looks: 0,
    };
    life.go_on(&contender.policy, &mut judge)?;
    crate::refuse_dead_letters(&life)?;
    let figures = Metric::ALL.iter().map(|metric| judge.tally.figure(*metric, &life));
    Ok(Closed {
        figures: figures.collect(),
        by_day: judge.tally.by_day(),
        trends: judge.trends.figures(&life),
        suggested: judge.suggested.figures(),
    })
}

impl Witness for Judge {
    fn look(&mut self, life: &Life<'_>, look: &Look) -> Result<()> {
        let ideal = Ideal::of(life, look);
        if look.at < life.world.size.judged_from() {
            self.tally.add_early(life, (look, &ideal), &look.shown);
            return Ok(());
        }
        self.tally.add(life, (look, &ideal), &look.shown);
        self.looks += 1;
        match self.looks.is_multiple_of(SUGGESTED_EVERY) {
            true => self.suggested.look(life, look),
            false => Ok(()),
        }
    }

    fn tick(&mut self, life: &Life<'_>) -> Result<()> {
        self.trends.tick(life)
    }
}
