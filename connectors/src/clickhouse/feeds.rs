//! Records of topic `feeds` as rows of the table `feeds`: the last of each reader in a stretch, a column an attribute of the items.
//!
//! One value is filled again and again: a feed of 100 items would else allocate ten vectors.

use std::collections::BTreeMap;

use ::clickhouse::Row;
use millstream::RawRecord;
use schemas::topic::FEEDS;
use schemas::{
    FEEDS_EPOCH, FeedBody, FeedItem, FeedVersion, PostId, Rule, Sources, UserId, VERSION, Wire,
};
use serde::{Deserialize, Serialize};

use super::last_feeds::PublishedFeed;
use super::sink::{Hold, Inserted, Sink};
use super::stretch::Stretch;
use super::{Uuid, time};

/// Columns of `feeds`.
#[derive(Debug, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(super) struct FeedRow {
    user_id: Uuid,
    feeds_epoch: u64,
    version: u64,
    published_at: i64,
    is_gone: u8,
    as_of: i64,
    valid_until: i64,
    weight_set: u16,
    cold_start: u8,
    #[serde(rename = "items.post_id")]
    posts: Vec<Uuid>,
    #[serde(rename = "items.author_id")]
    authors: Vec<Uuid>,
    #[serde(rename = "items.created_at")]
    created_at: Vec<i64>,
    #[serde(rename = "items.likes")]
    likes: Vec<u32>,
    #[serde(rename = "items.comments")]
    comments: Vec<u32>,
    #[serde(rename = "items.shares")]
    shares: Vec<u32>,
    #[serde(rename = "items.exposures")]
    exposures: Vec<u32>,
    #[serde(rename = "items.affinity")]
    affinity: Vec<u32>,
    #[serde(rename = "items.sources")]
    sources: Vec<u8>,
    #[serde(rename = "items.rule")]
    rules: Vec<u8>,
}

impl FeedRow {
    /// Takes another publication in; without a body the reader has no feed.
    pub(super) fn fill(
        &mut self,
        (user, version): (UserId, FeedVersion),
        published_at_ms: i64,
        body: Option<&FeedBody>,
    ) {
        let (none, items) = (FeedBody::default(), body.map_or(&[][..], |body| &body.items));
        let head = body.unwrap_or(&none);
        self.user_id = user.0.into();
        (self.feeds_epoch, self.version) = (version.feeds_epoch.into(), version.version);
        self.published_at = time(published_at_ms);
        self.is_gone = u8::from(body.is_none());
        (self.as_of, self.valid_until) = (time(head.as_of_ms), time(head.valid_until_ms));
        (self.weight_set, self.cold_start) = (head.weight_set, u8::from(head.cold_start));
        refill(&mut self.posts, items, |item| item.post.0.into());
        refill(&mut self.authors, items, |item| item.author.0.into());
        refill(&mut self.created_at, items, |item| time(item.created_at_ms));
        refill(&mut self.likes, items, |item| item.likes);
        refill(&mut self.comments, items, |item| item.comments);
        refill(&mut self.shares, items, |item| item.shares);
        refill(&mut self.exposures, items, |item| item.exposures);
        refill(&mut self.affinity, items, |item| item.affinity);
        refill(&mut self.sources, items, |item| item.sources.bits());
        refill(&mut self.rules, items, |item| item.rule as u8);
    }

    /// Whose it is, and the publication; words if it is a row that none of us wrote.
    pub(super) fn published(self) -> (UserId, Result<PublishedFeed, String>) {
        let user = UserId(self.user_id.into());
        (user, self.publication().ok_or_else(|| "a row of nobody of us".to_owned()))
    }

    fn publication(&self) -> Option<PublishedFeed> {
        let body = match self.is_gone {
            0 => Some(FeedBody {
                as_of_ms: self.as_of,
                valid_until_ms: self.valid_until,
                weight_set: self.weight_set,
                cold_start: self.cold_start != 0,
                items: self.items()?,
                // The rows do not tell what an arm asks for: they are there to be asked about, not to be served.
                facts: None,
            }),
            _ => None,
        };
        let feeds_epoch = u32::try_from(self.feeds_epoch).ok()?;
        let version = FeedVersion { feeds_epoch, version: self.version };
        Some(PublishedFeed { version, published_at_ms: self.published_at, body })
    }

