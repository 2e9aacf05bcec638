//! A reader's feed ranked by ClickHouse: the three sources, what is removed, and the score, as one query.
//!
//! It reads what the sink has inserted, so it is as fresh as that; in all else it is the ranking of the stream. Authors are not
//! kept apart yet: whoever serves a body does that, as of the moment of the read.

use std::time::Duration;

use ::clickhouse::Row;
use schemas::{FeedBody, FeedItem, PostId, Rule, Sources, UserId};
use serde::Deserialize;

use super::client::Client;
use super::{ClickHouseFault, ClickHouseSettings, Uuid};

/// The numbers of a weight set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankingNumbers {
    /// Names the set in the body.
    pub weight_set: u16,
    /// The weights of the terms: freshness, engagement, affinity.
    pub weights: [f64; 3],
    /// Freshness is exp(-this x age in hours).
    pub decay_per_hour: f64,
    /// What a like, a comment and a share add to engagement.
    pub points: [u32; 3],
    /// Posts of followees: their greatest age, ms, and how many.
    pub follow: (i64, u64),
    /// Posts of authors with affinity: their greatest age, ms, how many of one author, and how many in all.
    pub affinity: (i64, u64, u64),
    /// Affinity counts on so many UTC days.
    pub affinity_days: i32,
    /// A seen post stays away for so long, ms.
    pub seen_ms: i64,
    /// A hidden post stays away for so long, ms.
    pub hidden_ms: i64,
    /// An author of whom less was wished for stays away on so many UTC days.
    pub less_days: i32,
}

/// Ranks by ClickHouse.
#[derive(Clone)]
pub struct Ranking {
    client: Client,
    numbers: RankingNumbers,
}

/// An item: post, author, created, L, C, S, E, A, sources.
type Item = (Uuid, Uuid, i64, u32, u32, u32, u32, u32, u8);

#[derive(Deserialize, Row)]
struct Answer {
    cold_start: bool,
    items: Vec<Item>,
}

impl Ranking {
    /// On a server whose queries end by themselves after `wait`.
    pub fn new(settings: &ClickHouseSettings, numbers: RankingNumbers, wait: Duration) -> Self {
        let client = settings
            .client()
            .with_database(&settings.database)
            .with_setting("max_execution_time", wait.as_secs_f64().to_string())
            // Whoever asked may have left.
            .with_setting("cancel_http_readonly_queries_on_client_close", "1");
        Self { client, numbers }
    }

    /// The feed of `user` as of `at_ms`, the best first: not spaced, and not cut.
    pub async fn feed(&self, user: UserId, at_ms: i64) -> Result<FeedBody, ClickHouseFault> {
        let of = &self.numbers;
        let ([freshness, engagement, affinity], [like, comment, share]) = (of.weights, of.points);
        let answer = self
            .client
            .query_raw(include_str!("ranking.sql"))
            .param("me", user.to_string())
            .param("at", at_ms)
            .param("seen_ms", of.seen_ms)
            .param("hidden_ms", of.hidden_ms)
            .param("less_days", of.less_days)
            .param("affinity_days", of.affinity_days)
            .param("freshness", freshness)
            .param("decay", of.decay_per_hour)
            .param("engagement", engagement)
            .param("affinity", affinity)
            .param("like", like)
            .param("comment", comment)
            .param("share", share)
            .param("follow_age_ms", of.follow.0)
            .param("follow_posts", of.follow.1)
            .param("affinity_age_ms", of.affinity.0)
            .param("affinity_posts_per_author", of.affinity.1)
            .param("affinity_posts", of.affinity.2)
            .fetch_one::<Answer>()
            .await?;
        Ok(FeedBody {
            as_of_ms: at_ms,
            valid_until_ms: at_ms,
            weight_set: of.weight_set,
            cold_start: answer.cold_start,
            items: answer.items.iter().map(item).collect(),
            facts: None,
        })
    }

    /// Whether the server answers and has the tables, for readiness.
    pub async fn ping(&self) -> Result<(), ClickHouseFault> {
        let asked = self.client.query("SELECT count() FROM post_lines WHERE 0").fetch_one::<u64>();
        asked.await.map(drop).map_err(Into::into)
    }
}

fn item(of: &Item) -> FeedItem {
    let (post, author, created_at_ms, likes, comments, shares, exposures, affinity, sources) = *of;
    FeedItem {
        post: PostId(post.into()),
        author: UserId(author.into()),
        created_at_ms,
        likes,
        comments,
        shares,
        exposures,
        affinity,
        sources: Sources::of_bits(sources).unwrap_or_default(),
        rule: Rule::None,
        ..FeedItem::default()
    }
}
