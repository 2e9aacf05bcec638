//! Sub-topology reader: keeps what a ranking needs of each reader, and ranks those who are active.
//!
//! Nothing is ranked while a record or a change is in hand: it is noted as due in the reader's schedule,
//! and the reader's timer, which is the first thing that is due, ranks. So many changes are one ranking.
//! A reader whom this task has not ranked since its start is due within the spread: what happened
//! while the task was away shows then.

use millstream::{
    BroadcastChange, Builder, Context, Due, Processor, Rec, Result, Store, Timers, Timestamp, Unit,
    Use,
};
use schemas::{FeedBody, FeedVersion, PostId, TRENDING_KEY, ToUser, TrendingKey, UserId, topic};

use super::catch_up::{PUT_OFF, PutOff};
use super::counters::{
    AUDIT_MISMATCHES, RERANKS, RERANKS_AUDITED, RERANKS_AVOIDED, RERANKS_REACHED, SHADOW_IN_PLACE,
    SHADOW_RANKINGS, SHADOW_SHARED,
};
use super::fan_out::{pace, place_of};
use super::publication::{Body, Publication, headers};
use super::reader_input::ReaderInput;
use super::{Between, Broadcasts, FeedSettings, ReaderStores, trending, weighting};
use crate::layout::{FIRST_ID, KeySerde, Pair, SECOND_ID, WireSerde};
use crate::ranking::{Ranker, ReaderState, validity};
use crate::reader::ReaderStatus;
use crate::reader::floor::Floor;
use crate::reader::schedule::{Class, Pace, Schedule, Why};

/// Reads `by-user`, `reads` and the broadcasts; writes `feeds`.
pub(super) fn attach(
    builder: &Builder,
    settings: &FeedSettings,
    (between, broadcasts): (&Between, Broadcasts),
) -> ReaderStores {
    let Broadcasts { posts, gone, trending, weights, words } = broadcasts;
    let stores = ReaderStores::of(builder);
    let audience = builder.placed(builder.store("audience", KeySerde, Unit), SECOND_ID);
    let due = builder.placed(builder.timers("readers-due", KeySerde), FIRST_ID);
    let everybody_due = builder.timers("everybody-due", KeySerde);
    let mut uses = vec![
        stores.readers.into(),
        stores.follows.into(),
        stores.affinity.into(),
        stores.seen.into(),
        stores.silences.into(),
        stores.hidden.into(),
        stores.dismissed.into(),
        stores.shown.into(),
        stores.preferences.into(),
        audience.into(),
        due.into(),
        everybody_due.into(),
        posts.into(),
        gone.into(),
        trending.into(),
        weights.into(),
    ];
    uses.extend(words.map(Use::from));
    let (settings, feeds) = (settings.clone(), settings.topic(&topic::FEEDS));
    ReaderInput::of(builder, between)
        .process("reader-ranks", &uses, move || ReaderProcessor {
            stores,
            audience,
            due,
            everybody_due,
            broadcasts,
            settings: settings.clone(),
            started_at: i64::MIN,
            changes_seen: (0, 0),
            members: Vec::new(),
            mutes_words: false,
            ranks_all: false,
            everybody_touched_at: i64::MIN,
            put_off: PutOff::default(),
            ranker: Ranker::default(),
            state: ReaderState::default(),
            publication: Publication::default(),
        })
        .to_with_headers(&feeds, WireSerde, Body, headers);
    stores
}

