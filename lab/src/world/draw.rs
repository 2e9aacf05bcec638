//! Draws that the planted world needs beyond plain chance: normal, Poisson, by weight, and by the hour.
//!
//! `libm` alone, so that a seed gives the same world on every machine.

use worlds::random::Random;

use super::{DAY_MS, HOUR_MS};

/// The chance of one purpose within a seed: what is drawn for one does not move what is drawn for another.
pub fn chance(seed: u64, purpose: u64) -> Random {
    let mut mixed = Random::of(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Random::of(mixed.word())
}

/// Of a normal distribution with mean 0 and deviation 1 (Box and Muller, 1958).
pub fn normal(random: &mut Random) -> f64 {
    let (far, turn) = (random.unit(), random.unit());
    libm::sqrt(-2.0 * libm::log1p(-far)) * libm::cos(2.0 * std::f64::consts::PI * turn)
}

/// How many of something that happens `mean` times on average (Knuth's product of chances; for means below some dozens).
pub fn poisson(mean: f64, random: &mut Random) -> u32 {
    let (least, mut product, mut count) = (libm::exp(-mean), random.unit(), 0);
    while product > least {
        product *= random.unit();
        count += 1;
    }
    count
}

/// The places of up to `count` of these weights, each once, the heavier the likelier (Efraimidis and Spirakis, 2006);
/// a weight of 0 is never drawn.
pub fn by_weight(weights: &[f64], count: usize, random: &mut Random) -> Vec<u32> {
    let mut races: Vec<(f64, u32)> = (0_u32..)
        .zip(weights)
        .map(|(place, weight)| (-libm::log1p(-random.unit()) / weight.max(0.0), place))
        .filter(|(time, _)| time.is_finite())
        .collect();
    races.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    races.truncate(count);
    races.into_iter().map(|(_, place)| place).collect()
}

/// A moment of the day that begins at `day_ms`: most in the evening, a tenth of that at four in the morning.
pub fn moment(day_ms: i64, random: &mut Random) -> i64 {
    loop {
        let at = day_ms + (random.unit() * DAY_MS as f64) as i64;
        let turn = (at - day_ms - 4 * HOUR_MS) as f64 / DAY_MS as f64;
        let lively = 0.55 - 0.45 * libm::cos(2.0 * std::f64::consts::PI * turn);
        if random.unit() < lively {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_means_that_they_are_asked_for() {
        let mut random = Random::of(1);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..20_000).map(|_| draw()).sum::<f64>() / 2e4;
        let normal = mean(&mut || super::normal(&mut random));
        assert!(normal.abs() < 0.02, "{normal}");
        let poisson = mean(&mut || f64::from(super::poisson(2.5, &mut random)));
        assert!((poisson - 2.5).abs() < 0.05, "{poisson}");
    }

    #[test]
    fn the_heavier_is_drawn_oftener_and_what_weighs_nothing_never() {
        let mut random = Random::of(2);
        let mut drawn = [0_u32; 3];
        for _ in 0..10_000 {
            by_weight(&[1.0, 3.0, 0.0], 1, &mut random)
                .into_iter()
                .for_each(|place| drawn[place as usize] += 1);
        }
        assert!((7_300..7_700).contains(&drawn[1]) && drawn[2] == 0, "{drawn:?}");
        assert_eq!(by_weight(&[1.0, 3.0, 0.0], 3, &mut random).len(), 2);
    }

    #[test]
    fn the_evening_is_livelier_than_the_night() {
        let mut random = Random::of(3);
        let mut hours = [0_u32; 24];
        (0..24_000).for_each(|_| hours[(moment(0, &mut random) / HOUR_MS) as usize] += 1);
        assert!(hours[16] > 5 * hours[4], "{hours:?}");
    }
}
