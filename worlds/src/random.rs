//! Chance from a seed: the same seed gives the same world, on every machine.

use crate::history::Id;

/// SplitMix64 (Steele, Lea and Flood): small, fast, and good enough for what is drawn here.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// What an id names; the same number names different things in each.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A row of `users`.
    User = 1,
    /// Of `posts`.
    Post = 2,
    /// Of `comments`.
    Comment = 3,
    /// Of `likes`.
    Like = 4,
    /// A behaviour event.
    Event = 5,
}

impl Random {
    /// The chance of this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in 0.0..1.0.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.unit() * f64::from(n)) as u32
    }

    /// Whether a thing of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A rank below `n` by a power law: rank r comes with a probability near r to the power of 1 / `steepness` - 1.
    pub fn rank(&mut self, n: u32, steepness: f64) -> u32 {
        (libm::pow(self.unit(), steepness) * f64::from(n)) as u32
    }

    /// A waiting time with this mean, in ms.
    pub fn wait_ms(&mut self, mean_ms: f64) -> i64 {
        (-libm::log1p(-self.unit()) * mean_ms) as i64
    }
}

/// The id of the thing of this number, in the form of a random UUID. Nobody has to remember it.
pub fn id(seed: u64, kind: Kind, number: u32) -> Id {
    let mut of = Random::of(seed ^ (kind as u64) << 56);
    let mut random = Random::of(of.word() ^ u64::from(number));
    let mut id = [0; 16];
    let (high, low) = id.split_at_mut(8);
    // Version 4 and variant 1, as RFC 9562 has them.
    high.copy_from_slice(&((random.word() & !0xf000) | 0x4000).to_be_bytes());
    low.copy_from_slice(&((random.word() & (u64::MAX >> 2)) | 1 << 63).to_be_bytes());
    id
}

/// The user of this rank in another order of the users: who writes much is not who reads much.
pub fn shuffled(rank: u32, users: u32, turn: u32) -> u32 {
    /// A prime larger than any number of users here, so that every rank comes once.
    const PRIME: u64 = 2_654_435_761;
    let users = u64::from(users.max(1));
    ((u64::from(rank) * PRIME + u64::from(turn)) % users) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_is_a_random_uuid_and_names_one_thing() {
        let kinds = [Kind::User, Kind::Post, Kind::Comment, Kind::Like, Kind::Event];
        let ids = kinds.iter().flat_map(|kind| (0..1_000).map(|number| id(7, *kind, number)));
        let ids: BTreeSet<Id> = ids.collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| id[6] >> 4 == 4 && id[8] >> 6 == 2));
    }

    #[test]
    fn ranks_follow_a_power_law() {
        let mut random = Random::of(1);
        let mut counts = [0_u32; 1_000];
        (0..1_000_000).for_each(|_| counts[random.rank(1_000, 2.5) as usize] += 1);
        // The first r of n ranks have (r / n) to the power of 1 / 2.5 of all.
        let first = |ranks: usize| f64::from(counts[..ranks].iter().sum::<u32>()) / 1e6;
        for (ranks, share) in [(1, 0.0631), (10, 0.1585), (100, 0.3981), (500, 0.7579)] {
            assert!((first(ranks) - share).abs() < 0.003, "{ranks}: {}", first(ranks));
        }
    }

    #[test]
    fn another_order_has_everybody_once() {
        let ranks: BTreeSet<u32> = (0..1_000).map(|rank| shuffled(rank, 1_000, 17)).collect();
        assert_eq!(ranks.len(), 1_000);
    }
}
