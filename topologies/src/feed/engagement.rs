//! Sub-topology engagement: key of everything is the post, so all that is done to one post meets here.
//!
//! A fact changes the post and the interactions of its user; then its line is sent, or
//! its timer set for when it must be, or for when what waits for an unknown post is dropped.

use millstream::{
    BroadcastChange, Builder, Context, Due, Nullable, Processor, Rec, Result, Store, Timers,
    Timestamp,
};
use schemas::{PostId, PostLine, TRENDING_KEY, ToPost, ToUser, TrendingPart, UserId, topic};

use super::counters::INTERACTIONS_DROPPED;
use super::task_trending::{TaskTrending, TrendingStores};
use super::{Between, FeedSettings, UsersGone};
use crate::engagement::interactions::{CountChange, Interactions};
use crate::engagement::line::{LinePolicy, Step};
use crate::engagement::post::{AuthorChange, Post};
use crate::engagement::times::AsOf;
use crate::engagement::{reattributions, user_updates};
use crate::layout::{FIRST_ID, KeySerde, Pair, RowSerde, WireSerde};
use crate::ranking::Weights;

/// What engagement emits.
pub(super) enum Emitted {
    /// A user, that something counts, or no longer.
    User(UserId, ToUser),
    /// Everybody, what is known of a post; none: it is gone.
    Line(PostId, Option<PostLine>),
    /// Sub-topology trending, what trends here.
    Trending(TrendingPart),
}

/// Reads `by-post` and the broadcast `gone`; writes `by-user`, `posts-live` and `trending-parts`. Keeps what is known of posts
/// in the store it answers.
pub(super) fn attach(
    builder: &Builder,
    settings: &FeedSettings,
    (between, gone): (&Between, UsersGone),
) -> Store<PostId, Post> {
    let posts = builder.placed(builder.store("posts", KeySerde, RowSerde), FIRST_ID);
    let interactions = builder.placed(builder.store("acts", KeySerde, RowSerde), FIRST_ID);
    let due = builder.placed(builder.timers("posts-due", KeySerde), FIRST_ID);
    let trending = TrendingStores::declare(builder, gone);
    let (settings, lines) = (settings.clone(), settings.topic(&topic::POSTS_LIVE));
    let uses = [&[posts.into(), interactions.into(), due.into()][..], &trending.uses()].concat();
    let emitted = builder.from(&between.posts).process("engagement", &uses, move || Engagement {
        posts,
        interactions,
        due,
        policy: settings.line_policy,
        weights: settings.weights.clone(),
        trending: TaskTrending::new(trending, &settings),
        changed: Vec::new(),
        users: Vec::new(),
    });
    emitted
        .flat_map("engagement-to-users", |emitted, out| match emitted.value {
            Emitted::User(user, fact) => out.emit(user, fact),
            Emitted::Line(..) | Emitted::Trending(_) => Ok(()),
        })
        .into_internal(&between.users);
    emitted
        .flat_map("engagement-lines", |emitted, out| match emitted.value {
            Emitted::Line(post, line) => out.emit(post, line),
            Emitted::User(..) | Emitted::Trending(_) => Ok(()),
        })
        .to(&lines, WireSerde, Nullable(WireSerde));
    emitted
        .flat_map("engagement-trending", |emitted, out| match emitted.value {
            Emitted::Trending(part) => out.emit(&TRENDING_KEY, part),
            Emitted::User(..) | Emitted::Line(..) => Ok(()),
        })
        .into_internal(&between.trending);
    posts
}

struct Engagement {
    posts: Store<PostId, Post>,
    interactions: Store<Pair<PostId, UserId>, Interactions>,
    due: Timers<PostId>,
    policy: LinePolicy,
    weights: Weights,
    trending: TaskTrending,
    changed: Vec<CountChange>,
    users: Vec<(UserId, ToUser)>,
}

type EngagementContext<'a> = Context<'a, (), Emitted>;

impl Engagement {
    fn load(&self, id: &PostId, cx: &mut EngagementContext<'_>) -> Result<Post> {
        Ok(cx.store(self.posts)?.get(id)?.copied().unwrap_or_default())
    }

    /// Drops what waited too long.
    fn expire(
        &mut self,
        id: PostId,
        post: &mut Post,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let Some(dropped) = post.expire(cx.wall_time().0) else { return Ok(()) };
        cx.count(INTERACTIONS_DROPPED, dropped);
        self.trending.drop_post(&id, cx)?;
        let interactions = cx.store(self.interactions)?;
        let mut users = Vec::new();
        interactions.scan_prefix(&id.0, |Pair(_, user), _| {
            users.push(*user);
            true
        })?;
        users.into_iter().try_for_each(|user| interactions.delete(&Pair(id, user)))
    }

