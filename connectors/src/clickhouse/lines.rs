//! What a ranking by ClickHouse reads of posts: their lines, and what trends, as the tables of `5-ranking.sql` have them.

use ::clickhouse::Row;
use millstream::{Clock, RawRecord, SystemClock};
use schemas::topic::TRENDING;
use schemas::{PostId, PostLine, Trending, Wire};
use serde::Serialize;

use super::share::Share;
use super::sink::{Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::{Uuid, time};

/// Columns of `post_lines`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct LineRow {
    post_id: Uuid,
    author_id: Uuid,
    created_at: i64,
    likes: u32,
    comments: u32,
    shares: u32,
    exposures: u32,
    content_hash: u64,
    version: u64,
    is_deleted: u8,
    noted_at: i64,
}

impl LineRow {
    /// The row of a record of `posts-live` that is inserted at `now_ms`; none if it is no line. The record's own time may be that of
    /// an event long ago.
    pub(super) fn of(record: &RawRecord<'_>, share: &Share, now_ms: i64) -> Option<Self> {
        let post = PostId::decode(record.key?).ok()?;
        let line = record.value.map(PostLine::decode).transpose().ok()?;
        let is_deleted = u8::from(line.is_none());
        let line = line.unwrap_or_default();
        Some(Self {
            post_id: post.0.into(),
            author_id: line.author.0.into(),
            created_at: time(line.created_at_ms),
            likes: line.likes,
            comments: line.comments,
            shares: line.shares,
            exposures: line.exposures,
            content_hash: line.content_hash,
            version: share.version(record.offset.0),
            is_deleted,
            noted_at: time(now_ms),
        })
    }
}

/// Columns of `trending`.
#[derive(Debug, PartialEq, Eq, Row, Serialize)]
pub(super) struct TrendingRow {
    window: i8,
    bucket: i64,
    as_of: i64,
    place: u16,
    post_id: Uuid,
    author_id: Uuid,
    score: u32,
}

impl TrendingRow {
    /// The rows of a record of `trending`; none if it is no such value.
    pub(super) fn of(record: &RawRecord<'_>) -> Option<Vec<Self>> {
        let trending = Trending::decode(record.value?).ok()?;
        let lists = trending.lists.iter().flat_map(|list| {
            let posts = (1_u16..).zip(trending.posts_of(list));
            posts.map(|(place, (post, score))| Self {
                window: list.window as i8,
                bucket: list.bucket,
                as_of: time(trending.as_of_ms),
                place,
                post_id: post.post.0.into(),
                author_id: post.author.0.into(),
                score,
            })
        });
        Some(lists.collect())
    }
}

impl Sink {
    pub(super) async fn lines<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let now_ms = SystemClock.now().0;
        let rows = records.map(|record| Ok(LineRow::of(&record, &self.share, now_ms)));
        self.merge("post_lines", (stretch, is_doubtful), rows).await
    }

    /// The last record has all lists.
    pub(super) async fn trending<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let Some(last) = records.last() else { return Ok(Inserted::default()) };
        let Some(rows) = TrendingRow::of(&last) else { return Ok(Inserted { rows: 0, none: 1 }) };
        let rows = rows.into_iter().map(|row| Ok(Some(row)));
        self.merge(TRENDING.name, (stretch, is_doubtful), rows).await
    }
}
