//! How soon planted bursts are in the list of what trends, and what else is in its first places.
//!
//! | figure | formula |
//! | --- | --- |
//! | delay | from a burst's begin until a post about it is among the first ten of the list of 1 h, in minutes, to a tick; the mean over those found |
//! | found | bursts that ever are, while they go on |
//! | false alarms | places of the first ten, tick by tick, with a post that is about no burst going on, and of less than median quality |
//! | spam | places of the first ten that a ring has |

use millstream::Result;
use schemas::TrendingWindow;
use serde::Serialize;

use crate::life::Life;
use crate::metric::median;
use crate::tally::{Mean, TOP};

/// What was seen of the list so far.
#[derive(Clone, Debug, Default)]
pub struct Trends {
    /// When each burst was first in it.
    found_at: Vec<Option<i64>>,
    false_alarms: Mean,
    spam: Mean,
    median_quality: f64,
}

/// The figures of one world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TrendFigures {
    /// In minutes; none if no burst was found.
    pub delay_min: Option<f64>,
    /// A share.
    pub found: Option<f64>,
    /// A share.
    pub false_alarms: Option<f64>,
    /// A share.
    pub spam: Option<f64>,
}

impl Trends {
    /// Of a life that has not begun.
    pub fn of(life: &Life<'_>) -> Self {
        let honest = life.world.posts.iter().filter(|post| !post.is_spam);
        Self {
            found_at: vec![None; life.world.bursts.len()],
            median_quality: median(honest.map(|post| post.quality).collect()).unwrap_or(0.0),
            ..Self::default()
        }
    }

    /// Looks at the list at the end of a tick.
    pub fn tick(&mut self, life: &Life<'_>) -> Result<()> {
        let now = life.stage.now();
        if now < life.world.size.judged_from() {
            return Ok(());
        }
        for id in life.stage.trending(TrendingWindow::Hour, now)?.iter().take(TOP) {
            let Some(post) = life.world.number(id).and_then(|number| life.world.post(number))
            else {
                continue;
            };
            let burst = post.burst.and_then(|of| Some((of, life.world.bursts.get(of)?)));
            let burst = burst.filter(|(_, burst)| (burst.from..burst.until).contains(&now));
            if let Some((of, _)) = burst {
                let found = self.found_at.iter_mut().skip(of).take(1);
                found.for_each(|at| *at = at.or(Some(now)));
            }
            let is_false = burst.is_none() && post.quality < self.median_quality;
            self.false_alarms.add(f64::from(u8::from(is_false)));
            self.spam.add(f64::from(u8::from(post.is_spam)));
        }
        Ok(())
    }

    /// What came of it.
    pub fn figures(&self, life: &Life<'_>) -> TrendFigures {
        let (mut delay, mut found) = (Mean::default(), Mean::default());
        for (burst, at) in life.world.bursts.iter().zip(&self.found_at) {
            found.add(f64::from(u8::from(at.is_some())));
            at.iter().for_each(|at| delay.add((at - burst.from) as f64 / 60_000.0));
        }
        TrendFigures {
            delay_min: delay.value(),
            found: found.value(),
            false_alarms: self.false_alarms.value(),
            spam: self.spam.value(),
        }
    }
}