pub(super) struct ReaderProcessor {
    pub(super) stores: ReaderStores,
    pub(super) audience: Store<Pair<UserId, UserId>, ()>,
    due: Timers<UserId>,
    pub(super) everybody_due: Timers<TrendingKey>,
    pub(super) broadcasts: Broadcasts,
    pub(super) settings: FeedSettings,
    /// When this task started, ms UTC.
    started_at: i64,
    /// Changes of posts there were in the view before the current one, and in this.
    pub(super) changes_seen: (u64, u64),
    /// The posts of the list of 24 h that readers were last touched for, ascending.
    pub(super) members: Vec<PostId>,
    /// Whether a reader of this task has muted words since it started, or before.
    pub(super) mutes_words: bool,
    /// Whether readers who are not online are ranked once after the start too.
    pub(super) ranks_all: bool,
    /// When everybody was last touched: who was not online then was not ranked for it.
    pub(super) everybody_touched_at: i64,
    pub(super) put_off: PutOff,
    ranker: Ranker,
    pub(super) state: ReaderState,
    publication: Publication,
}

pub(super) type ReaderContext<'a> = Context<'a, UserId, Publication>;

impl ReaderProcessor {
    /// Changes a reader, and then sets the timer to the first thing that is due. Where nothing changes the timer is as it must be.
    pub(super) fn change(
        &self,
        user: &UserId,
        cx: &mut ReaderContext<'_>,
        change: impl FnOnce(&mut ReaderStatus, i64),
    ) -> Result<()> {
        let now = cx.wall_time().0;
        let readers = cx.store(self.stores.readers)?;
        let mut reader = readers.get(user)?.copied().unwrap_or_default();
        let before = reader;
        change(&mut reader, now);
        if reader == before {
            return Ok(());
        }
        readers.put(user, reader)?;
        self.set_timer(user, &reader, cx)
    }

    /// Sets the timer of a reader anew, for something about the task has changed.
    pub(super) fn reset_timer(&self, user: &UserId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let reader = cx.store(self.stores.readers)?.get(user)?.copied().unwrap_or_default();
        self.set_timer(user, &reader, cx)
    }

    fn set_timer(
        &self,
        user: &UserId,
        reader: &ReaderStatus,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        let (deadline, is_owed) = (self.deadline(user, reader, now), self.owes(user, reader, now));
        let timers = cx.timers(self.due)?;
        match deadline {
            Some(at) if is_owed => timers.owe(user, Timestamp(at)),
            Some(at) => timers.set(user, Timestamp(at)),
            None => timers.cancel(user),
        }
    }

    fn deadline(&self, user: &UserId, reader: &ReaderStatus, now: i64) -> Option<i64> {
        if !reader.presence.is_active(now) {
            return reader.published.body_hash.map(|_| now);
        }
        let first = self.first_ranking(user, reader, now);
        let next = reader.schedule.next(&reader.presence, now);
        let lapses = Some(reader.presence.active_until);
        [first, next, lapses].into_iter().flatten().min()
    }

    /// Whether the reader is to be ranked, or told that there is no feed, for more than that time passes.
    fn owes(&self, user: &UserId, reader: &ReaderStatus, now: i64) -> bool {
        match reader.presence.is_active(now) {
            true => {
                self.first_ranking(user, reader, now).is_some()
                    || reader.schedule.owes(&reader.presence, now)
            }
            false => reader.published.body_hash.is_some(),
        }
    }

    /// When this task ranks a reader whom it has not ranked since its start, if it must: one who is online, or everybody.
    fn first_ranking(&self, user: &UserId, reader: &ReaderStatus, now: i64) -> Option<i64> {
        // Who was never ranked has nothing that is to be made good.
        let ranks = self.ranks_all && reader.schedule.ranked.is_some();
        let must =
            (reader.presence.is_online(now) || ranks) && ranked_before(reader, self.started_at);
        must.then(|| self.started_at.saturating_add(place_of(user, self.settings.spread_ms)))
    }

    /// Why a reader is ranked at `now`, if one of the reasons holds.
    fn due(&self, user: &UserId, reader: &ReaderStatus, now: i64) -> Option<Why> {
        let first = self.first_ranking(user, reader, now).filter(|at| *at <= now);
        reader.schedule.due(&reader.presence, now).or(first.map(|_| Why::Soft))
    }

