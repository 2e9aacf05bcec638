//! Sub-topology trending: merges what the tasks of engagement have into the lists of all, for every process.
//!
//! All parts have one key, so that they meet in one task. Lists go out when they changed, a second apart, and every
//! 20 s while there are any: whoever keeps a copy for a minute, as Redis does, has one that is fresh.

use std::collections::BTreeMap;

use millstream::{
    Broadcast, Builder, Context, Due, Processor, Rec, Result, Store, Timers, Timestamp,
};
use schemas::{PostId, TRENDING_KEY, Trending, TrendingKey, TrendingPart, TrendingWindow, topic};

use super::{Between, FeedSettings};
use crate::layout::{KeySerde, RowSerde, WireSerde};
use crate::trending::lists;

/// Between two publications that differ lies at least this.
const CHANGED_MS: i64 = 1_000;
/// What did not change is published again after this.
const REPEATED_MS: i64 = 20_000;

/// The trending posts, as every process has them.
pub type TrendingPosts = Broadcast<TrendingKey, Trending>;

/// Reads `trending-parts`; writes the broadcast `trending`.
pub(super) fn attach(builder: &Builder, settings: &FeedSettings, between: &Between) {
    let parts = builder.store("trending-lists", KeySerde, RowSerde);
    let due = builder.timers("trending-due", KeySerde);
    builder
        .from(&between.trending)
        .process("trending-merge", &[parts.into(), due.into()], move || Merge {
            parts,
            due,
            published: None,
        })
        .to(&settings.topic(&topic::TRENDING), WireSerde, WireSerde);
}

struct Merge {
    /// The newest part of each task of engagement.
    parts: Store<TrendingKey, Trending>,
    due: Timers<TrendingKey>,
    published: Option<Trending>,
}

type MergeContext<'a> = Context<'a, TrendingKey, Trending>;

impl Merge {
    /// Has the lists said again at `at`, unless they are due sooner.
    fn repeat(&self, at: i64, cx: &mut MergeContext<'_>) -> Result<()> {
        cx.timers(self.due)?.set_sooner(&TRENDING_KEY, Timestamp(at))
    }

    /// Has a change merged at `at`, unless the lists are due sooner.
    fn owe(&self, at: i64, cx: &mut MergeContext<'_>) -> Result<()> {
        cx.timers(self.due)?.owe_sooner(&TRENDING_KEY, Timestamp(at))
    }
}

impl Processor for Merge {
    type KeyIn = TrendingKey;
    type ValueIn = TrendingPart;
    type KeyOut = TrendingKey;
    type ValueOut = Trending;

    fn process(
        &mut self,
        record: Rec<'_, TrendingKey, TrendingPart>,
        cx: &mut MergeContext<'_>,
    ) -> Result<()> {
        let TrendingPart { task, trending } = record.value;
        let (task, parts) = (TrendingKey(*task), cx.store(self.parts)?);
        match trending.lists.is_empty() {
            true => parts.delete(&task)?,
            false => parts.put(&task, trending.clone())?,
        }
        let before = self.published.as_ref().map(|published| published.as_of_ms);
        let soon = before.map_or(i64::MIN, |before| before.saturating_add(CHANGED_MS));
        self.owe(cx.wall_time().0.max(soon), cx)
    }

    fn on_timer(&mut self, _due: Due<'_>, cx: &mut MergeContext<'_>) -> Result<()> {
        let now = cx.wall_time().0;
        let mut parts = BTreeMap::new();
        cx.store(self.parts)?.scan_prefix(&[], |task, trending| {
            parts.insert(*task, trending.clone());
            true
        })?;
        let trending = lists::merged(parts.values(), now);
        let same = self.published.as_ref().filter(|published| published.says_the_same(&trending));
        let repeat_at = same.map_or(now, |same| same.as_of_ms.saturating_add(REPEATED_MS));
        if trending.lists.is_empty() && same.is_some() {
            return Ok(());
        }
        if now < repeat_at {
            return self.repeat(repeat_at, cx);
        }
        cx.forward(&TRENDING_KEY, &trending)?;
        self.published = Some(trending);
        self.repeat(now.saturating_add(REPEATED_MS), cx)
    }

    fn on_start(&mut self, cx: &mut MergeContext<'_>) -> Result<()> {
        let mut any = false;
        cx.store(self.parts)?.scan_prefix(&[], |_, _| {
            any = true;
            false
        })?;
        if any { self.owe(cx.wall_time().0, cx) } else { Ok(()) }
    }
}

/// The list of 24 h as of `at_ms`, the best first; empty if the value is too old to have it.
pub(super) fn list(trending: Option<&Trending>, at_ms: i64) -> Vec<PostId> {
    let list = trending.and_then(|all| Some((all, all.list(TrendingWindow::Day, at_ms)?)));
    let posts = list.into_iter().flat_map(|(all, list)| all.posts_of(list));
    posts.map(|(post, _)| post.post).collect()
}

/// The same posts, ascending: who is in the list, in whichever order.
pub(super) fn members(trending: Option<&Trending>, at_ms: i64) -> Vec<PostId> {
    let mut members = list(trending, at_ms);
    members.sort_unstable();
    members
}
