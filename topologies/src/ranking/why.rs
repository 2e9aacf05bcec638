//! Why a post stands in a reader's feed, or does not: the first stage that dropped it, with the number that would have to
//! change.
//!
//! It is told of a ranking that was made, by the same candidates in the same order, so it cannot say anything else than
//! what was done. The stages, in their order: the post has a line; the reader is there; the post is not removed; a source
//! proposes it; it is the best of its content; it is above the floor; spacing left it a place.

use schemas::{FeedBody, FeedItem, PostId, Rule, Sources, UserId};

use super::order::best_first;
use super::removal::{Removal, Removed};
use super::score::age_ms;
use super::weights::Limits;
use super::{Ranker, ReaderState, Scorer, Terms, World, inputs};
use crate::live::Line;

/// What became of a post in a ranking.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It has no line: nobody knows it, it was deleted, or it is too old and trends nowhere.
    Unlisted,
    /// It is in the feed.
    Placed(Placed),
    /// It is not.
    Dropped(Dropped),
}

/// A post in a feed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// The item, with the inputs of its score, its sources and its rule.
    pub item: FeedItem,
    /// Its place, from 1.
    pub position: usize,
    /// Its place by score alone among those of which content was left, from 1.
    pub rank: usize,
    /// What its score is made of.
    pub terms: Terms,
    /// What freshness, engagement and affinity weigh in it.
    pub weights: [f64; 3],
    /// Its place in the list of what trends, from 1, if it is there.
    pub trends_at: Option<usize>,
}

/// A post that is in no feed of this reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// Its author.
    pub author: UserId,
    /// When it was made, ms UTC.
    pub created_at_ms: i64,
    /// The stage.
    pub stage: Stage,
}

/// The first stage that dropped a post.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// The reader is gone, and has an empty feed.
    ReaderGone,
    /// It was removed.
    Removed(Removed),
    /// No source proposes it, each for its reason.
    NoSource(Misses),
    /// A better one has the same content.
    DuplicateOf {
        /// Which.
        post: PostId,
        /// Its score.
        better: f64,
        /// That of this one.
        terms: Terms,
    },
    /// So many are better than it that there is no place left.
    BelowFloor {
        /// Its place by score, from 1.
        rank: usize,
        /// The score of the worst that has a place.
        floor: f64,
        /// Its own.
        terms: Terms,
    },
    /// It is better than one that has a place, but its author has theirs.
    Spaced {
        /// Its place by score, from 1.
        rank: usize,
        /// So many of its author's posts have a place.
        of_author: usize,
        /// Its score.
        terms: Terms,
    },
}

/// Why no source proposes a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misses {
    /// F1.
    pub follow: FollowMiss,
    /// F2: so many are in its list, and this is none of them.
    pub trending: usize,
    /// F3.
    pub affinity: AffinityMiss,
}

/// Why F1 does not propose a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowMiss {
    /// The reader does not follow its author.
    NotFollowed,
    /// It is too old.
    TooOld {
        /// By so much, ms.
        by_ms: i64,
    },
    /// So many are newer that it has no place among those that are taken.
    BeyondCap {
        /// How many are newer.
        newer: usize,
        /// How many are taken.
        cap: usize,
    },
}

/// Why F3 does not propose a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityMiss {
    /// The reader has done nothing that counts with posts of its author.
    NoAffinity,
    /// It is too old.
    TooOld {
        /// By so much, ms.
        by_ms: i64,
    },
    /// So many of its author's are newer that it has no place among those that are taken.
    BeyondAuthorCap {
        /// How many are newer.
        newer: usize,
        /// How many are taken of an author.
        cap: usize,
    },
    /// The quota was used up by authors with whom the reader has more to do.
    QuotaFull {
        /// How many posts are taken in all.
        quota: usize,
        /// The reader's interactions with its author.
        interactions: u32,
    },
}

impl Ranker {
    /// What became of `post` in the feed of `reader` as of `as_of`.
    pub fn why(
        &mut self,
        reader: &ReaderState,
        world: &World<'_>,
        as_of: i64,
        post: PostId,
    ) -> Verdict {
        let body = self.rank(reader, world, as_of);
        self.verdict(reader, (world, &body), post)
    }