    /// The readers of this task whom `holds` names.
    pub(super) fn readers(
        &self,
        cx: &mut ReaderContext<'_>,
        holds: impl Fn(&ReaderStatus, i64) -> bool,
    ) -> Result<Vec<UserId>> {
        let now = cx.wall_time().0;
        let mut users = Vec::new();
        cx.store(self.stores.readers)?.scan_prefix(&[], |user, reader| {
            if holds(reader, now) {
                users.push(*user);
            }
            true
        })?;
        Ok(users)
    }

    /// Ranks a reader, and publishes the body if it says something new; of one who is gone, that there is none.
    fn rank(
        &mut self,
        user: &UserId,
        (reader, why): (&mut ReaderStatus, Why),
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        let grid = validity::next_grid_time(user, now, &self.settings.weights);
        let as_of = match why {
            Why::Grid => grid - self.settings.weights.limits.grid_ms,
            Why::Expired => reader.schedule.expires.unwrap_or(now),
            Why::Urgent | Why::Soft => now,
        };
        let views = self.broadcasts.of_task(cx)?;
        let always = reader.schedule.always_publishes(why);
        reader.schedule.ranked(now, (grid, grid));
        if views.is_gone(user) {
            reader.floor = None;
            return self.publish_null(user, reader, cx);
        }
        self.gather(*user, cx)?;
        let list = views.list(as_of);
        let world = views.world((user, &list), &self.settings);
        let mut body = self.publication.body.take().unwrap_or_default();
        cx.count(RERANKS, u64::from(matches!(why, Why::Urgent | Why::Soft)));
        self.ranker.rank_into(&self.state, &world, as_of, &mut body);
        let looked_at = (!self.ranker.caps_bind()).then(|| self.ranker.looked_at());
        reader.floor = looked_at.and_then(|looked_at| Floor::of(&body, looked_at, world.weights));
        let version = reader.published.body(&body, always);
        if let Some(version) = version {
            let by = (&mut self.ranker, &self.state);
            weighting::compare_with_shadow(by, (&world, &body, version), views.policies(), cx);
        }
        // What is not published again holds as long as what was; the clock may change the feed before.
        let expires = body.valid_until_ms.min(reader.published.valid_until);
        reader.schedule.ranked(now, (expires, grid));
        self.publication.body = Some(body);
        let Some(version) = version else { return Ok(()) };
        self.publication.version = FeedVersion { feeds_epoch: self.settings.feeds_epoch, version };
        cx.forward(user, &self.publication)
    }

    /// The feed of a reader as of now, by the whole of what is known; nothing comes of it.
    pub(super) fn ranked(&mut self, user: UserId, cx: &mut ReaderContext<'_>) -> Result<FeedBody> {
        let now = cx.wall_time().0;
        let views = self.broadcasts.of_task(cx)?;
        self.gather(user, cx)?;
        let list = views.list(now);
        let world = views.world((&user, &list), &self.settings);
        Ok(self.ranker.rank(&self.state, &world, now))
    }

    fn publish_null(
        &self,
        user: &UserId,
        reader: &mut ReaderStatus,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let Some(version) = reader.published.null() else { return Ok(()) };
        let version = FeedVersion { feeds_epoch: self.settings.feeds_epoch, version };
        cx.forward(user, &Publication { version, body: None })
    }
}

impl Processor for ReaderProcessor {
    type KeyIn = UserId;
    type ValueIn = ReaderInput;
    type KeyOut = UserId;
    type ValueOut = Publication;

