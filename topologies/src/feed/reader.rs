//! Sub-topology reader: keeps what a ranking needs of each reader, and ranks those who are active.
//!
//! Nothing is ranked while a record or a change is in hand: it is noted as due in the reader's schedule,
//! and the reader's timer, which is the first thing that is due, ranks. So many changes are one ranking.
//! A reader whom this task has not ranked since its start is due within the spread: what happened
//! while the task was away shows then.

use std::rc::Rc;

use millstream::broker::murmur2;
use millstream::store::Snapshot;
use millstream::{
    Builder, Change, Changed, Context, Due, Processor, Rec, Result, Store, Timers, Timestamp, Unit,
};
use schemas::{FeedVersion, Gone, PostId, PostLine, Read, ToUser, UserId, day_of, topic};

use super::publication::{Body, Publication, headers};
use super::{Between, FeedSettings, PostsLive, ReaderStores, UsersGone, reading};
use crate::layout::{Pair, WireSerde};
use crate::live::{GoneUsers, PostsByAuthor};
use crate::ranking::{Ranker, ReaderState, World};
use crate::reader::ReaderStatus;
use crate::reader::presence::Presence;
use crate::reader::schedule::{Class, Schedule};
use crate::state::Count;

/// What was seen stays in the store so long beyond the time it matters.
const SEEN_SLACK_MS: i64 = 3_600_000;

/// What the sub-topology takes in.
enum ReaderInput {
    /// Something of `by-user`.
    Fact(ToUser),
    /// A read of the feed.
    Read(Read),
}

/// Reads `by-user`, `reads` and the broadcasts; writes `feeds`.
pub(super) fn attach(
    builder: &Builder,
    settings: &FeedSettings,
    (between, posts, gone): (&Between, PostsLive, UsersGone),
) -> ReaderStores {
    let stores = ReaderStores {
        readers: builder.store("readers", WireSerde, WireSerde),
        follows: builder.store("follows", WireSerde, WireSerde),
        affinity: builder.store("affinity", WireSerde, WireSerde),
        seen: builder.store("seen", WireSerde, WireSerde),
    };
    let audience = builder.store("audience", WireSerde, Unit);
    let due = builder.timers("readers-due", WireSerde);
    let facts = builder
        .from(&between.users)
        .flat_map("reader", |fact, out| out.emit(fact.key, &ReaderInput::Fact(*fact.value)));
    let reads = builder
        .stream(topic::READS.name, WireSerde, WireSerde)
        .flat_map("reader-reads", |read, out| out.emit(read.key, &ReaderInput::Read(*read.value)));
    let uses = [
        stores.readers.into(),
        stores.follows.into(),
        stores.affinity.into(),
        stores.seen.into(),
        audience.into(),
        due.into(),
        posts.into(),
        gone.into(),
    ];
    let settings = settings.clone();
    facts
        .merge(&reads)
        .process("reader-ranks", &uses, move || ReaderProcessor {
            stores,
            audience,
            due,
            posts,
            gone,
            settings: settings.clone(),
            started_at: i64::MIN,
            changes_seen: (0, 0),
            ranker: Ranker::default(),
            state: ReaderState::default(),
            publication: Publication::default(),
        })
        .to_with_headers(topic::FEEDS.name, WireSerde, Body, headers);
    stores
}

struct ReaderProcessor {
    stores: ReaderStores,
    audience: Store<Pair<UserId, UserId>, ()>,
    due: Timers<UserId>,
    posts: PostsLive,
    gone: UsersGone,
    settings: FeedSettings,
    /// When this task started, ms UTC.
    started_at: i64,
    /// Changes of posts there were in the view before the current one, and in this.
    changes_seen: (u64, u64),
    ranker: Ranker,
    state: ReaderState,
    publication: Publication,
}

type ReaderContext<'a> = Context<'a, UserId, Publication>;
type Views = (Rc<Snapshot<PostId, PostLine, PostsByAuthor>>, Rc<Snapshot<UserId, Gone, GoneUsers>>);

impl ReaderProcessor {
    /// Changes a reader, and sets the timer to the first thing that is due.
    fn change(
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
        if reader != before {
            readers.put(user, reader)?;
        }
        self.set_timer(user, &reader, cx)
    }

    fn set_timer(
        &self,
        user: &UserId,
        reader: &ReaderStatus,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let deadline = self.deadline(user, reader, cx.wall_time().0);
        let timers = cx.timers(self.due)?;
        match deadline {
            Some(at) => timers.set(user, Timestamp(at)),
            None => timers.cancel(user),
        }
    }

    fn deadline(&self, user: &UserId, reader: &ReaderStatus, now: i64) -> Option<i64> {
        if !reader.presence.is_active(now) {
            return reader.published.body_hash.map(|_| now);
        }
        let unranked = self.is_unranked(reader).then(|| {
            let place = i64::from(murmur2(&user.0) & 0x7fff_ffff);
            self.started_at.saturating_add(place.rem_euclid(self.settings.spread_ms.max(1)))
        });
        let next = reader.schedule.next(&listening(reader), now);
        let lapses = Some(reader.presence.active_until);
        [unranked, next, lapses].into_iter().flatten().min()
    }