    /// The server holds that all columns of the items are equally long.
    fn items(&self) -> Option<Vec<FeedItem>> {
        let item = |(at, post): (usize, &Uuid)| {
            Some(FeedItem {
                post: PostId((*post).into()),
                author: UserId((*self.authors.get(at)?).into()),
                created_at_ms: *self.created_at.get(at)?,
                likes: *self.likes.get(at)?,
                comments: *self.comments.get(at)?,
                shares: *self.shares.get(at)?,
                exposures: *self.exposures.get(at)?,
                affinity: *self.affinity.get(at)?,
                sources: Sources::of_bits(*self.sources.get(at)?)?,
                rule: Rule::of_number(*self.rules.get(at)?)?,
                ..FeedItem::default()
            })
        };
        self.posts.iter().enumerate().map(item).collect()
    }
}

fn refill<T>(column: &mut Vec<T>, items: &[FeedItem], of: impl Fn(&FeedItem) -> T) {
    column.clear();
    column.extend(items.iter().map(of));
}

impl Sink {
    pub(super) async fn feeds<'r>(
        &self,
        stretch: &Stretch,
        is_doubtful: bool,
        records: impl Iterator<Item = RawRecord<'r>>,
    ) -> Result<Inserted, Hold> {
        let (newest, none) = newest(records, self.share.epoch);
        let mut insert = self.begin_merging::<FeedRow>(FEEDS.name, (stretch, is_doubtful)).await?;
        let mut row = FeedRow::default();
        let rows = newest.len() as u64;
        for (user, (version, at_ms, body)) in newest {
            row.fill((user, version), at_ms, body.as_ref());
            insert.write(&row).await?;
        }
        insert.end().await?;
        Ok(Inserted { rows, none })
    }
}

type Feed = (FeedVersion, i64, Option<FeedBody>);

/// The newest feed of each reader, with its time; and how many records are no feeds.
fn newest<'r>(
    records: impl Iterator<Item = RawRecord<'r>>,
    epoch: u32,
) -> (BTreeMap<UserId, Feed>, u64) {
    let (mut newest, mut none) = (BTreeMap::<UserId, Feed>::new(), 0);
    for record in records {
        let Some((user, feed)) = feed(&record, epoch) else {
            none += 1;
            continue;
        };
        let held = newest.entry(user).or_insert_with(|| feed.clone());
        if held.0 <= feed.0 {
            *held = feed;
        }
    }
    (newest, none)
}

fn feed(record: &RawRecord<'_>, epoch: u32) -> Option<(UserId, Feed)> {
    let headers = record.headers;
    let user = UserId::decode(record.key?).ok()?;
    let version = FeedVersion::from_headers(headers.last(FEEDS_EPOCH), headers.last(VERSION));
    let body = record.value.map(FeedBody::decode).transpose().ok()?;
    Some((user, (version.ok()?.raised(epoch), record.timestamp.0, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_is_gone_leaves_nothing_of_the_one_before() {
        let version = |version| FeedVersion { feeds_epoch: 2, version };
        let mut row = FeedRow::default();
        let body = FeedBody {
            as_of_ms: 5,
            items: vec![FeedItem { likes: 7, ..FeedItem::default() }],
            ..FeedBody::default()
        };
        row.fill((UserId([1; 16]), version(3)), 9, Some(&body));
        assert_eq!((row.is_gone, &row.likes[..], row.as_of), (0, &[7][..], 5));
        assert_eq!(row.items(), Some(body.items));
        row.fill((UserId([1; 16]), version(4)), 10, None);
        let gone = FeedRow {
            user_id: [1; 16].into(),
            feeds_epoch: 2,
            version: 4,
            published_at: 10,
            is_gone: 1,
            ..FeedRow::default()
        };
        assert_eq!(row, gone);
    }
}
