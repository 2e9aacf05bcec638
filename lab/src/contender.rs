//! Who is compared: weight sets, and rankings that are none.
//!
//! A weight set ranks by the production function alone. The others order posts by what anybody could know (random,
//! chronological, popularity, soft decay) or by the truth (the two oracles), which nobody does. An arm is one line in
//! [`all`].

use topologies::ranking::Weights;
use topologies::ranking::weights::{
    Arms, AuthorMemory, DAY_MS, Explore, FreshnessByKind, Points, Quota, Smoothing, Unseen,
};

/// How a list comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// Every post that the reader may see is as likely at every place.
    Random,
    /// The followees' posts, newest first; then everybody's.
    Chronological,
    /// The list of what trends in 24 h, by its points, the same for everybody.
    Popularity,
    /// X's published weights and soft author decay: [`crate::rank::soft_decay`].
    SoftDecay,
    /// The production ranking with these numbers.
    Weighed(Box<Weights>),
    /// The candidates of `v1`, by true utility: what any order of them could reach.
    BestCandidates,
    /// All live posts by what is to be expected of their authors and their age, if tastes and skills were known: what a
    /// ranking could reach that knows everything of authors and nothing of the post.
    KnownAuthors,
    /// All live posts by true utility: 1.0 by definition.
    Oracle,
    /// What readers are shown while data is collected: chronological, and every third post at random.
    Logging,
}

/// Somebody who is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The name in the table.
    pub name: String,
    /// What they do.
    pub policy: Policy,
    /// Whether a world of their own is run for them, in which readers are shown what they rank.
    pub closes_loop: bool,
}

impl Contender {
    fn new(name: &str, policy: Policy) -> Self {
        Self { name: name.to_owned(), policy, closes_loop: false }
    }

    /// A weight set.
    pub fn arm(name: &str, weights: Weights) -> Self {
        Self::new(name, Policy::Weighed(Box::new(weights)))
    }

    /// In the closed loop too.
    fn in_closed_loop(self) -> Self {
        Self { closes_loop: true, ..self }
    }
}

/// The name of the arm with all that is known to help.
pub const BEST: &str = "best arm";

/// Everybody, in the order of the table.
pub fn all() -> Vec<Contender> {
    let v1 = Weights::v1;
    let mut all = vec![
        Contender::new("random", Policy::Random).in_closed_loop(),
        Contender::new("chronological", Policy::Chronological).in_closed_loop(),
        Contender::new("popularity", Policy::Popularity),
        Contender::new("x-style", Policy::SoftDecay).in_closed_loop(),
        Contender::arm("v1", v1()).in_closed_loop(),
        Contender::arm("v1 - freshness", Weights { freshness: 0.0, ..v1() }),
        Contender::arm("v1 - engagement", Weights { engagement: 0.0, ..v1() }),
        Contender::arm("v1 - affinity", Weights { affinity: 0.0, ..v1() }),
    ];
    all.extend(arms());
    all.extend([
        Contender::new("best of v1's candidates", Policy::BestCandidates),
        Contender::new("authors known", Policy::KnownAuthors),
        Contender::new("oracle", Policy::Oracle).in_closed_loop(),
    ]);
    all
}

/// The arms, a line each: first every arm alone, on `v1`.
fn arms() -> Vec<Contender> {
    let with = |arms| Weights { arms, ..Weights::v1() };
    let off = Arms::default;
    vec![
        Contender::arm("smoothed", with(Arms { smoothing: SMOOTHING, ..off() })),
        Contender::arm("normalised affinity", with(Arms { normalised_affinity: true, ..off() })),
        Contender::arm("trending quota", with(Arms { trending_quota: QUOTA, ..off() })),
        Contender::arm("explore", with(Arms { explore: EXPLORE, ..off() })),
        Contender::arm("author memory", with(Arms { author_memory: MEMORY, ..off() })),
        Contender::arm("freshness by kind", with(Arms { kinds: KINDS, ..off() })),
        Contender::arm("unseen", with(Arms { unseen: UNSEEN, ..off() })),
        Contender::arm("all arms", with(every())).in_closed_loop(),
        Contender::arm(BEST, best()).in_closed_loop(),
    ]
}

const SMOOTHING: Option<Smoothing> = Some(Smoothing { exposures: 50.0 });
const QUOTA: Option<Quota> = Some(Quota { every: 5 });
const EXPLORE: Option<Explore> = Some(Explore { every: 10, age_ms_max: DAY_MS, exposures_max: 20 });
const MEMORY: Option<AuthorMemory> = Some(AuthorMemory { decay: 0.9, floor: 0.3, days: 7 });
const KINDS: Option<FreshnessByKind> =
    Some(FreshnessByKind { follow: 0.1, trending: 0.05, affinity: 0.05, explore: 0.1 });
const UNSEEN: Option<Unseen> = Some(Unseen { times: 2, factor: 0.7 });

/// All of them together.
fn every() -> Arms {
    Arms {
        smoothing: SMOOTHING,
        normalised_affinity: true,
        trending_quota: QUOTA,
        explore: EXPLORE,
        author_memory: MEMORY,
        kinds: KINDS,
        unseen: UNSEEN,
    }
}

/// The best numbers that were found, on seeds that no report uses: `examples/tune.rs`.
pub fn best() -> Weights {
    let kinds = FreshnessByKind { follow: 0.03, trending: 0.18, affinity: 0.03, explore: 0.1 };
    Weights {
        engagement: 0.37,
        affinity: 0.07,
        points: Points { like: 1, comment: 0, share: 0 },
        arms: Arms {
            smoothing: Some(Smoothing { exposures: 73.0 }),
            author_memory: Some(AuthorMemory { decay: 0.985, floor: 0.45, days: 7 }),
            kinds: Some(kinds),
            unseen: Some(Unseen { times: 3, factor: 0.6 }),
            ..Arms::default()
        },
        ..Weights::v1()
    }
}
