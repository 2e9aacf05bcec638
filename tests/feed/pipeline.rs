//! The pure transitions joined by plain maps: the feed without an engine, one record at a time.
//!
//! What the processors do with stores and timers is done here with maps and in order, so that the rules
//! are judged apart from the engine that runs them.

use std::collections::BTreeMap;

use schemas::{
    Block, Change, Comment, Event, EventId, FeedBody, Follow, FollowKey, Like, Mute, Op, Post,
    PostId, SilenceKey, ToPost, ToUser, TrendingWindow, User, UserId,
};
use topologies::engagement::interactions::{CountChange, Interactions};
use topologies::engagement::line::{LinePolicy, Step};
use topologies::engagement::post::{AuthorChange, Post as Kept};
use topologies::engagement::times::AsOf;
use topologies::engagement::{reattributions, user_updates};
use topologies::ingest::interaction_row::InteractionRow;
use topologies::ingest::row::RowVersion;
use topologies::ingest::{Routed, comments, events, follows, likes, posts, silences, users};
use topologies::live::{GoneUsers, PostsByAuthor};
use topologies::ranking::why::Verdict;
use topologies::ranking::{AffinityDay, Ranker, ReaderState, Weights, World};
use topologies::reader::days::Days;
use topologies::reader::hidden::Hidden;
use topologies::reader::presence::Presence;
use topologies::reader::silence::Silence;
use topologies::trending::hot::Hot;
use topologies::trending::lists;
use topologies::trending::points::Formula;

use worlds::history::{self, Action, Image, Input, Payload};

/// All state of the feed.
#[derive(Default)]
pub struct Pipeline {
    likes: BTreeMap<Vec<[u8; 16]>, Option<InteractionRow>>,
    comments: BTreeMap<Vec<[u8; 16]>, Option<InteractionRow>>,
    follow_rows: BTreeMap<Vec<[u8; 16]>, Option<RowVersion>>,
    user_rows: BTreeMap<Vec<[u8; 16]>, Option<RowVersion>>,
    events: BTreeMap<(UserId, EventId), Option<i64>>,
    posts: BTreeMap<PostId, Kept>,
    interactions: BTreeMap<(PostId, UserId), Interactions>,
    live: PostsByAuthor,
    gone: GoneUsers,
    follows: BTreeMap<(UserId, UserId), i64>,
    affinity: BTreeMap<(UserId, UserId), Days>,
    seen: BTreeMap<(UserId, PostId), i64>,
    silences: BTreeMap<(UserId, UserId), Silence>,
    hidden: BTreeMap<(UserId, PostId), Hidden>,
    mute_rows: BTreeMap<Vec<[u8; 16]>, Option<RowVersion>>,
    block_rows: BTreeMap<Vec<[u8; 16]>, Option<RowVersion>>,
    presence: BTreeMap<UserId, Presence>,
    hot: BTreeMap<PostId, Hot>,
    weights: Weights,
    policy: LinePolicy,
}

impl Pipeline {
    /// Takes all of a history, each record when it arrives, and lets what is due at `end` happen.
    pub fn of(history: &[Input], end: i64) -> Self {
        let mut pipeline = Self::default();
        for input in history {
            pipeline.take(input, input.arrived);
        }
        pipeline.settle(end)
    }

    /// Takes all of a history at `end`, long after its records were written.
    pub fn late(history: &[Input], end: i64) -> Self {
        let mut pipeline = Self::default();
        for input in history {
            pipeline.take(input, end);
        }
        pipeline.settle(end)
    }

    fn settle(mut self, end: i64) -> Self {
        let pipeline = &mut self;
        for post in pipeline.posts.keys().copied().collect::<Vec<_>>() {
            pipeline.update_line(post, true, end);
            pipeline.update_line(post, false, end + 60_000);
        }
        self
    }

    /// The feed of `reader` as of `as_of`; none if inactive or gone at `now`.
    pub fn feed(&self, reader: UserId, as_of: i64, now: i64) -> Option<FeedBody> {
        let active = self.presence.get(&reader).is_some_and(|presence| presence.is_active(now));
        (active && !self.gone.contains(&reader)).then(|| self.rank(reader, as_of))
    }

    /// What became of posts in the feed of `reader` as of `as_of`.
    pub fn why(
        &self,
        reader: UserId,
        posts: impl Iterator<Item = PostId>,
        as_of: i64,
    ) -> Vec<Verdict> {
        self.with_world(reader, as_of, |ranker, (state, world)| {
            posts.map(|post| ranker.why(state, world, as_of, post)).collect()
        })
    }