    fn is_unranked(&self, reader: &ReaderStatus) -> bool {
        reader.schedule.ranked.is_none_or(|ranked| ranked < self.started_at)
    }

    /// Notes that something changed for a reader.
    fn touch(&self, user: &UserId, class: Class, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.change(user, cx, |reader, now| {
            if reader.presence.is_active(now) {
                reader.schedule.touch(class, now);
            }
        })
    }

    /// Notes that something changed for everyone who follows `author`, or did something to their posts.
    fn touch_audience(
        &self,
        author: &UserId,
        class: Class,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let mut users = Vec::new();
        cx.store(self.audience)?.scan_prefix(&author.0, |Pair(_, user), ()| {
            users.push(*user);
            true
        })?;
        users.iter().try_for_each(|user| self.touch(user, class, cx))
    }

    /// Touches whoever the line of `post` concerns, or concerned: soon if the post came or went, softly if
    /// its counts changed. A task that lags may take a post that came for one that was counted.
    fn post_changed(&mut self, post: &PostId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let view = cx.view(self.posts)?;
        let index = view.index();
        if index.changes() != self.changes_seen.1 {
            self.changes_seen = (self.changes_seen.1, index.changes());
        }
        let author = view.get(post).map(|line| line.author);
        let class = match author.is_none() || index.appeared_after(post, self.changes_seen.0) {
            true => Class::Urgent,
            false => Class::Soft,
        };
        // A line that ends and never was in this process is in no feed ranked here; feeds that were ranked elsewhere
        // are ranked anew after the task's move.
        let former = match (author, index.former_authors(post)) {
            (None, None) => return self.touch_all(Class::Soft, cx),
            (_, former) => former.unwrap_or_default(),
        };
        let mut authors =
            author.iter().chain(former.iter().filter(|former| author != Some(**former)));
        authors.try_for_each(|author| self.touch_audience(author, class, cx))
    }

    fn touch_all(&self, class: Class, cx: &mut ReaderContext<'_>) -> Result<()> {
        let users = self.active(cx)?;
        users.iter().try_for_each(|user| self.touch(user, class, cx))
    }

    fn active(&self, cx: &mut ReaderContext<'_>) -> Result<Vec<UserId>> {
        let now = cx.wall_time().0;
        let mut users = Vec::new();
        cx.store(self.stores.readers)?.scan_prefix(&[], |user, reader| {
            if reader.presence.is_active(now) {
                users.push(*user);
            }
            true
        })?;
        Ok(users)
    }

    /// Keeps a fact; says whether it may change the feed.
    fn keep(&self, user: UserId, fact: ToUser, cx: &mut ReaderContext<'_>) -> Result<bool> {
        let now = cx.wall_time().0;
        let limits = &self.settings.weights.limits;
        match fact {
            ToUser::Active { .. } => return Ok(false),
            ToUser::Follow { author, delta } => {
                let pair = Pair(user, author);
                let follows = cx.store(self.stores.follows)?;
                let count = follows.get(&pair)?.map_or(0, |count| count.0) + delta.value();
                match count {
                    0 => follows.delete(&pair)?,
                    _ => follows.put(&pair, Count(count))?,
                }
                self.update_audience(user, author, cx)?;
            }
            ToUser::Seen { post, at_ms } => {
                if at_ms < now - limits.seen_ms - SEEN_SLACK_MS {
                    return Ok(false);
                }
                let seen = cx.store(self.stores.seen)?;
                return seen.update_if(&Pair(user, post), |seen| {
                    let later = at_ms > seen.0;
                    seen.0 = seen.0.max(at_ms);
                    later
                });
            }
            ToUser::Interaction { author, day, count } => {
                let first = day_of(now).saturating_sub(limits.affinity_days);
                let (pair, affinity) = (Pair(user, author), cx.store(self.stores.affinity)?);
                let mut days = affinity.get(&pair)?.cloned().unwrap_or_default();
                days.add(day, count, first);
                if days.is_empty() {
                    affinity.delete(&pair)?;
                } else {
                    affinity.put(&pair, days)?;
                }
                self.update_audience(user, author, cx)?;
            }
        }
        Ok(true)
    }

    /// Keeps whether changes of `author` touch `user`.
    fn update_audience(
        &self,
        user: UserId,
        author: UserId,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let pair = Pair(user, author);
        let is_audience = cx.store(self.stores.follows)?.get(&pair)?.is_some()
            || cx.store(self.stores.affinity)?.get(&pair)?.is_some();
        let (audience, place) = (cx.store(self.audience)?, Pair(author, user));
        match (audience.get(&place)?.is_some(), is_audience) {
            (false, true) => audience.put(&place, ()),
            (true, false) => audience.delete(&place),
            (true, true) | (false, false) => Ok(()),
        }
    }

