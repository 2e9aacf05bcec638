//! Sub-topology engagement: key of everything is the post, so all that is done to one post meets here.
//!
//! A fact changes the post and the acts of its user; then the post is looked at: its line is sent, or
//! its timer set for when it must be, or for when what waits for an unknown post is dropped.

use millstream::{
    Builder, Context, Due, Nullable, Processor, Rec, Result, Store, Timers, Timestamp,
};
use schemas::{PostId, PostLine, ToPost, ToUser, UserId, topic};

use super::{Between, Settings};
use crate::engagement::acts::{Acts, Changed};
use crate::engagement::line::{Patience, Step};
use crate::engagement::post::{Author, Post};
use crate::engagement::{interactions, reattributed};
use crate::layout::{Pair, Wired};
use crate::ranking::Weights;

/// What engagement tells.
enum Told {
    /// A user, that something counts, or no longer.
    User(UserId, ToUser),
    /// Everybody, what is known of a post; none: it is gone.
    Line(PostId, Option<PostLine>),
}

/// Reads `by-post`; writes `by-user` and `posts-live`.
pub(super) fn attach(builder: &Builder, settings: &Settings, between: &Between) {
    let posts = builder.store("posts", Wired, Wired);
    let acts = builder.store("acts", Wired, Wired);
    let due = builder.timers("posts-due", Wired);
    let (patience, weights) = (settings.patience, settings.weights.clone());
    let uses = [posts.into(), acts.into(), due.into()];
    let told = builder.from(&between.posts).process("engagement", &uses, move || Engagement {
        posts,
        acts,
        due,
        patience,
        weights: weights.clone(),
        changed: Vec::new(),
        users: Vec::new(),
    });
    told.flat_map("engagement-to-users", |told, out| match told.value {
        Told::User(user, fact) => out.emit(user, fact),
        Told::Line(..) => Ok(()),
    })
    .into_internal(&between.users);
    told.flat_map("engagement-lines", |told, out| match told.value {
        Told::Line(post, line) => out.emit(post, line),
        Told::User(..) => Ok(()),
    })
    .to(topic::POSTS_LIVE.name, Wired, Nullable(Wired));
}

struct Engagement {
    posts: Store<PostId, Post>,
    acts: Store<Pair<PostId, UserId>, Acts>,
    due: Timers<PostId>,
    patience: Patience,
    weights: Weights,
    changed: Vec<Changed>,
    users: Vec<(UserId, ToUser)>,
}

type Telling<'a> = Context<'a, (), Told>;

impl Engagement {
    fn load(&self, id: &PostId, cx: &mut Telling<'_>) -> Result<Post> {
        Ok(cx.store(self.posts)?.get(id)?.copied().unwrap_or_default())
    }

    /// Drops what waited too long.
    fn forget(&self, id: PostId, post: &mut Post, cx: &mut Telling<'_>) -> Result<()> {
        if !post.forget(cx.wall_time().0) {
            return Ok(());
        }
        let acts = cx.store(self.acts)?;
        let mut users = Vec::new();
        acts.scan_prefix(&id.0, |Pair(_, user), _| {
            users.push(*user);
            true
        })?;
        users.into_iter().try_for_each(|user| acts.delete(&Pair(id, user)))
    }

    /// Sends the post's line if that is due, keeps the post, and sets its timer.
    fn look(&self, id: PostId, mut post: Post, changed: bool, cx: &mut Telling<'_>) -> Result<()> {
        let now = cx.wall_time().0;
        let wanted = post.line(now, &self.patience);
        match post.sent.step(wanted, changed, now, (&self.patience, &self.weights)) {
            Step::Send(line) => cx.forward(&(), &Told::Line(id, line))?,
            Step::Rest | Step::Wait(_) => {}
        }
        let next = post.next_look(&self.patience);
        if post == Post::default() {
            cx.store(self.posts)?.delete(&id)?;
        } else {
            cx.store(self.posts)?.put(&id, post)?;
        }
        let timers = cx.timers(self.due)?;
        match next {
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
        cx: &mut Telling<'_>,
    ) -> Result<()> {
        let ToPost::Post { mark, image, live } = *fact else { return Ok(()) };
        let Author::Changed { from, to } = post.change(mark, image, live) else { return Ok(()) };
        let users = &mut self.users;
        cx.store(self.acts)?.scan_prefix(&id.0, |Pair(_, user), acts| {
            let mut told = Vec::new();
            reattributed((from, to), acts.counted().map(|(_, at)| at), &mut told);
            users.extend(told.into_iter().map(|told| (*user, told)));
            true
        })
    }

    /// Takes what a user did to the post.
    fn act(
        &mut self,
        (id, user): (PostId, UserId),
        post: &mut Post,
        fact: &ToPost,
        cx: &mut Telling<'_>,
    ) -> Result<()> {
        let changed = &mut self.changed;
        cx.store(self.acts)?.update_if(&Pair(id, user), |acts| {
            let before = acts.clone();
            match *fact {
                ToPost::Row { kind, at_ms, delta, .. } => acts.row(kind, at_ms, delta, changed),
                ToPost::Event { action, at_ms, .. } => acts.event(action, at_ms, changed),
                ToPost::Post { .. } => {}
            }
            *acts != before
        })?;
        post.count(&self.changed);
        post.wait(cx.wall_time().0);
        if let Some(image) = post.image {
            let mut told = Vec::new();
            interactions(image.author, &self.changed, &mut told);
            self.users.extend(told.into_iter().map(|told| (user, told)));
        }
        Ok(())
    }
}

impl Processor for Engagement {
    type KeyIn = PostId;
    type ValueIn = ToPost;
    type KeyOut = ();
    type ValueOut = Told;

    fn process(&mut self, record: Rec<'_, PostId, ToPost>, cx: &mut Telling<'_>) -> Result<()> {
        let (id, fact) = (*record.key, record.value);
        self.changed.clear();
        self.users.clear();
        let mut post = self.load(&id, cx)?;
        self.forget(id, &mut post, cx)?;
        match *fact {
            ToPost::Post { .. } => self.change(id, &mut post, fact, cx)?,
            ToPost::Row { user, .. } => self.act((id, user), &mut post, fact, cx)?,
            ToPost::Event { user, action, .. } => {
                post.expose(action);
                self.act((id, user), &mut post, fact, cx)?;
            }
        }
        self.look(id, post, true, cx)?;
        self.users.iter().try_for_each(|(user, fact)| cx.forward(&(), &Told::User(*user, *fact)))
    }

    fn on_timer(&mut self, due: Due<'_>, cx: &mut Telling<'_>) -> Result<()> {
        let Some(id) = due.of(self.due) else { return Ok(()) };
        let mut post = self.load(id, cx)?;
        self.forget(*id, &mut post, cx)?;
        self.look(*id, post, false, cx)
    }
}