    fn rank(&self, reader: UserId, as_of: i64) -> FeedBody {
        self.with_world(reader, as_of, |ranker, (state, world)| ranker.rank(state, world, as_of))
    }

    fn with_world<T>(
        &self,
        reader: UserId,
        as_of: i64,
        then: impl FnOnce(&mut Ranker, (&ReaderState, &World<'_>)) -> T,
    ) -> T {
        let state = ReaderState {
            id: reader,
            follows: of(reader, &self.follows).filter(|(_, n)| **n > 0).map(|(id, _)| id).collect(),
            affinity: of(reader, &self.affinity)
                .flat_map(|(author, days)| affine(author, days))
                .collect(),
            seen: of(reader, &self.seen).map(|(post, at)| (post, *at)).collect(),
            hidden: of(reader, &self.hidden)
                .filter_map(|(post, said)| Some((post, said.since()?)))
                .collect(),
            muted: of(reader, &self.silences)
                .filter(|(_, silence)| silence.mutes > 0)
                .map(|(whom, _)| whom)
                .collect(),
            blocked: of(reader, &self.silences)
                .filter(|(_, silence)| silence.blocks > 0)
                .map(|(other, _)| other)
                .collect(),
            less: of(reader, &self.silences)
                .flat_map(|(author, silence)| {
                    let wishes = silence.less.all().iter().filter(|(_, count)| *count > 0);
                    wishes.map(move |(day, _)| (author, *day)).collect::<Vec<_>>()
                })
                .collect(),
            ..ReaderState::default()
        };
        let trending = lists::of_task(&self.hot, &self.gone, as_of, |_| Ok([0; 3])).unwrap();
        let list = trending.list(TrendingWindow::Day, as_of);
        let posts = list.into_iter().flat_map(|list| trending.posts_of(list));
        let list: Vec<_> = posts.map(|(post, _)| post.post).collect();
        let (posts, gone, weights) = (&self.live, &self.gone, &self.weights);
        let world = World { posts, gone, words: None, trending: &list, weights };
        then(&mut Ranker::default(), (&state, &world))
    }

    fn take(&mut self, input: &Input, now: i64) {
        let mut out = Vec::new();
        match &input.payload {
            Payload::User(logged) => {
                let stored = self.user_rows.entry(logged.key.clone()).or_default();
                users::change(stored, &change(logged, user), 0, &mut out);
            }
            Payload::Post(logged) => {
                posts::change(&change(logged, post), 0, &mut out);
            }
            Payload::Follow(logged) => {
                let stored = self.follow_rows.entry(logged.key.clone()).or_default();
                follows::change(stored, &change(logged, follow), 0, &mut out);
            }
            Payload::Like(logged) => {
                let stored = self.likes.entry(logged.key.clone()).or_default();
                likes::change(stored, &change(logged, like), 0, &mut out);
            }
            Payload::Comment(logged) => {
                let stored = self.comments.entry(logged.key.clone()).or_default();
                comments::change(stored, &change(logged, comment), 0, &mut out);
            }
            Payload::Mute(logged) => {
                let stored = self.mute_rows.entry(logged.key.clone()).or_default();
                silences::mute(stored, &change(logged, mute), 0, &mut out);
            }
            Payload::Block(logged) => {
                let stored = self.block_rows.entry(logged.key.clone()).or_default();
                silences::block(stored, &change(logged, block), 0, &mut out);
            }
            Payload::Event(logged) => {
                let event = event(logged);
                let stored = self.events.entry((event.user, event.id)).or_default();
                let in_time = event.implausible(input.arrived).is_none();
                in_time.then(|| events::apply(stored, &event, (input.arrived, false), &mut out));
            }
            Payload::Read { user } => {
                self.presence.entry(UserId(*user)).or_default().mark_read(input.arrived);
            }
        }
        for routed in out {
            self.route(routed, now);
        }
    }

    fn route(&mut self, routed: Routed, now: i64) {
        match routed {
            Routed::ToPost(post, fact) => self.apply_to_post(post, fact, now),
            Routed::ToUser(user, fact) => self.apply_to_user(user, fact),
            Routed::Feedback(..) | Routed::Follow(..) => {}
            Routed::Gone(user, Some(_)) => self.gone.set(user, true),
            Routed::Gone(user, None) => self.gone.set(user, false),
        }
    }

    fn apply_to_post(&mut self, id: PostId, fact: ToPost, now: i64) {
        self.update_line(id, false, now);
        let post = self.posts.entry(id).or_default();
        let days = self.weights.limits.affinity_days;
        let as_of = AsOf { now_ms: now, days };
        let of_user = |user: &UserId| self.interactions.get(&(id, *user)).cloned();
        let before = match &fact {
            ToPost::Row { user, .. } | ToPost::Event { user, .. } => of_user(user),
            ToPost::Post { .. } => None,
        };
        let mut to_users = Vec::new();
        let mut changed: Vec<CountChange> = Vec::new();
        let user = match fact {
            ToPost::Post { mark, image, live } => {
                if let AuthorChange::Changed { from, to } = post.change(mark, image, live) {
                    let all = self.interactions.range((id, UserId([0; 16]))..);
                    for ((_, user), interactions) in all.take_while(|((of, _), _)| *of == id) {
                        let mut updates = Vec::new();
                        reattributions((from, to), interactions, &mut updates);
                        to_users.extend(updates.into_iter().map(|update| (*user, update)));
                    }
                }
                None
            }
            ToPost::Row { user, kind, at_ms, delta } => {
                self.interactions.entry((id, user)).or_default().row(
                    (kind, at_ms, delta),
                    as_of,
                    &mut changed,
                );
                Some(user)
            }
            ToPost::Event { user, action, at_ms, .. } => {
                post.count_exposure(action);
                self.interactions.entry((id, user)).or_default().event(
                    (action, at_ms),
                    as_of,
                    &mut changed,
                );
                Some(user)
            }
        };
        post.count(&changed);
        let hot = self.hot.entry(id).or_default();
        hot.live = post.live_image().map(|image| (image.author, image.created_at_ms));
        let mut wish = (None, None);
        if let Some(user) = user {
            let (before, key) = (before.unwrap_or_default(), (id, user));
            let after = self.interactions.get(&key).cloned().unwrap_or_default();
            wish = (before.less.since(), after.less.since());
            let (mut moved, worth) = (Vec::new(), self.weights.points);
            Formula::default().moved(worth, (&before, &after), &changed, &mut moved);
            moved.into_iter().for_each(|(at, points)| hot.buckets.add(at, points, now));
        }
        post.trends_until = hot.buckets.day_ends_at();
        if let Some(user) = user {
            post.wait(now);
            let mut updates = Vec::new();
            post.image
                .iter()
                .for_each(|image| user_updates(image.author, &changed, wish, &mut updates));
            to_users.extend(updates.into_iter().map(|update| (user, update)));
        }
        self.update_line(id, true, now);
        for (user, fact) in to_users {
            self.apply_to_user(user, fact);
        }
    }

    /// Drops what waited too long, and sends the post's line if that is due.
    fn update_line(&mut self, id: PostId, changed: bool, now: i64) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        if post.expire(now).is_some() {
            self.hot.remove(&id);
            self.interactions.retain(|(of, _), _| *of != id);
        }
        let wanted = post.line(now, &self.policy);
        match post.sent.step(wanted, changed, now, (&self.policy, &self.weights)) {
            Step::Send(Some(line)) => self.live.put(id, line),
            Step::Send(None) => self.live.remove(&id),
            Step::Rest | Step::Wait(_) => {}
        }
    }

    fn apply_to_user(&mut self, user: UserId, fact: ToUser) {
        match fact {
            ToUser::Active { at_ms } => self.presence.entry(user).or_default().mark_active(at_ms),
            ToUser::Follow { author, delta } => {
                *self.follows.entry((user, author)).or_default() += delta.value();
            }
            ToUser::Seen { post, at_ms } => {
                let seen = self.seen.entry((user, post)).or_insert(i64::MIN);
                *seen = at_ms.max(*seen);
            }
            ToUser::Mute { whom, delta } => {
                self.silences.entry((user, whom)).or_default().mutes += delta.value();
            }
            ToUser::Block { other, delta } => {
                self.silences.entry((user, other)).or_default().blocks += delta.value();
            }
            ToUser::Less { author, day, count } => {
                let silence = self.silences.entry((user, author)).or_default();
                silence.less.add(day, count, i32::MIN);
            }
            ToUser::Impression { .. } => {}
            ToUser::Hidden { post, at_ms } => {
                let said = self.hidden.entry((user, post)).or_default();
                said.said_at = said.said_at.max(at_ms);
            }
            ToUser::Undone { post, at_ms } => {
                let said = self.hidden.entry((user, post)).or_default();
                said.undone_at = said.undone_at.max(at_ms);
            }
            ToUser::Interaction { author, day, count } => {
                self.affinity.entry((user, author)).or_default().add(day, count, i32::MIN);
            }
        }
    }
}

/// What stands under one reader's keys.
fn of<K: Copy + Ord, V>(
    reader: UserId,
    map: &BTreeMap<(UserId, K), V>,
) -> impl Iterator<Item = (K, &V)> {
    map.iter().filter(move |((id, _), _)| *id == reader).map(|((_, key), value)| (*key, value))
}

fn affine(author: UserId, days: &Days) -> Vec<AffinityDay> {
    let counted = days.all().iter().filter(|(_, count)| *count > 0);
    counted
        .map(|(day, count)| AffinityDay { author, day: *day, count: count.cast_unsigned() })
        .collect()
}

/// A change as decoding gives it.
fn change<H, R: schemas::Row>(
    logged: &history::RowChange<H>,
    row: impl Fn(&[[u8; 16]], Option<&H>, bool) -> (R::Key, Option<R>),
) -> Change<R> {
    let (op, deleted) = match logged.image {
        Image::Live(_) => (Op::Create, false),
        Image::SoftDeleted(_) => (Op::Update, true),
        Image::Deleted(_) | Image::DeletedByKey => (Op::Delete, false),
    };
    let (key, image) = row(&logged.key, logged.image.row(), deleted);
    let (before, after) = if op == Op::Delete { (image, None) } else { (None, image) };
    Change { op, key: Some(key), lsn: logged.lsn, before, after, source_ms: None }
}

type Decoded<R> = (<R as schemas::Row>::Key, Option<R>);

fn user(key: &[[u8; 16]], row: Option<&history::UserRow>, deleted: bool) -> Decoded<User> {
    let id = UserId(key[0]);
    (id, row.map(|row| User { id, created_at_ms: row.created_at, deleted }))
}

fn post(key: &[[u8; 16]], row: Option<&history::PostRow>, deleted: bool) -> Decoded<Post> {
    let id = PostId(key[0]);
    let post = |row: &history::PostRow| Post {
        id,
        author: UserId(row.user),
        created_at_ms: row.created_at,
        content_hash: Some(row.content.as_deref().map_or(0, schemas::content_hash)),
        deleted,
    };
    (id, row.map(post))
}

fn follow(key: &[[u8; 16]], row: Option<&history::FollowRow>, deleted: bool) -> Decoded<Follow> {
    let key = FollowKey { follower: UserId(key[0]), followee: UserId(key[1]) };
    (key, row.map(|row| Follow { key, created_at_ms: row.created_at, deleted }))
}

fn silence(key: &[[u8; 16]]) -> SilenceKey {
    SilenceKey { by: UserId(key[0]), whom: UserId(key[1]) }
}

fn mute(key: &[[u8; 16]], row: Option<&history::SilenceRow>, deleted: bool) -> Decoded<Mute> {
    let key = silence(key);
    (key, row.map(|row| Mute { key, created_at_ms: row.created_at, deleted }))
}

fn block(key: &[[u8; 16]], row: Option<&history::SilenceRow>, deleted: bool) -> Decoded<Block> {
    let key = silence(key);
    (key, row.map(|row| Block { key, created_at_ms: row.created_at, deleted }))
}

fn like(key: &[[u8; 16]], row: Option<&history::LikeOrComment>, deleted: bool) -> Decoded<Like> {
    let id = schemas::LikeId(key[0]);
    let like = |row: &history::LikeOrComment| {
        let (post, user) = (PostId(row.post), UserId(row.user));
        Like { id, post, user, created_at_ms: row.created_at, deleted }
    };
    (id, row.map(like))
}

fn comment(
    key: &[[u8; 16]],
    row: Option<&history::LikeOrComment>,
    deleted: bool,
) -> Decoded<Comment> {
    let id = schemas::CommentId(key[0]);
    let comment = |row: &history::LikeOrComment| {
        let (post, user) = (PostId(row.post), UserId(row.user));
        Comment { id, post, user, created_at_ms: row.created_at, deleted }
    };
    (id, row.map(comment))
}

/// An event as decoding gives it, by way of its JSON.
fn event(logged: &history::BehaviourEvent) -> Event {
    let action = match logged.action {
        Action::Impression => "impression",
        Action::View => "view",
        Action::Click => "click",
        Action::Like => "like",
        Action::Comment => "comment",
        Action::Share => "share",
        Action::Dwell => "dwell",
        Action::Hide => "hide",
        Action::Report => "report",
        Action::LessLikeThis => "less_like_this",
        Action::Undo => "undo",
    };
    let id = logged.event.map_or("null".into(), |id| format!("\"{}\"", EventId(id)));
    let (user, post, time) = (UserId(logged.user), PostId(logged.post), logged.time);
    let json = format!(
        r#"{{"event_id":{id},"user_id":"{user}","post_id":"{post}","action":"{action}","event_time":{time}}}"#
    );
    Event::decode(&schemas::Payload::json(json.as_bytes())).unwrap()
}
