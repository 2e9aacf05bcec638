//! Why a post stands in a reader's feed, or does not, as answers say it and instances tell each other.
//!
//! What nobody ranks any more is looked up where the post is kept: only there it is known whether it was deleted, or never was.

mod words;

use schemas::{FeedItem, FeedVersion, PostId, UserId};
use serde::{Deserialize, Serialize};
use topologies::engagement::post::Post;
use topologies::ranking::Weights;
use topologies::ranking::removal::Removed;
use topologies::ranking::weights::Limits;
use topologies::ranking::why::{self, AffinityMiss, FollowMiss, Misses, Verdict};
use utoipa::ToSchema;
use uuid::Uuid;

use super::terms::TermsShown;

/// Why a post stands in a feed, or does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    pub post_id: Uuid,
    /// Null of a post that nobody knows.
    pub author_id: Option<Uuid>,
    /// When it was made, ms UTC.
    pub created_at: Option<i64>,
    pub in_feed: bool,
    /// Where it stands, if it does.
    pub placed: Option<Placed>,
    /// What kept it out, if it does not.
    pub dropped: Option<Dropped>,
    /// The time of the ranking, ms UTC.
    pub as_of: i64,
    /// The version of the feed that was published last.
    pub version: u64,
    pub weight_set: u16,
}

/// A post in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// Its place, from 1.
    pub position: usize,
    /// Its place by score alone, before spacing.
    pub rank: usize,
    /// What spacing did: none, spaced, distance_dropped, top5_dropped or reserved.
    pub rule: String,
    pub score: f64,
    pub terms: TermsShown,
    /// Why it may be here.
    pub sources: Vec<Reason>,
}

/// A source that proposes a post, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Reason {
    /// The reader follows this author.
    Follow { author_id: Uuid },
    /// It trends, at this place of the list of 24 h.
    Trending { place: Option<usize> },
    /// The reader did so much with posts of this author on 90 days.
    Affinity { author_id: Uuid, interactions: u32 },
    /// It is new, few have seen it, and its author came up by chance.
    Explore { author_id: Uuid },
}

/// What kept a post out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dropped {
    /// In words.
    pub words: String,
    #[serde(flatten)]
    pub stage: Stage,
}

/// The first stage that dropped a post, with the number that would have to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// No row of it ever came.
    Unknown,
    /// It was deleted.
    Deleted,
    /// It is older than any source takes, and does not trend.
    OutOfReach { age_ms: i64 },
    /// The reader was deleted.
    ReaderGone,
    /// The reader wrote it.
    Own,
    /// Its author was deleted.
    AuthorGone,
    /// The reader blocks its author, or is blocked by them.
    Blocked,
    /// The reader mutes its author.
    Muted,
    /// The reader wished for less of its author.
    LessLikeThis { until: i64 },
    /// The reader wants posts of followees alone, and does not follow its author.
    NotFollowed,
    /// It has a word that the reader mutes.
    MutedWord,
    /// The reader hid or reported it.
    Hidden { at: i64, returns_at: i64 },
    /// The reader saw it within 24 h.
    Seen { at: i64, returns_at: i64 },
    /// No source proposes it.
    NoSource { follow: FollowSource, trending: TrendingSource, affinity: AffinitySource },
    /// A better one says the same.
    DuplicateOf { post_id: Uuid, its_score: f64, score: f64 },
    /// Too many are better.
    BelowFloor { rank: usize, score: f64, floor: f64, gap: f64 },
    /// Its author has places enough.
    Spacing { rank: usize, score: f64, of_author: usize },
}

/// Why those whom the reader follows do not bring it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum FollowSource {
    /// The reader does not follow its author.
    NotFollowed,
    /// It is older than 72 h, by so much.
    TooOld { by_ms: i64 },
    /// So many are newer, and only so many are taken.
    BeyondCap { newer: usize, cap: usize },
}

/// Why what trends does not bring it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum TrendingSource {
    /// It is none of the list of 24 h, which has so many.
    NotListed { listed: usize },
}

/// Why authors with whom the reader has to do do not bring it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum AffinitySource {
    /// The reader did nothing with posts of its author on 90 days.
    NoAffinity,
    /// It is older than 7 days, by so much.
    TooOld { by_ms: i64 },
    /// So many of its author are newer, and only so many are taken.
    BeyondAuthorCap { newer: usize, cap: usize },
    /// Authors with whom the reader has more to do have used up what is taken in all.
    QuotaFull { quota: usize, interactions: u32 },
}

/// What is known of a post where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostKnown {
    /// Whose it is, if its row is known.
    pub author: Option<[u8; 16]>,
    /// Since when, ms UTC.
    pub created_at: Option<i64>,
    /// Whether it may be shown.
    pub live: bool,
    /// L, C, S, E.
    pub counts: [u32; 4],
}

impl PostKnown {
    /// A live post, as a test has it.
    #[cfg(test)]
    pub fn live(item: &FeedItem) -> Self {
        Self {
            author: Some(item.author.0),
            created_at: Some(item.created_at_ms),
            live: true,
            counts: [item.likes, item.comments, item.shares, item.exposures],
        }
    }

    /// As an item of a feed, if it is live; the reader's affinity is not known here.
    pub fn item(&self, post: PostId) -> Option<FeedItem> {
        let [likes, comments, shares, exposures] = self.counts;
        Some(FeedItem {
            post,
            author: UserId(self.author.filter(|_| self.live)?),
            created_at_ms: self.created_at?,
            likes,
            comments,
            shares,
            exposures,
            ..FeedItem::default()
        })
    }