    fn verdict(
        &mut self,
        reader: &ReaderState,
        (world, body): (&World<'_>, &FeedBody),
        post: PostId,
    ) -> Verdict {
        let place = world.posts.place(&post);
        let line = place.and_then(|(slot, at)| world.posts.lines(slot).get(at as usize).copied());
        let Some(line) = line else { return Verdict::Unlisted };
        let dropped = |stage| {
            let (author, created_at_ms) = (line.known.author, line.known.created_at_ms);
            Verdict::Dropped(Dropped { author, created_at_ms, stage })
        };
        if world.gone.contains(&reader.id) {
            return dropped(Stage::ReaderGone);
        }
        let removal = Removal::of(reader, world, body.as_of_ms);
        let removed = removal.of_author(&line.known.author).or_else(|| removal.of_post(&post));
        if let Some(removed) = removed {
            return dropped(Stage::Removed(removed));
        }
        let is_placed = body.items.iter().any(|item| item.post == post);
        let standing = self.standing(&line, (reader, world, body));
        // What only exploration proposed and found no room for has no source, for anybody who asks.
        let Some(standing) =
            standing.filter(|(_, sources)| is_placed || *sources != Sources::EXPLORE)
        else {
            return dropped(Stage::NoSource(self.misses(reader, (world, body), &line)));
        };
        let (standing, _) = standing;
        match standing {
            Standing::Duplicate(stage) => dropped(stage),
            Standing::Ranked { rank, terms } => {
                match body.items.iter().position(|item| item.post == post) {
                    Some(at) => body.items.get(at).map_or(Verdict::Unlisted, |item| {
                        let trends_at = world.trending.iter().position(|other| *other == post);
                        let (position, trends_at) = (at + 1, trends_at.map(|at| at + 1));
                        let weights = Scorer::new(world.weights, body.facts, 0).weights();
                        let item = *item;
                        Verdict::Placed(Placed { item, position, rank, terms, weights, trends_at })
                    }),
                    None => dropped(without_place((world, body), (rank, terms), &line)),
                }
            }
        }
    }

    /// Where a candidate stands by score, and the sources that propose it; none if none does.
    fn standing(
        &mut self,
        line: &Line,
        (reader, world, body): (&ReaderState, &World<'_>, &FeedBody),
    ) -> Option<(Standing, Sources)> {
        let Self { candidates, ordered, contents, .. } = self;
        contents.clear();
        let (mut rank, mut better) = (0, None);
        for at in 0.. {
            let other = ordered.at(at)?;
            let known = candidates.line(other.author, other.line, world)?;
            let is_new = contents.is_new(known.known.content_hash);
            rank += usize::from(is_new);
            if other.post == line.post {
                let author = candidates.authors.get(other.author as usize)?;
                let scorer = Scorer::new(world.weights, body.facts, body.as_of_ms);
                let of = (reader, world, body.as_of_ms);
                let terms = scorer.terms(&inputs(of, (line, author), other.sources));
                let standing = match better.filter(|_| !is_new) {
                    Some((post, better)) => {
                        Standing::Duplicate(Stage::DuplicateOf { post, better, terms })
                    }
                    None => Standing::Ranked { rank, terms },
                };
                return Some((standing, other.sources));
            }
            if is_new && known.known.content_hash == line.known.content_hash {
                better = Some((other.post, other.score));
            }
        }
        None
    }

    fn misses(
        &self,
        reader: &ReaderState,
        (world, body): (&World<'_>, &FeedBody),
        line: &Line,
    ) -> Misses {
        let (limits, as_of) = (&world.weights.limits, body.as_of_ms);
        let age = age_ms(line.known.created_at_ms, as_of);
        let newer_of = |author: &UserId| newer(reader, (world, as_of), (author, line));
        let known = self.candidates.authors.get(..self.candidates.known_authors);
        let known = known.unwrap_or_default();
        let interactions = known.iter().find(|who| who.id == line.known.author);
        let interactions = interactions.map_or(0, |who| who.interactions);
        let by_follow = || reader.follows.iter().map(newer_of).sum();
        let is_followed = reader.follows.contains(&line.known.author);
        Misses {
            follow: follow_miss((is_followed, age), limits, by_follow),
            trending: world.trending.len(),
            affinity: affinity_miss((interactions, age), limits, || newer_of(&line.known.author)),
        }
    }
}

enum Standing {
    /// Another of its content stands before it.
    Duplicate(Stage),
    /// By score alone.
    Ranked { rank: usize, terms: Terms },
}

/// Why a candidate has no place in a feed that is full: by its score, or by spacing.
fn without_place(
    (world, body): (&World<'_>, &FeedBody),
    (rank, terms): (usize, Terms),
    line: &Line,
) -> Stage {
    let scorer = Scorer::new(world.weights, body.facts, body.as_of_ms);
    // A reserved position was given to no score.
    let by_score = body.items.iter().filter(|item| item.rule != Rule::Reserved);
    let scored = by_score.map(|item| (scorer.item(item).score, item.created_at_ms, item.post));
    let worst = scored.max_by(|a, b| best_first(*a, *b));
    let own = (terms.score, line.known.created_at_ms, line.post);
    match worst {
        Some(worst) if best_first(own, worst).is_gt() => {
            Stage::BelowFloor { rank, floor: worst.0, terms }
        }
        Some(_) | None => {
            let of_author = body.items.iter().filter(|item| item.author == line.known.author);
            Stage::Spaced { rank, of_author: of_author.count(), terms }
        }
    }
}

fn follow_miss(
    (is_followed, age): (bool, i64),
    limits: &Limits,
    newer: impl Fn() -> usize,
) -> FollowMiss {
    match age - limits.follow_age_ms_max {
        _ if !is_followed => FollowMiss::NotFollowed,
        by_ms if by_ms > 0 => FollowMiss::TooOld { by_ms },
        _ => FollowMiss::BeyondCap { newer: newer(), cap: limits.follow_posts_max },
    }
}

fn affinity_miss(
    (interactions, age): (u32, i64),
    limits: &Limits,
    newer: impl Fn() -> usize,
) -> AffinityMiss {
    let by_ms = age - limits.affinity_age_ms_max;
    if interactions == 0 {
        return AffinityMiss::NoAffinity;
    }
    if by_ms > 0 {
        return AffinityMiss::TooOld { by_ms };
    }
    let (newer, cap) = (newer(), limits.affinity_posts_per_author_max);
    if newer >= cap {
        return AffinityMiss::BeyondAuthorCap { newer, cap };
    }
    AffinityMiss::QuotaFull { quota: limits.affinity_posts_max, interactions }
}

/// How many posts of `author` that the reader may see stand before a post, newest first.
fn newer(
    reader: &ReaderState,
    (world, as_of): (&World<'_>, i64),
    (author, line): (&UserId, &Line),
) -> usize {
    let Some(slot) = world.posts.slot(author) else { return 0 };
    let removal = Removal::of(reader, world, as_of);
    if removal.of_author(author).is_some() {
        return 0;
    }
    let before = world.posts.lines(slot).iter().take_while(|other| {
        let (at, of) = (other.known.created_at_ms, line.known.created_at_ms);
        at > of || (at == of && other.post < line.post)
    });
    before.filter(|other| removal.of_post(&other.post).is_none()).count()
}