    fn process(
        &mut self,
        record: Rec<'_, UserId, ReaderInput>,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let user = record.key;
        let touched = match record.value {
            ReaderInput::Fact(fact) => self.keep(*user, *fact, cx)?,
            ReaderInput::Read(read) => self.keep_served(*user, read, cx)?,
            ReaderInput::Dismissal(said) => return self.dismiss(*user, *said, cx),
            ReaderInput::Chosen(chosen) => self.keep_chosen(user, chosen, cx)?,
        };
        if !self.settings.keeps_ranked {
            return Ok(());
        }
        // Who was ranked in the same moment may have been so before.
        let changed_at = self.started_at.max(self.everybody_touched_at.saturating_add(1));
        let pace = pace(cx);
        if pace == Pace::CatchingUp {
            self.mark_put_off(cx)?;
        }
        self.change(user, cx, |reader, now| {
            let was_active = reader.presence.is_active(now);
            match record.value {
                ReaderInput::Fact(ToUser::Active { at_ms }) => reader.presence.mark_active(*at_ms),
                ReaderInput::Fact(_) => {}
                ReaderInput::Read(read) => {
                    reader.presence.mark_read(read.at_ms);
                    reader.schedule.read(read.miss, &reader.presence, pace, now);
                }
                ReaderInput::Dismissal(_) | ReaderInput::Chosen(_) => {}
            }
            let read = matches!(record.value, ReaderInput::Read(_));
            let unranked = read && ranked_before(reader, changed_at);
            if reader.presence.is_active(now) && (touched || !was_active || unranked) {
                reader.schedule.touch(Class::Urgent, &reader.presence, pace, now);
            }
        })
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut ReaderContext<'_>) -> Result<()> {
        let Some(user) = due.of(self.due) else {
            return match due.of(self.everybody_due) == Some(&PUT_OFF) {
                true => self.rank_meanwhile(cx),
                false => self.touch_everybody_softly(cx),
            };
        };
        let now = cx.wall_time().0;
        let Some(mut reader) = cx.store(self.stores.readers)?.get(user)?.copied() else {
            return Ok(());
        };
        let before = reader;
        if !reader.presence.is_active(now) {
            reader.schedule = Schedule::default();
            reader.floor = None;
            self.publish_null(user, &mut reader, cx)?;
        } else if let Some(why) = self.due(user, &reader, now) {
            self.rank(user, (&mut reader, why), cx)?;
        }
        if reader != before {
            cx.store(self.stores.readers)?.put(user, reader)?;
        }
        self.set_timer(user, &reader, cx)
    }

    fn on_change(&mut self, change: BroadcastChange<'_>, cx: &mut ReaderContext<'_>) -> Result<()> {
        if !self.settings.keeps_ranked {
            return Ok(());
        }
        if let Some(user) = change.of(self.broadcasts.gone) {
            return self.user_changed(user, cx);
        }
        if change.of(self.broadcasts.weights).is_some() {
            return self.touch_everybody_softly(cx);
        }
        if let Some(post) = self.broadcasts.words.and_then(|words| change.of(words)) {
            return self.words_changed(post, cx);
        }
        match change.of(self.broadcasts.posts) {
            Some(post) => self.post_changed(post, cx),
            None => self.trending_changed(cx),
        }
    }

    fn on_start(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        let shadow = [SHADOW_RANKINGS, SHADOW_SHARED, SHADOW_IN_PLACE];
        let reranks =
            [RERANKS_AVOIDED, RERANKS_REACHED, RERANKS_AUDITED, AUDIT_MISMATCHES, RERANKS];
        for name in reranks.into_iter().chain(shadow) {
            cx.count(name, 0);
        }
        let now = cx.wall_time().0;
        self.started_at = now;
        let view = cx.view(self.broadcasts.trending)?;
        self.members = trending::members(view.get(&TRENDING_KEY), now);
        cx.store(self.stores.preferences)?.scan_prefix(&[], |_, chosen| {
            self.mutes_words |= chosen.mutes_words();
            !self.mutes_words
        })?;
        for user in self.readers(cx, |reader, now| reader.presence.is_active(now))? {
            self.reset_timer(&user, cx)?;
        }
        self.recall_put_off(cx)
    }

    fn on_caught_up(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.catch_up(cx)
    }
}

/// Whether a reader was last ranked before `at`, or never.
fn ranked_before(reader: &ReaderStatus, at: i64) -> bool {
    reader.schedule.ranked.is_none_or(|ranked| ranked < at)
}
