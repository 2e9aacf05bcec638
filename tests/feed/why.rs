//! What is told of a post, why it stands in a feed or does not, against a brute-force reading.

use std::collections::BTreeMap;

use schemas::{PostId, UserId};
use topologies::ranking::removal::Removed;
use topologies::ranking::why::{AffinityMiss, FollowMiss, Misses, Stage, Verdict};
use worlds::history::{Input, Payload};
use worlds::oracle::{Missed, Oracle, Why};

use crate::pipeline::Pipeline;
use crate::small_worlds::{END, world};

const HOUR: i64 = 3_600_000;

/// The miss as the ranking tells it, of how far the post is from the sources.
fn misses(of: &Missed) -> Misses {
    let over = |hours: i64| of.age - hours * HOUR;
    let follow = match of {
        Missed { followed: false, .. } => FollowMiss::NotFollowed,
        _ if over(72) > 0 => FollowMiss::TooOld { by_ms: over(72) },
        _ => FollowMiss::BeyondCap { newer: of.newer_of_followees, cap: 500 },
    };
    let affinity = match of {
        Missed { interactions: 0, .. } => AffinityMiss::NoAffinity,
        _ if over(168) > 0 => AffinityMiss::TooOld { by_ms: over(168) },
        Missed { newer_of_author: newer @ 20.., .. } => {
            AffinityMiss::BeyondAuthorCap { newer: *newer, cap: 20 }
        }
        Missed { interactions, .. } => {
            AffinityMiss::QuotaFull { quota: 200, interactions: *interactions }
        }
    };
    Misses { follow, trending: of.trending, affinity }
}

/// The verdict as brute force says it.
fn as_expected(verdict: &Verdict) -> Why {
    let dropped = match verdict {
        Verdict::Unlisted => return Why::NotThere,
        Verdict::Placed(placed) => return Why::Placed(placed.position, placed.rank),
        Verdict::Dropped(dropped) => dropped,
    };
    match &dropped.stage {
        Stage::ReaderGone => Why::ReaderGone,
        Stage::Removed(Removed::Own) => Why::Own,
        Stage::Removed(Removed::Gone) => Why::AuthorGone,
        Stage::Removed(Removed::Blocked) => Why::Blocked,
        Stage::Removed(Removed::Muted) => Why::Muted,
        Stage::Removed(Removed::Less { until }) => Why::Less(*until),
        Stage::Removed(Removed::Hidden { at }) => Why::Hidden(*at),
        Stage::Removed(Removed::Seen { at }) => Why::Seen(*at),
        Stage::DuplicateOf { post, .. } => Why::Duplicate(post.0),
        Stage::BelowFloor { rank, .. } => Why::Below(*rank),
        Stage::Spaced { rank, .. } => Why::Spaced(*rank),
        Stage::Removed(Removed::NotFollowed | Removed::MutedWord) => {
            unreachable!("nobody chose anything")
        }
        Stage::NoSource(_) => unreachable!("it is compared by itself"),
    }
}

/// Compares every post of a world for so many readers; counts what was met.
fn compare(history: &[Input], readers: usize, met: &mut BTreeMap<&'static str, usize>) {
    let (oracle, pipeline) = (Oracle::of(history), Pipeline::of(history, END));
    let (gone, there): (Vec<_>, Vec<_>) =
        oracle.readers().into_iter().partition(|of| oracle.is_gone(*of));
    for reader in there.into_iter().take(readers).chain(gone.into_iter().take(1)) {
        let expected = oracle.why(reader, END);
        let posts = expected.keys().map(|post| PostId(*post));
        let verdicts = pipeline.why(UserId(reader), posts, END);
        for ((post, expected), verdict) in expected.into_iter().zip(verdicts) {
            let place = format!("{:?} of {:?}", PostId(post), UserId(reader));
            *met.entry(name(&expected)).or_default() += 1;
            match (&expected, &verdict) {
                // It has no line any more, being old and trending nowhere.
                (_, Verdict::Unlisted) if oracle.is_beyond_the_horizon(post, END) => {}
                (Why::Missed(missed), Verdict::Dropped(dropped)) => {
                    assert_eq!(dropped.stage, Stage::NoSource(misses(missed)), "{place}");
                }
                _ => assert_eq!(as_expected(&verdict), expected, "{place}"),
            }
        }
    }
}

fn name(why: &Why) -> &'static str {
    match why {
        Why::NotThere => "not there",
        Why::ReaderGone => "reader gone",
        Why::Own => "own",
        Why::AuthorGone => "author gone",
        Why::Blocked => "blocked",
        Why::Muted => "muted",
        Why::Less(_) => "less",
        Why::Hidden(_) => "hidden",
        Why::Seen(_) => "seen",
        Why::Missed(Missed { followed: true, .. }) => "too old or beyond the cap",
        Why::Missed(Missed { interactions: 1.., .. }) => "too old or beyond the quota",
        Why::Missed(_) => "no source",
        Why::Duplicate(_) => "duplicate",
        Why::Below(_) => "below",
        Why::Spaced(_) => "spaced",
        Why::Placed(..) => "placed",
    }
}

#[test]
fn every_post_is_told_of_as_a_brute_force_reading_has_it_and_every_stage_is_met() {
    let mut met = BTreeMap::new();
    for seed in 0..8 {
        compare(&world(seed, 6, 400), 2, &mut met);
    }
    // Nobody leaves: feeds are full.
    let mut crowded = world(7, 16, 9_000);
    crowded.retain(|input| match &input.payload {
        Payload::User(change) => change.image.live().is_some(),
        _ => true,
    });
    compare(&crowded, 3, &mut met);
    assert_eq!(met.len(), 16, "{met:?}");
}
