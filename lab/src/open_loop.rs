//! The open loop: readers are shown what the logging policy shows, whoever is compared, and all rank the same looks.
//!
//! So contenders see the same world and the same data. One look in so many of the judged half is ranked by everybody, and of
//! those who have just joined every look, for the figure that is about them.

use millstream::Result;
use topologies::feed::FeedSettings;

use crate::contender::{Contender, Policy};
use crate::life::{Life, Look, Witness};
use crate::metric::Metric;
use crate::rank;
use crate::suggested::{Suggested, SuggestedFigures};
use crate::tally::{Ideal, PAGE, Tally, is_cold};
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
        self.looks += 1;
        let is_sampled = self.looks.is_multiple_of(self.every);
        // The cold are few: all that they look at is ranked, and counts as theirs alone unless it is sampled.
        if !is_sampled && !is_cold(life, look) {
            return Ok(());
        }
        let ideal = Ideal::of(life, look);
        for (contender, tally) in self.contenders.iter().zip(&mut self.tallies) {
            let list = rank::list(life, &contender.policy, (look.reader, look.at), PAGE)?;
            match is_sampled {
                true => tally.add(life, (look, &ideal), &list),
                false => tally.add_cold(life, (look, &ideal), &list),
            }
        }
        if is_sampled { self.suggested.look(life, look) } else { Ok(()) }
    }

    fn tick(&mut self, life: &Life<'_>) -> Result<()> {
        self.trends.tick(life)
    }
}
