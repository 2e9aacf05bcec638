//! A user's feed in a terminal: the items with the terms of each score, and where they came from.

use std::fmt::Write;

use connectors::redis::FeedCache;
use millstream::{Clock, SystemClock};
use schemas::{FeedBody, UserId, V1};
use topologies::ranking::rerank::rerank;
use topologies::ranking::{Policies, Weights};
use uuid::Uuid;

use crate::config::Config;
use crate::failed::Failed;

/// The feed that Redis holds for `user`.
pub async fn show(
    config: &Config,
    (user, limit): (Uuid, u8),
    sets: impl FnOnce() -> Result<Policies, Failed>,
) -> Result<String, Failed> {
    let remote = config.redis.as_ref().ok_or_else(|| "redis.url is not set".to_owned())?;
    let cache = FeedCache::open(&remote.url, remote.wait).map_err(|e| e.to_string())?;
    let user = UserId(user.into_bytes());
    let found = cache.feed(user).await.map_err(|e| e.to_string())?;
    let Some(body) = found.as_ref().and_then(|feed| feed.body.as_ref()) else {
        return Ok(format!("{user} has no feed\n"));
    };
    let sets = if body.weight_set == V1 { Policies::default() } else { sets()? };
    if !sets.knows(body.weight_set) {
        return Err(format!("its weight set {} is not known", body.weight_set).into());
    }
    let weights = sets.of_set(body.weight_set);
    Ok(table(body, (weights, SystemClock.now().0), usize::from(limit)))
}

/// The first items of a body as of `now_ms`, one a line.
pub fn table(body: &FeedBody, (weights, now_ms): (&Weights, i64), limit: usize) -> String {
    let mut out = format!(
        "{:>3}  {:>7}  {:>9}  {:>10}  {:>8}  {:>4} {:>4} {:>4} {:>5} {:>4}  {:<9} {:<25} {:<9} {}\n",
        "#",
        "score",
        "freshness",
        "engagement",
        "affinity",
        "L",
        "C",
        "S",
        "E",
        "A",
        "age",
        "sources",
        "author",
        "post"
    );
    for (position, served) in (1..).zip(rerank(body, weights, now_ms)).take(limit) {
        let (item, terms) = (&served.item, &served.terms);
        let sources = item.sources.names().collect::<Vec<_>>().join("+");
        let minutes = now_ms.saturating_sub(item.created_at_ms).max(0) / 60_000;
        let age = format!("{}h{:02}m", minutes / 60, minutes % 60);
        let author = item.author.to_string();
        let _ = writeln!(
            out,
            "{position:>3}  {:>7.4}  {:>9.4}  {:>10.4}  {:>8.4}  {:>4} {:>4} {:>4} {:>5} {:>4}  \
             {age:<9} {sources:<25} {:<9} {}",
            terms.score,
            terms.freshness,
            terms.engagement,
            terms.affinity,
            item.likes,
            item.comments,
            item.shares,
            item.exposures,
            item.affinity,
            author.get(..8).unwrap_or_default(),
            item.post,
        );
    }
    let _ = writeln!(
        out,
        "score = {} freshness + {} engagement + {} affinity; chosen by weight set {}",
        weights.freshness, weights.engagement, weights.affinity, body.weight_set
    );
    out
}