    /// Sends the post's line if that is due, keeps the post, and sets its timer.
    fn update_line(
        &mut self,
        id: PostId,
        mut post: Post,
        changed: bool,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let now = cx.wall_time().0;
        post.trends_until = self.trending.update(&id, &post, cx)?;
        let wanted = post.line(now, &self.policy);
        match post.sent.step(wanted, changed, now, (&self.policy, &self.weights)) {
            Step::Send(line) => cx.forward(&(), &Emitted::Line(id, line))?,
            Step::Rest | Step::Wait(_) => {}
        }
        let (next, is_unsent) = (post.next_deadline(&self.policy), post.sent.unsent.is_some());
        if post == Post::default() {
            cx.store(self.posts)?.delete(&id)?;
        } else {
            cx.store(self.posts)?.put(&id, post)?;
        }
        let timers = cx.timers(self.due)?;
        match next {
            Some(at) if is_unsent => timers.owe(&id, Timestamp(at)),
            Some(at) => timers.set(&id, Timestamp(at)),
            None => timers.cancel(&id),
        }
    }

    /// Takes a change of the post itself.
    fn change(
        &mut self,
        id: PostId,
        post: &mut Post,
        fact: &ToPost,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let ToPost::Post { mark, image, live } = *fact else { return Ok(()) };
        let AuthorChange::Changed { from, to } = post.change(mark, image, live) else {
            return Ok(());
        };
        let users = &mut self.users;
        cx.store(self.interactions)?.scan_prefix(&id.0, |Pair(_, user), interactions| {
            let mut updates = Vec::new();
            reattributions((from, to), interactions, &mut updates);
            users.extend(updates.into_iter().map(|update| (*user, update)));
            true
        })
    }

    /// Takes what a user did to the post.
    fn interact(
        &mut self,
        (id, user): (PostId, UserId),
        post: &mut Post,
        fact: &ToPost,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let days = self.weights.limits.affinity_days;
        let as_of = AsOf { now_ms: cx.wall_time().0, days };
        let Self { changed, users, trending, .. } = self;
        let mut wish = (None, None);
        cx.store(self.interactions)?.update_if(&Pair(id, user), |interactions| {
            let before = interactions.clone();
            match *fact {
                ToPost::Row { kind, at_ms, delta, .. } => {
                    interactions.row((kind, at_ms, delta), as_of, changed)
                }
                ToPost::Event { action, at_ms, .. } => {
                    interactions.event((action, at_ms), as_of, changed)
                }
                ToPost::Post { .. } => {}
            }
            trending.count((&before, interactions), changed);
            wish = (before.less.since(), interactions.less.since());
            *interactions != before
        })?;
        post.count(changed);
        post.wait(cx.wall_time().0);
        if let Some(image) = post.image {
            let mut updates = Vec::new();
            user_updates(image.author, changed, wish, &mut updates);
            users.extend(updates.into_iter().map(|update| (user, update)));
        }
        Ok(())
    }
}

impl Processor for Engagement {
    type KeyIn = PostId;
    type ValueIn = ToPost;
    type KeyOut = ();
    type ValueOut = Emitted;

    fn process(
        &mut self,
        record: Rec<'_, PostId, ToPost>,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        let (id, fact) = (*record.key, record.value);
        self.changed.clear();
        self.users.clear();
        let mut post = self.load(&id, cx)?;
        self.expire(id, &mut post, cx)?;
        match *fact {
            ToPost::Post { .. } => self.change(id, &mut post, fact, cx)?,
            ToPost::Row { user, .. } => self.interact((id, user), &mut post, fact, cx)?,
            ToPost::Event { user, action, .. } => {
                post.count_exposure(action);
                self.interact((id, user), &mut post, fact, cx)?;
            }
        }
        self.update_line(id, post, true, cx)?;
        self.users.iter().try_for_each(|(user, fact)| cx.forward(&(), &Emitted::User(*user, *fact)))
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut EngagementContext<'_>) -> Result<()> {
        if self.trending.is_due(&due) {
            return self.trending.send(self.posts, cx);
        }
        let Some(id) = due.of(self.due) else { return Ok(()) };
        let mut post = self.load(id, cx)?;
        self.expire(*id, &mut post, cx)?;
        self.update_line(*id, post, false, cx)
    }

    fn on_change(
        &mut self,
        _change: BroadcastChange<'_>,
        cx: &mut EngagementContext<'_>,
    ) -> Result<()> {
        self.trending.on_gone(cx)
    }

    fn on_start(&mut self, cx: &mut EngagementContext<'_>) -> Result<()> {
        cx.count(INTERACTIONS_DROPPED, 0);
        self.trending.start(cx)
    }
}
