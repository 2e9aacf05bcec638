//! The pure transitions joined by plain maps: the feed without an engine, one record at a time.
//!
//! What the processors do with stores and timers is done here with maps and in order, so that the rules
//! are judged apart from the engine that runs them.

use std::collections::BTreeMap;

use schemas::{
    Change, Comment, Delta, Event, EventId, FeedBody, Follow, FollowKey, Like, Op, Post, PostId,
    ToPost, ToUser, User, UserId,
};
use topologies::engagement::acts::{Acts, Changed};
use topologies::engagement::line::{Patience, Step};
use topologies::engagement::post::{Author, Post as Kept};
use topologies::engagement::{interactions, reattributed};
use topologies::ingest::act::Act;
use topologies::ingest::row::Life;
use topologies::ingest::{Routed, comments, events, follows, likes, posts, users};
use topologies::live::{GoneUsers, PostsByAuthor};
use topologies::ranking::{AffinityDay, Ranker, ReaderState, Weights, World};
use topologies::reader::days::Days;
use topologies::reader::presence::Presence;

use crate::history::{self, Did, Image, Input, What};

/// All state of the feed.
#[derive(Default)]
pub struct Pipeline {
    likes: BTreeMap<Vec<[u8; 16]>, Option<Act>>,
    comments: BTreeMap<Vec<[u8; 16]>, Option<Act>>,
    follow_rows: BTreeMap<Vec<[u8; 16]>, Option<Life>>,
    user_rows: BTreeMap<Vec<[u8; 16]>, Option<Life>>,
    events: BTreeMap<(UserId, EventId), Option<i64>>,
    posts: BTreeMap<PostId, Kept>,
    acts: BTreeMap<(PostId, UserId), Acts>,
    live: PostsByAuthor,
    gone: GoneUsers,
    follows: BTreeMap<(UserId, UserId), i64>,
    affinity: BTreeMap<(UserId, UserId), Days>,
    seen: BTreeMap<(UserId, PostId), i64>,
    presence: BTreeMap<UserId, Presence>,
    weights: Weights,
    patience: Patience,
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
            pipeline.look(post, true, end);
            pipeline.look(post, false, end + 60_000);
        }
        self
    }

    /// The feed of `reader` as of `as_of`; none if inactive or gone at `now`.
    pub fn feed(&self, reader: UserId, as_of: i64, now: i64) -> Option<FeedBody> {
        let active = self.presence.get(&reader).is_some_and(|presence| presence.is_active(now));
        (active && !self.gone.contains(&reader)).then(|| self.rank(reader, as_of))
    }

    fn rank(&self, reader: UserId, as_of: i64) -> FeedBody {
        let state = ReaderState {
            id: reader,
            follows: of(reader, &self.follows).filter(|(_, n)| **n > 0).map(|(id, _)| id).collect(),
            affinity: of(reader, &self.affinity)
                .flat_map(|(author, days)| affine(author, days))
                .collect(),
            seen: of(reader, &self.seen).map(|(post, at)| (post, *at)).collect(),
        };
        let world = World { posts: &self.live, gone: &self.gone, weights: &self.weights };
        Ranker::default().rank(&state, &world, as_of)
    }

    fn take(&mut self, input: &Input, now: i64) {
        let mut out = Vec::new();
        match &input.what {
            What::User(told) => {
                let held = self.user_rows.entry(told.key.clone()).or_default();
                users::change(held, &change(told, user), 0, &mut out);
            }
            What::Post(told) => {
                posts::change(&change(told, post), 0, &mut out);
            }
            What::Follow(told) => {
                let held = self.follow_rows.entry(told.key.clone()).or_default();
                follows::change(held, &change(told, follow), 0, &mut out);
            }
            What::Like(told) => {
                let held = self.likes.entry(told.key.clone()).or_default();
                likes::change(held, &change(told, like), 0, &mut out);
            }
            What::Comment(told) => {
                let held = self.comments.entry(told.key.clone()).or_default();
                comments::change(held, &change(told, comment), 0, &mut out);
            }
            What::Event(told) => {
                let event = event(told);
                let held = self.events.entry((event.user, event.id)).or_default();
                let in_time = !event.too_far(input.arrived);
                in_time.then(|| events::happen(held, &event, input.arrived, &mut out));
            }
            What::Read { user } => {
                self.presence.entry(UserId(*user)).or_default().read(input.arrived);
            }
        }
        for routed in out {
            self.route(routed, now);
        }
    }

    fn route(&mut self, routed: Routed, now: i64) {
        match routed {
            Routed::ToPost(post, fact) => self.tell_post(post, fact, now),
            Routed::ToUser(user, fact) => self.tell_user(user, fact),
            Routed::Gone(user, Some(_)) => self.gone.set(user, true),
            Routed::Gone(user, None) => self.gone.set(user, false),
        }
    }

    fn tell_post(&mut self, id: PostId, fact: ToPost, now: i64) {
        self.look(id, false, now);
        let post = self.posts.entry(id).or_default();
        let mut to_users = Vec::new();
        let mut changed: Vec<Changed> = Vec::new();
        let user = match fact {
            ToPost::Post { mark, image, live } => {
                if let Author::Changed { from, to } = post.change(mark, image, live) {
                    let all = self.acts.range((id, UserId([0; 16]))..);
                    for ((_, user), acts) in all.take_while(|((of, _), _)| *of == id) {
                        let mut told = Vec::new();
                        reattributed((from, to), acts.counted().map(|(_, at)| at), &mut told);
                        to_users.extend(told.into_iter().map(|told| (*user, told)));
                    }
                }
                None
            }
            ToPost::Row { user, kind, at_ms, delta } => {
                self.acts.entry((id, user)).or_default().row(kind, at_ms, delta, &mut changed);
                Some(user)
            }
            ToPost::Event { user, action, at_ms, .. } => {
                post.expose(action);
                self.acts.entry((id, user)).or_default().event(action, at_ms, &mut changed);
                Some(user)
            }
        };
        post.count(&changed);
        if let Some(user) = user {
            post.wait(now);
            let mut told = Vec::new();
            post.image.iter().for_each(|image| interactions(image.author, &changed, &mut told));
            to_users.extend(told.into_iter().map(|told| (user, told)));
        }
        self.look(id, true, now);
        for (user, told) in to_users {
            self.tell_user(user, told);
        }
    }

    /// Drops what waited too long, and sends the post's line if that is due.
    fn look(&mut self, id: PostId, changed: bool, now: i64) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        if post.forget(now) {
            self.acts.retain(|(of, _), _| *of != id);
        }
        let wanted = post.line(now, &self.patience);
        match post.sent.step(wanted, changed, now, (&self.patience, &self.weights)) {
            Step::Send(Some(line)) => self.live.put(id, line),
            Step::Send(None) => self.live.remove(&id),
            Step::Rest | Step::Wait(_) => {}
        }
    }

    fn tell_user(&mut self, user: UserId, fact: ToUser) {
        match fact {
            ToUser::Active { at_ms } => self.presence.entry(user).or_default().acted(at_ms),
            ToUser::Follow { author, delta } => {
                *self.follows.entry((user, author)).or_default() += delta.value();
            }
            ToUser::Seen { post, at_ms } => {
                let seen = self.seen.entry((user, post)).or_insert(i64::MIN);
                *seen = at_ms.max(*seen);
            }
            ToUser::Interaction { author, day, delta } => {
                let delta = if delta == Delta::Plus { 1 } else { -1 };
                self.affinity.entry((user, author)).or_default().add(day, delta, i32::MIN);
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
    told: &history::Change<H>,
    row: impl Fn(&[[u8; 16]], Option<&H>, bool) -> (R::Key, Option<R>),
) -> Change<R> {
    let (op, deleted) = match told.image {
        Image::Live(_) => (Op::Create, false),
        Image::SoftDeleted(_) => (Op::Update, true),
        Image::Deleted(_) | Image::DeletedByKey => (Op::Delete, false),
    };
    let (key, image) = row(&told.key, told.image.row(), deleted);
    let (before, after) = if op == Op::Delete { (image, None) } else { (None, image) };
    Change { op, key: Some(key), lsn: told.lsn, before, after, source_ms: None }
}

type Told<R> = (<R as schemas::Row>::Key, Option<R>);

fn user(key: &[[u8; 16]], row: Option<&history::UserRow>, deleted: bool) -> Told<User> {
    let id = UserId(key[0]);
    (id, row.map(|row| User { id, created_at_ms: row.created_at, deleted }))
}

fn post(key: &[[u8; 16]], row: Option<&history::PostRow>, deleted: bool) -> Told<Post> {
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

fn follow(key: &[[u8; 16]], row: Option<&history::FollowRow>, deleted: bool) -> Told<Follow> {
    let key = FollowKey { follower: UserId(key[0]), followee: UserId(key[1]) };
    (key, row.map(|row| Follow { key, created_at_ms: row.created_at, deleted }))
}

fn like(key: &[[u8; 16]], row: Option<&history::ActRow>, deleted: bool) -> Told<Like> {
    let id = schemas::LikeId(key[0]);
    let like = |row: &history::ActRow| {
        let (post, user) = (PostId(row.post), UserId(row.user));
        Like { id, post, user, created_at_ms: row.created_at, deleted }
    };
    (id, row.map(like))
}

fn comment(key: &[[u8; 16]], row: Option<&history::ActRow>, deleted: bool) -> Told<Comment> {
    let id = schemas::CommentId(key[0]);
    let comment = |row: &history::ActRow| {
        let (post, user) = (PostId(row.post), UserId(row.user));
        Comment { id, post, user, created_at_ms: row.created_at, deleted }
    };
    (id, row.map(comment))
}

/// An event as decoding gives it, by way of its JSON.
fn event(told: &history::Behaviour) -> Event {
    let action = match told.action {
        Did::Impression => "impression",
        Did::View => "view",
        Did::Click => "click",
        Did::Like => "like",
        Did::Comment => "comment",
        Did::Share => "share",
        Did::Dwell => "dwell",
    };
    let id = told.event.map_or("null".into(), |id| format!("\"{}\"", EventId(id)));
    let (user, post, time) = (UserId(told.user), PostId(told.post), told.time);
    let json = format!(
        r#"{{"event_id":{id},"user_id":"{user}","post_id":"{post}","action":"{action}","event_time":{time}}}"#
    );
    Event::decode(json.as_bytes()).unwrap()
}
