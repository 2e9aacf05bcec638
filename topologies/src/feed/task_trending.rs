//! The trending posts of one task of engagement: points by post, and the part that is sent when it changed.
//!
//! The rows of all posts with points are in memory too, because a list is made of all of them; they are read once,
//! when the task starts. A part goes out a second after a change, and at the end of each bucket, and only if it says
//! something new.

use std::collections::BTreeMap;

use millstream::{Builder, Context, Due, Result, Store, Timers, Timestamp, Use};
use schemas::{PostId, Trending, TrendingKey, TrendingPart};

use super::engagement::Emitted;
use super::{FeedSettings, UsersGone};
use crate::engagement::interactions::{CountChange, Interactions};
use crate::engagement::post::Post;
use crate::layout::{FIRST_ID, KeySerde, RowSerde};
use crate::ranking::weights::Points;
use crate::trending::hot::Hot;
use crate::trending::lists;
use crate::trending::points::Formula;

/// Between two parts lies at least this.
const PART_MS: i64 = 1_000;
/// The only key of the timers.
const PART: TrendingKey = TrendingKey(0);

type EngagementContext<'a> = Context<'a, (), Emitted>;

/// What the trending posts of a task are kept in.
#[derive(Clone, Copy)]
pub(super) struct TrendingStores {
    points: Store<PostId, Hot>,
    due: Timers<TrendingKey>,
    gone: UsersGone,
}

impl TrendingStores {
    pub(super) fn declare(builder: &Builder, gone: UsersGone) -> Self {
        let points = builder.placed(builder.store("trending-points", KeySerde, RowSerde), FIRST_ID);
        let due = builder.timers("trending-parts-due", KeySerde);
        Self { points, due, gone }
    }

    pub(super) fn uses(self) -> [Use; 3] {
        [self.points.into(), self.due.into(), self.gone.into()]
    }
}

/// The trending posts of one task.
pub(super) struct TaskTrending {
    stores: TrendingStores,
    formula: Formula,
    worth: Points,
    /// All rows of the store.
    posts: BTreeMap<PostId, Hot>,
    /// What the record in hand adds, as (time, points).
    moved: Vec<(i64, i64)>,
    /// When lists were last made, ms UTC.
    made_at: i64,
    sent: Option<Trending>,
}

impl TaskTrending {
    pub(super) fn new(stores: TrendingStores, settings: &FeedSettings) -> Self {
        Self {
            stores,
            formula: settings.trending,
            worth: settings.weights.points,
            posts: BTreeMap::new(),
            moved: Vec::new(),
            made_at: i64::MIN,
            sent: None,
        }
    }

    /// Reads what is there; a part is due, since nobody knows here what the last one said.
    pub(super) fn start(&mut self, cx: &mut EngagementContext<'_>) -> Result<()> {
        let posts = &mut self.posts;
        posts.clear();
        cx.store(self.stores.points)?.scan_prefix(&[], |post, hot| {
            posts.insert(*post, hot.clone());
            true
        })?;
        self.owe(cx.wall_time().0, cx)
    }

    /// Notes what a change of one person's interactions adds; [`Self::update`] keeps it.
    pub(super) fn count(
        &mut self,
        (before, after): (&Interactions, &Interactions),
        changes: &[CountChange],
    ) {
        self.formula.moved(self.worth, (before, after), changes, &mut self.moved);
    }

    /// Keeps the points of a post and what lists need to know of it; answers until when lists of 24 h may have it.
    pub(super) fn update(
        &mut self,
        id: &PostId,
        post: &Post,
        cx: &mut EngagementContext<'_>,
    ) -> Result<Option<i64>> {
        let now = cx.wall_time().0;
        let known = self.posts.get(id);
        if known.is_none() && self.moved.is_empty() {
            return Ok(None);
        }
        let mut hot = known.cloned().unwrap_or_default();
        // Lists show counts too: what is too old for any bucket, or beyond a person's cap, changes those alone.
        let is_counted = !self.moved.is_empty();
        self.moved.drain(..).for_each(|(at, points)| hot.buckets.add(at, points, now));
        hot.buckets.prune(now);
        hot.live = post.live_image().map(|image| (image.author, image.created_at_ms));
        let ends_at = hot.buckets.day_ends_at();
        match (known == Some(&hot), hot.buckets.is_empty()) {
            (true, _) if !is_counted => return Ok(ends_at),
            (true, _) => {}
            (false, true) => self.drop_post(id, cx)?,
            (false, false) => {
                cx.store(self.stores.points)?.put(id, hot.clone())?;
                self.posts.insert(*id, hot);
            }
        }
        self.owe(now.max(self.made_at.saturating_add(PART_MS)), cx)?;
        Ok(ends_at)
    }

    /// Forgets a post whose interactions are forgotten.
    pub(super) fn drop_post(&mut self, id: &PostId, cx: &mut EngagementContext<'_>) -> Result<()> {
        match self.posts.remove(id) {
            Some(_) => cx.store(self.stores.points)?.delete(id),
            None => Ok(()),
        }
    }

    /// A user is gone, or back: their posts leave the lists, or come again.
    pub(super) fn on_gone(&mut self, cx: &mut EngagementContext<'_>) -> Result<()> {
        let soon = self.made_at.saturating_add(PART_MS);
        self.owe(cx.wall_time().0.max(soon), cx)
    }

    /// Whether a timer is one of these.
    pub(super) fn is_due(&self, due: &Due<'_>) -> bool {
        due.of(self.stores.due).is_some()
    }

    /// Makes the lists, and sends them if they say something new.
    pub(super) fn send(
        &mut self,
        posts: Store<PostId, Post>,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        self.made_at = now;
        self.drop_old(now, cx)?;
        let gone = cx.view(self.stores.gone)?;
        let trending = lists::of_task(&self.posts, gone.index(), now, |post| {
            let counts = cx.store(posts)?.get(post)?.map(|post| post.counts).unwrap_or_default();
            Ok([counts.likes, counts.comments, counts.shares])
        })?;
        if !self.posts.is_empty() {
            let at = Timestamp(lists::next_bucket_at(now));
            cx.timers(self.stores.due)?.set_sooner(&PART, at)?;
        }
        if self.sent.as_ref().is_some_and(|sent| sent.says_the_same(&trending)) {
            return Ok(());
        }
        let task = cx.task().partition.cast_unsigned();
        let part = TrendingPart { task, trending };
        cx.forward(&(), &Emitted::Trending(part.clone()))?;
        self.sent = Some(part.trending);
        Ok(())
    }

    fn drop_old(&mut self, now: i64, cx: &mut EngagementContext<'_>) -> Result<()> {
        let old = self.posts.iter().filter(|(_, hot)| !hot.buckets.reach(now));
        let old: Vec<_> = old.map(|(post, _)| *post).collect();
        old.iter().try_for_each(|post| self.drop_post(post, cx))
    }

    /// Has a change told by a part made at `at`, unless one is due sooner.
    fn owe(&self, at: i64, cx: &mut EngagementContext<'_>) -> Result<()> {
        cx.timers(self.stores.due)?.owe_sooner(&PART, Timestamp(at))
    }
}
