//! Feeds that are kept ranked, as in production: how many rankings the floor spares, whether it ever spares one that it must
//! not, and whether what is published is what the ranking gives when it is asked.
//!
//! How many rankings are spared and asked for depends a little on how much the engine takes at a time, and that on the
//! machine: these two figures alone are not the same every time.
//!
//! | figure | formula |
//! | --- | --- |
//! | avoided | readers not ranked for a change of a post that cannot concern them / those and the readers who were to be ranked for it |
//! | naive | changes of posts that were told, times the readers: a ranking of everybody for every change |
//! | audience | the active readers of each change who follow the author or have affinity: a ranking of whoever may have the post |
//! | mismatches | of the avoided that were ranked all the same, those whose feeds the post was in; there must be none |
//! | full | feeds at the end that have all places; only they have a floor |
//! | equal | published feeds that are, item by item, what is ranked on demand as of their time |

use millstream::Result;
use serde::Serialize;
use topologies::feed::FeedSettings;
use topologies::feed::counters::{
    AUDIT_MISMATCHES, RERANKS, RERANKS_AUDITED, RERANKS_AVOIDED, RERANKS_REACHED,
};

use crate::contender::Policy;
use crate::life::{Life, Look, Witness};
use crate::world::World;

/// As long as a soft change waits for who is online: in longer ticks rankings are spared by their length alone.
pub const TICK_MS: i64 = 2_000;
/// In a small world most of such ticks go by without anything.
pub const TINY_TICK_MS: i64 = 60_000;

/// What came of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Rankings that were spared.
    pub avoided: u64,
    /// Those that were not.
    pub reached: u64,
    /// Rankings that were made because something changed.
    pub rankings: u64,
    /// Those that a ranking of everybody for every change of a post would have been.
    pub naive: u64,
    /// Of the spared, how many were done to see.
    pub audited: u64,
    /// How many of these were wrongly spared.
    pub mismatches: u64,
    /// Feeds that were published as of the end.
    pub published: u64,
    /// How many of them have all places.
    pub full: u64,
    /// How many of them are what is ranked on demand.
    pub equal: u64,
}

impl Kept {
    /// The readers that changes of posts were told of, each as often.
    pub fn audience(&self) -> u64 {
        self.avoided + self.reached
    }

    /// The share of a ranking of everybody for every change that was not made.
    pub fn avoided_of_everybody(&self) -> Option<f64> {
        share(self.naive.checked_sub(self.rankings)?, self.naive)
    }

    /// The share of a ranking of the audience of every change that was not made.
    pub fn avoided_of_audience(&self) -> Option<f64> {
        share(self.audience().checked_sub(self.rankings)?, self.audience())
    }

    /// The share of the latter that the floor spares.
    pub fn avoided_by_floor(&self) -> Option<f64> {
        share(self.avoided, self.audience())
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            avoided: self.avoided + other.avoided,
            reached: self.reached + other.reached,
            rankings: self.rankings + other.rankings,
            naive: self.naive + other.naive,
            audited: self.audited + other.audited,
            mismatches: self.mismatches + other.mismatches,
            published: self.published + other.published,
            full: self.full + other.full,
            equal: self.equal + other.equal,
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

struct Nobody;

impl Witness for Nobody {
    fn look(&mut self, _life: &Life<'_>, _look: &Look) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, _life: &Life<'_>) -> Result<()> {
        Ok(())
    }
}

/// Lets a world go by, in ticks of this length, in which all active readers are kept ranked, and compares their feeds at its end.
pub fn run(world: &World, tick_ms: i64, settings: &FeedSettings) -> Result<Kept> {
    let mut life = Life::of(world, settings)?.in_ticks(tick_ms);
    life.go_on(&Policy::Logging, &mut Nobody)?;
    let since = life.publish_all()?;
    crate::refuse_dead_letters(&life)?;
    let counted = |name| life.stage.counted(name);
    let mut kept = Kept {
        avoided: counted(RERANKS_AVOIDED),
        reached: counted(RERANKS_REACHED),
        rankings: counted(RERANKS),
        naive: life.stage.changes_told()? * world.people.len() as u64,
        audited: counted(RERANKS_AUDITED),
        mismatches: counted(AUDIT_MISMATCHES),
        ..Kept::default()
    };
    for (reader, body) in life.stage.published()? {
        if body.as_of_ms < since {
            continue;
        }
        let asked = life.stage.rank(reader, &settings.weights, body.as_of_ms)?;
        kept.published += 1;
        kept.full += u64::from(body.items.len() >= settings.weights.limits.kept_max);
        kept.equal += u64::from(asked == body);
    }
    Ok(kept)
}
