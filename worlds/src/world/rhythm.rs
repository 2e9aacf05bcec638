//! When things happen: more by day than by night, and many at once while something is on everybody's screen.

use crate::random::Random;

const HOUR: i64 = 3_600_000;
const SLOT_MS: i64 = 5 * 60_000;
/// So many bursts a day.
const BURSTS_A_DAY: u32 = 4;
/// So much livelier a burst is than its hour.
const BURST_FACTOR: f64 = 4.0;

/// A while in which much more happens, all of it about one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When it begins, ms UTC.
    pub from: i64,
    /// The first moment after it.
    pub until: i64,
}

/// How lively each moment of a span is.
#[derive(Clone, Debug)]
pub struct Rhythm {
    from: i64,
    until: i64,
    /// The liveliness of all slots up to and with each.
    sums: Vec<f64>,
}

impl Burst {
    /// The bursts of a span, in order; they may overlap.
    pub fn all(from: i64, until: i64, random: &mut Random) -> Vec<Self> {
        let days = (until - from).div_euclid(24 * HOUR).max(1);
        let count = BURSTS_A_DAY * u32::try_from(days).unwrap_or(1);
        let mut burst = || {
            let begin = from + (random.unit() * (until - from) as f64) as i64;
            let minutes = 10 + i64::from(random.below(30));
            Self { from: begin, until: begin + minutes * 60_000 }
        };
        let mut bursts: Vec<_> = (0..count).map(|_| burst()).collect();
        bursts.sort_by_key(|burst| burst.from);
        bursts
    }

    /// Whether it goes on at a time.
    pub fn holds(&self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

impl Rhythm {
    /// The rhythm of days with these bursts.
    pub fn of(from: i64, until: i64, bursts: &[Burst]) -> Self {
        let slots = (until - from).div_euclid(SLOT_MS).max(0) + 1;
        let mut sum = 0.0;
        let lively = |slot: i64| {
            let middle = from + slot * SLOT_MS + SLOT_MS / 2;
            let burst = bursts.iter().any(|burst| burst.holds(middle));
            sum += by_day(middle) * if burst { BURST_FACTOR } else { 1.0 };
            sum
        };
        Self { from, until, sums: (0..slots).map(lively).collect() }
    }

    /// The moments of `count` things, ascending.
    pub fn times(&self, count: u32) -> Times {
        Times { rhythm: self.clone(), count, made: 0, slot: 0 }
    }
}

/// How lively an hour is: 1 on average, a third at four in the morning, most in the afternoon.
fn by_day(at: i64) -> f64 {
    let hour = at.rem_euclid(24 * HOUR) as f64 / HOUR as f64;
    1.0 - 0.65 * libm::cos((hour - 4.0) / 24.0 * std::f64::consts::TAU)
}

/// Moments, ascending.
#[derive(Clone, Debug)]
pub struct Times {
    rhythm: Rhythm,
    count: u32,
    made: u32,
    slot: usize,
}

impl Times {
    /// The next moment; somewhere in its share of all that happens.
    pub fn next(&mut self, random: &mut Random) -> Option<i64> {
        let Rhythm { from, until, sums } = &self.rhythm;
        if self.made == self.count {
            return None;
        }
        let of = f64::from(self.made) + random.unit();
        let wanted = sums.last()? * of / f64::from(self.count);
        self.made += 1;
        while self.slot + 1 < sums.len() && sums.get(self.slot).is_some_and(|sum| *sum < wanted) {
            self.slot += 1;
        }
        let before = self.slot.checked_sub(1).and_then(|slot| sums.get(slot)).unwrap_or(&0.0);
        let after = sums.get(self.slot).unwrap_or(before);
        let part = if after > before { (wanted - before) / (after - before) } else { 0.0 };
        let at = from + ((self.slot as f64 + part) * SLOT_MS as f64) as i64;
        Some(at.min(until - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(rhythm: &Rhythm, count: u32) -> [u32; 24] {
        let (mut random, mut hours) = (Random::of(3), [0; 24]);
        let (mut times, mut last) = (rhythm.times(count), i64::MIN);
        while let Some(at) = times.next(&mut random) {
            assert!(at >= last, "times ascend");
            last = at;
            hours[usize::try_from(at.div_euclid(HOUR) % 24).unwrap()] += 1;
        }
        hours
    }

    #[test]
    fn most_happens_by_day_and_every_moment_comes() {
        let hours = hours(&Rhythm::of(0, 7 * 24 * HOUR, &[]), 240_000);
        assert_eq!(hours.iter().sum::<u32>(), 240_000);
        let [night, day] = [hours[3] + hours[4], hours[15] + hours[16]];
        assert!((4..=6).contains(&(day / night)), "{hours:?}");
    }

    #[test]
    fn a_burst_has_four_times_as_much_as_its_hour() {
        let burst = Burst { from: 30 * HOUR, until: 31 * HOUR };
        let hours = hours(&Rhythm::of(24 * HOUR, 48 * HOUR, &[burst]), 100_000);
        let quiet = (hours[5] + hours[7]) / 2;
        assert!((37..=43).contains(&(hours[6] * 10 / quiet)), "{hours:?}");
    }
}