    /// Of what is kept.
    pub fn of(post: &Post) -> Self {
        let image = post.image.as_ref();
        Self {
            author: image.map(|image| image.author.0),
            created_at: image.map(|image| image.created_at_ms),
            live: post.version.is_some_and(|version| version.live),
            counts: {
                let of = &post.counts;
                [of.likes, of.comments, of.shares, of.impressions.max(of.views)]
            },
        }
    }
}

impl Why {
    /// Of what became of a post in a ranking.
    pub fn of(
        post: PostId,
        version: FeedVersion,
        verdict: &Verdict,
        (weights, as_of): (&Weights, i64),
    ) -> Self {
        let mut why = Self {
            post_id: Uuid::from_bytes(post.0),
            author_id: None,
            created_at: None,
            in_feed: false,
            placed: None,
            dropped: None,
            as_of,
            version: version.version,
            weight_set: weights.id,
        };
        match verdict {
            Verdict::Unlisted => why.dropped = Some(Stage::Unknown.into()),
            Verdict::Placed(placed) => {
                why.is_by(placed.item.author, placed.item.created_at_ms);
                why.in_feed = true;
                why.placed = Some(Placed::of(placed, as_of));
            }
            Verdict::Dropped(dropped) => {
                why.is_by(dropped.author, dropped.created_at_ms);
                why.dropped = Some(stage(&dropped.stage, &weights.limits).into());
            }
        }
        why
    }

    fn is_by(&mut self, author: UserId, created_at: i64) {
        self.author_id = Some(Uuid::from_bytes(author.0));
        self.created_at = Some(created_at);
    }

    /// Whether no ranking knows it, so that whoever keeps the post is to be asked.
    pub fn is_unlisted(&self) -> bool {
        self.dropped.as_ref().is_some_and(|dropped| dropped.stage == Stage::Unknown)
    }

    /// With what whoever keeps the post knows of it.
    pub fn with_post(mut self, known: Option<&PostKnown>) -> Self {
        let Some(known) = known else { return self };
        self.author_id = known.author.map(Uuid::from_bytes);
        self.created_at = known.created_at;
        let stage = match known.created_at {
            None => Stage::Unknown,
            Some(_) if !known.live => Stage::Deleted,
            Some(created_at) => {
                Stage::OutOfReach { age_ms: self.as_of.saturating_sub(created_at).max(0) }
            }
        };
        self.dropped = Some(stage.into());
        self
    }
}

impl Placed {
    fn of(placed: &why::Placed, as_of: i64) -> Self {
        let item = &placed.item;
        let author_id = Uuid::from_bytes(item.author.0);
        let reason = |source| match source {
            "follow" => Reason::Follow { author_id },
            "explore" => Reason::Explore { author_id },
            "trending" => Reason::Trending { place: placed.trends_at },
            _ => Reason::Affinity { author_id, interactions: item.affinity },
        };
        Self {
            position: placed.position,
            rank: placed.rank,
            rule: item.rule.name().to_owned(),
            score: placed.terms.score,
            terms: TermsShown::of(item, &placed.terms, (placed.weights, as_of)),
            sources: item.sources.names().map(reason).collect(),
        }
    }
}

fn removed(of: Removed, limits: &Limits) -> Stage {
    let returns_at = of.returns_at(limits).unwrap_or(i64::MAX);
    match of {
        Removed::Own => Stage::Own,
        Removed::Gone => Stage::AuthorGone,
        Removed::Blocked => Stage::Blocked,
        Removed::Muted => Stage::Muted,
        Removed::NotFollowed => Stage::NotFollowed,
        Removed::MutedWord => Stage::MutedWord,
        Removed::Less { until } => Stage::LessLikeThis { until },
        Removed::Hidden { at } => Stage::Hidden { at, returns_at },
        Removed::Seen { at } => Stage::Seen { at, returns_at },
    }
}

fn stage(of: &why::Stage, limits: &Limits) -> Stage {
    match of {
        why::Stage::ReaderGone => Stage::ReaderGone,
        why::Stage::Removed(of) => removed(*of, limits),
        why::Stage::NoSource(misses) => no_source(misses),
        why::Stage::DuplicateOf { post, better, terms } => Stage::DuplicateOf {
            post_id: Uuid::from_bytes(post.0),
            its_score: *better,
            score: terms.score,
        },
        why::Stage::BelowFloor { rank, floor, terms } => {
            let (rank, floor, score) = (*rank, *floor, terms.score);
            Stage::BelowFloor { rank, score, floor, gap: floor - score }
        }
        why::Stage::Spaced { rank, of_author, terms } => {
            Stage::Spacing { rank: *rank, score: terms.score, of_author: *of_author }
        }
    }
}

fn no_source(misses: &Misses) -> Stage {
    Stage::NoSource {
        follow: match misses.follow {
            FollowMiss::NotFollowed => FollowSource::NotFollowed,
            FollowMiss::TooOld { by_ms } => FollowSource::TooOld { by_ms },
            FollowMiss::BeyondCap { newer, cap } => FollowSource::BeyondCap { newer, cap },
        },
        trending: TrendingSource::NotListed { listed: misses.trending },
        affinity: match misses.affinity {
            AffinityMiss::NoAffinity => AffinitySource::NoAffinity,
            AffinityMiss::TooOld { by_ms } => AffinitySource::TooOld { by_ms },
            AffinityMiss::BeyondAuthorCap { newer, cap } => {
                AffinitySource::BeyondAuthorCap { newer, cap }
            }
            AffinityMiss::QuotaFull { quota, interactions } => {
                AffinitySource::QuotaFull { quota, interactions }
            }
        },
    }
}

impl From<Stage> for Dropped {
    fn from(stage: Stage) -> Self {
        Self { words: stage.to_string(), stage }
    }
}
