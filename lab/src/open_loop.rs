//! The open loop: readers are shown what the logging policy shows, whoever is compared, and all rank the same looks.
//!
//! So contenders see the same world and the same data. One look in so many of the judged half is ranked by everybody.

use millstream::Result;
use topologies::feed::FeedSettings;

use crate::contender::{Contender, Policy};
use crate::life::{Life, Look, Witness};
use crate::metric::Metric;
use crate::rank;
use crate::suggested::{Suggested, SuggestedFigures};
use crate::tally::{Ideal, PAGE, Tally};
use crate::trend::{TrendFigures, Trends};
use crate::world::World;

/// What came of one world.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The figures of each contender, in the order of [`Metric::ALL`].
    pub figures: Vec<Vec<Option<f64>>>,
    /// Of the list of what trends.
    pub trends: TrendFigures,
    /// Of suggestions.
    pub suggested: SuggestedFigures,
    /// How many looks were ranked by everybody.
    pub looks: usize,
}

struct Comparison<'c> {
    contenders: &'c [Contender],
    tallies: Vec<Tally>,
    trends: Trends,
    suggested: Suggested,
    every: usize,
    looks: usize,
}

/// Lets a world go by, and has everybody rank one look in `every`.
pub fn run(
    world: &World,
    (contenders, every): (&[Contender], usize),
    settings: &FeedSettings,
) -> Result<Opened> {
    let mut life = Life::of(world, &FeedSettings { keeps_ranked: false, ..settings.clone() })?;
    let mut comparison = Comparison {
        contenders,
        tallies: vec![Tally::default(); contenders.len()],
        trends: Trends::of(&life),
        suggested: Suggested::default(),
        every,
        looks: 0,
    };
    life.go_on(&Policy::Logging, &mut comparison)?;
    crate::refuse_dead_letters(&life)?;
    let figures =
        |tally: &Tally| Metric::ALL.iter().map(|metric| tally.figure(*metric, &life)).collect();
    Ok(Opened {
        figures: comparison.tallies.iter().map(figures).collect(),
        trends: comparison.trends.figures(&life),
        suggested: comparison.suggested.figures(),
        looks: comparison.looks / every,
    })
}

impl Witness for Comparison<'_> {
    fn look(&mut self, life: &Life<'_>, look: &Look) -> Result<()> {
        if look.at < life.world.size.judged_from() {
            return Ok(());
        }
        // Whoever is new looks seldom enough as it is.
        let is_new = life.world.person(look.reader).is_some_and(|person| person.is_new());
        self.looks += 1;
        if !self.looks.is_multiple_of(self.every) && !is_new {
            return Ok(());
        }
        let ideal = Ideal::of(life, look);
        for (contender, tally) in self.contenders.iter().zip(&mut self.tallies) {
            let list = rank::list(life, &contender.policy, (look.reader, look.at), PAGE)?;
            tally.add(life, (look, &ideal), &list);
        }
        self.suggested.look(life, look)
    }

    fn tick(&mut self, life: &Life<'_>) -> Result<()> {
        self.trends.tick(life)
    }
}
