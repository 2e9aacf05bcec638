//! A person: what they like, how much they write, how many know them.

use schemas::UserId;

use super::dice::Dice;
use super::words::{self, TOPICS};
use crate::pour::Row;

const DAY_MS: f64 = 86_400_000.0;

/// Somebody who lives in the world.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id; the same for the same seed, whenever the world begins.
    pub id: UserId,
    /// Their name.
    pub username: String,
    /// Their line about themselves.
    pub bio: String,
    /// When they joined, in ms UTC.
    pub created_at: i64,
    /// How much they care for each topic, 0 to 1.
    pub taste: [f64; TOPICS],
    /// How much they write, as a weight.
    pub writes: f64,
    /// How well known they are, as a weight.
    pub fame: f64,
    /// How readily they like, comment and share.
    pub generous: f64,
    /// Their manner of writing.
    pub style: usize,
}

impl Person {
    /// The `n`th person, who joined some time before `began`. The first one, whose feed is shown, reads more than
    /// they write, and likes readily.
    pub fn new(n: usize, began: i64, dice: &mut Dice) -> Self {
        let id = UserId(dice.id());
        let favourite = dice.below(TOPICS);
        let second = (favourite + 1 + dice.below(TOPICS - 1)) % TOPICS;
        let mut taste = [0.0; TOPICS];
        for (topic, care) in taste.iter_mut().enumerate() {
            let base = 0.05 + 0.15 * dice.unit();
            *care = match topic {
                _ if topic == favourite => 0.95,
                _ if topic == second => 0.7,
                _ => base,
            };
        }
        let (writes, fame) = (0.2 + dice.unit().powi(3) * 4.0, 0.1 + dice.unit().powi(4) * 6.0);
        Self {
            id,
            username: words::username(n),
            bio: words::bio(favourite),
            created_at: began - (dice.unit() * 200.0 * DAY_MS) as i64 - 1,
            taste,
            writes: if n == 0 { 0.5 } else { writes },
            fame: if n == 0 { 0.3 } else { fame },
            generous: if n == 0 { 2.5 } else { 0.6 + 0.8 * dice.unit() },
            style: dice.below(5),
        }
    }

    /// What they care for most.
    pub fn favourite(&self) -> usize {
        let by_care = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        self.taste.iter().enumerate().max_by(by_care).map_or(0, |(topic, _)| topic)
    }

    /// How much they care for `topic`, 0 to 1.
    pub fn cares(&self, topic: usize) -> f64 {
        self.taste.get(topic).copied().unwrap_or_default()
    }

    /// How likely they are to follow `other`, as a weight: common taste, and fame.
    pub fn drawn_to(&self, other: &Self) -> f64 {
        let common: f64 = self.taste.iter().zip(&other.taste).map(|(a, b)| a * b).sum();
        common * common * other.fame
    }

    /// Their row.
    pub fn row(&self) -> Row {
        Row::User {
            id: self.id,
            username: self.username.clone(),
            bio: self.bio.clone(),
            created_at: self.created_at,
        }
    }
}