    /// Gathers the state of `user`, and forgets what was seen too long ago.
    fn gather(&mut self, user: UserId, cx: &mut ReaderContext<'_>) -> Result<()> {
        let state = &mut self.state;
        state.begin(user);
        reading::follows(&mut cx.store(self.stores.follows)?.rows(), user, state)?;
        reading::affinity(&mut cx.store(self.stores.affinity)?.rows(), user, state)?;
        let seen_ms = self.settings.weights.limits.seen_ms;
        let oldest = cx.wall_time().0.saturating_sub(seen_ms).saturating_sub(SEEN_SLACK_MS);
        let seen = cx.store(self.stores.seen)?;
        let mut expired = Vec::new();
        seen.scan_prefix(&user.0, |Pair(_, post), at| {
            if at.0 < oldest {
                expired.push(*post);
            } else {
                state.seen.push((*post, at.0));
            }
            true
        })?;
        expired.into_iter().try_for_each(|post| seen.delete(&Pair(user, post)))
    }

    fn views(&self, cx: &mut ReaderContext<'_>) -> Result<Views> {
        Ok((cx.view(self.posts)?, cx.view(self.gone)?))
    }

    /// ReaderProcessor a reader as of now, and publishes the body; of one who is gone, that there is none.
    fn rank(
        &mut self,
        user: &UserId,
        reader: &mut ReaderStatus,
        cx: &mut ReaderContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        let (posts, gone) = self.views(cx)?;
        let until = now.saturating_add(self.settings.valid_ms);
        reader.schedule.ranked(now, (until, until));
        if gone.get(user).is_some() {
            return self.publish_null(user, reader, cx);
        }
        self.gather(*user, cx)?;
        let weights = &self.settings.weights;
        let world = World { posts: posts.index(), gone: gone.index(), weights };
        let body = self.publication.body.get_or_insert_default();
        self.ranker.rank_into(&self.state, &world, now, body);
        body.valid_until_ms = until;
        let Some(version) = reader.published.body(body, true) else { return Ok(()) };
        self.publication.version = FeedVersion { feeds_epoch: self.settings.feeds_epoch, version };
        cx.forward(user, &self.publication)
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

/// A reader's presence, as soft changes judge it: whoever is active hears of them.
fn listening(reader: &ReaderStatus) -> Presence {
    Presence { online_until: reader.presence.active_until, ..reader.presence }
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
            ReaderInput::Read(_) => false,
        };
        self.change(user, cx, |reader, now| {
            let was_active = reader.presence.is_active(now);
            match record.value {
                ReaderInput::Fact(ToUser::Active { at_ms }) => reader.presence.mark_active(*at_ms),
                ReaderInput::Fact(_) => {}
                ReaderInput::Read(read) => {
                    reader.presence.mark_read(read.at_ms);
                    reader.schedule.read(read.miss, now);
                }
            }
            if reader.presence.is_active(now) && (touched || !was_active) {
                reader.schedule.touch(Class::Urgent, now);
            }
        })
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut ReaderContext<'_>) -> Result<()> {
        let Some(user) = due.of(self.due) else { return Ok(()) };
        let now = cx.wall_time().0;
        let Some(mut reader) = cx.store(self.stores.readers)?.get(user)?.copied() else {
            return Ok(());
        };
        let before = reader;
        if !reader.presence.is_active(now) {
            reader.schedule = Schedule::default();
            self.publish_null(user, &mut reader, cx)?;
        } else if reader.schedule.due(&listening(&reader), now).is_some()
            || self.is_unranked(&reader)
        {
            self.rank(user, &mut reader, cx)?;
        }
        if reader != before {
            cx.store(self.stores.readers)?.put(user, reader)?;
        }
        self.set_timer(user, &reader, cx)
    }

    fn on_change(&mut self, change: Change<'_>, cx: &mut ReaderContext<'_>) -> Result<()> {
        match change.of(self.gone) {
            Some(Changed::Key(user)) => {
                self.touch(user, Class::Urgent, cx)?;
                return self.touch_audience(user, Class::Urgent, cx);
            }
            Some(Changed::Resync) => return self.touch_all(Class::Soft, cx),
            None => {}
        }
        match change.of(self.posts) {
            Some(Changed::Key(post)) => self.post_changed(post, cx),
            Some(Changed::Resync) => self.touch_all(Class::Soft, cx),
            None => Ok(()),
        }
    }

    fn on_start(&mut self, cx: &mut ReaderContext<'_>) -> Result<()> {
        self.started_at = cx.wall_time().0;
        for user in self.active(cx)? {
            self.change(&user, cx, |_, _| {})?;
        }
        Ok(())
    }
}
