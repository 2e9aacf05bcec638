//! The search by which the numbers of the best arm were found, on seeds that no report uses.
//!
//! From the set that `contender::best` has, some numbers are changed by chance, many sets at a time, in worlds of the open loop; the
//! best of all seeds together is the next to change. Says every better one as it is found.
//!
//!     cargo run --release -p lab --example tune -- ROUNDS [SEED]

use std::sync::Mutex;

use lab::contender::{Contender, best};
use lab::open_loop;
use lab::referee::settings;
use lab::world::{Size, World};
use topologies::ranking::Weights;
use topologies::ranking::weights::{AuthorMemory, FreshnessByKind, Smoothing, Unseen};
use worlds::random::Random;

/// The worlds of the search; reports use seeds 1, 2, ...
/// By seed and rings: most with spam, as in the report.
const WORLDS: [(u64, u32); 4] = [(100, 2), (101, 2), (102, 2), (103, 0)];
/// Sets that are tried at a time.
const TRIED: usize = 28;
const LOOK_EVERY: usize = 16;

fn main() {
    let word = |at: usize| std::env::args().nth(at).and_then(|word| word.parse::<u64>().ok());
    let (rounds, mut random) = (word(1).unwrap_or(5), Random::of(word(2).unwrap_or(1)));
    let mut found = (0.0, best());
    for round in 0..rounds {
        let mut tried = vec![found.1.clone()];
        tried.extend((1..TRIED).map(|_| changed(&found.1, &mut random)));
        let worth = worth(&tried);
        let top = worth.iter().zip(&tried).max_by(|a, b| a.0.0.total_cmp(&b.0.0));
        if let Some((worth, weights)) = top {
            println!(
                "round {round}: {:.4} (with spam {:.4}, without {:.4})",
                worth.0, worth.1, worth.2
            );
            if worth.0 > found.0 {
                println!("{weights:?}");
                found = (worth.0, weights.clone());
            }
        }
    }
}

/// The mean NDCG@10 of each set over the seeds, and its halves, with spam and without.
fn worth(tried: &[Weights]) -> Vec<(f64, f64, f64)> {
    let contenders: Vec<_> =
        tried.iter().map(|weights| Contender::arm("tried", weights.clone())).collect();
    let jobs = WORLDS.to_vec();
    let (queue, sums) = (Mutex::new(jobs), Mutex::new(vec![[0.0; 2]; tried.len()]));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop());
                    let Some((seed, rings)) = next else { return };
                    let world = World::plant(seed, Size { rings, ..Size::FULL });
                    let opened =
                        open_loop::run(&world, (&contenders, LOOK_EVERY), &settings()).ok();
                    let (Some(opened), Ok(mut sums)) = (opened, sums.lock()) else { return };
                    for (sum, figures) in sums.iter_mut().zip(&opened.figures) {
                        sum[usize::from(rings == 0)] += figures[0].unwrap_or(0.0);
                    }
                }
            });
        }
    });
    let clean = WORLDS.iter().filter(|(_, rings)| *rings == 0).count() as f64;
    let (all, spam) = (WORLDS.len() as f64, WORLDS.len() as f64 - clean);
    let sums = sums.into_inner().unwrap_or_default();
    sums.into_iter().map(|of| ((of[0] + of[1]) / all, of[0] / spam, of[1] / clean)).collect()
}

/// Some of the numbers changed, by a little or by much.
fn changed(of: &Weights, random: &mut Random) -> Weights {
    let mut weights = of.clone();
    for _ in 0..1 + random.below(3) {
        change(&mut weights, random);
    }
    weights
}

fn change(weights: &mut Weights, random: &mut Random) {
    let turn = |value: f64, random: &mut Random| {
        let steps = if random.happens(0.3) { 4.0 } else { 1.6 };
        value.max(0.002) * libm::pow(steps, 2.0 * random.unit() - 1.0)
    };
    let arms = &mut weights.arms;
    let decay = weights.decay_per_hour;
    match random.below(12) {
        0 => weights.engagement = turn(weights.engagement, random),
        1 => weights.affinity = turn(weights.affinity, random),
        2 => weights.decay_per_hour = turn(decay, random),
        3 => weights.freshness = turn(weights.freshness, random),
        4 => arms.normalised_affinity = !arms.normalised_affinity,
        5 => {
            let exposures = arms.smoothing.map_or(50.0, |of| of.exposures);
            arms.smoothing = Some(Smoothing { exposures: turn(exposures, random).min(5_000.0) });
        }
        6 | 7 => {
            let by =
                FreshnessByKind { follow: decay, trending: decay, affinity: decay, explore: decay };
            let mut kinds = arms.kinds.unwrap_or(by);
            match random.below(3) {
                0 => kinds.follow = turn(kinds.follow, random),
                1 => kinds.trending = turn(kinds.trending, random),
                _ => kinds.affinity = turn(kinds.affinity, random),
            }
            arms.kinds = Some(kinds);
        }
        8 => {
            let decay = 0.5 + 0.5 * random.unit();
            let floor = 0.2 + 0.6 * random.unit();
            arms.author_memory =
                random.happens(0.7).then_some(AuthorMemory { decay, floor, days: 7 });
        }
        9 => {
            let of = Unseen { times: 1 + random.below(3) as u8, factor: 0.3 + 0.6 * random.unit() };
            arms.unseen = random.happens(0.5).then_some(of);
        }
        10 => {
            weights.spacing.top = random.below(6) as usize;
            weights.spacing.distance = random.below(3) as usize;
        }
        _ => {
            weights.points.comment = random.below(4);
            weights.points.share = random.below(4);
            weights.points.like = 1 + random.below(3);
        }
    }
}
