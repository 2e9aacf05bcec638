//! What callers got: how many were answered, how soon, and by whom.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Asked;

/// What became of requests.
pub struct Answers {
    asked: usize,
    answered: usize,
    /// Ascending.
    took: Vec<Duration>,
    /// How many each tier answered; those that nobody did under their status.
    by: BTreeMap<String, usize>,
}

impl Answers {
    /// Of these requests.
    pub fn of<'a>(requests: impl IntoIterator<Item = &'a Asked>) -> Self {
        let (mut answered, mut took, mut by) = (0, Vec::new(), BTreeMap::new());
        for one in requests {
            took.push(one.took);
            let is_answered = one.status == 200;
            answered += usize::from(is_answered);
            let who = if is_answered { one.source.clone() } else { one.status.to_string() };
            *by.entry(who).or_default() += 1;
        }
        took.sort_unstable();
        Self { asked: took.len(), answered, took, by }
    }

    /// The share of those that were answered, in percent; none asked is none refused.
    pub fn percent(&self) -> f64 {
        if self.asked == 0 { 100.0 } else { 100.0 * self.answered as f64 / self.asked as f64 }
    }

    /// So many of a thousand took no longer.
    pub fn took(&self, per_mille: usize) -> Duration {
        let place = (self.took.len() * per_mille / 1_000).min(self.took.len().saturating_sub(1));
        self.took.get(place).copied().unwrap_or_default()
    }

    /// As figures.
    pub fn figures(&self) -> Value {
        let ms = |per_mille| self.took(per_mille).as_secs_f64() * 1_000.0;
        json!({
            "asked": self.asked, "answered": self.answered, "percent": self.percent(),
            "p50_ms": ms(500), "p99_ms": ms(990), "most_ms": ms(1_000), "by": self.by,
        })
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |per_mille| self.took(per_mille).as_secs_f64() * 1_000.0;
        let (asked, percent) = (self.asked, self.percent());
        write!(f, "{asked:>6} asked, {percent:>7.3} % answered, ")?;
        write!(f, "p50 {:>5.1} ms, p99 {:>6.1} ms, by {:?}", ms(500), ms(990), self.by)
    }
}
