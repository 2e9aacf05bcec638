//! The topology of the feed: the pure transitions, joined by topics, stores, timers and broadcasts.
//!
//! Records go one way: the inputs through [`ingest`] to topics `by-post` and `by-user` and to the broadcast
//! `gone`; `by-post` through [`engagement`] to `by-user` and to the broadcast `posts-live`; `by-user`,
//! `reads` and the broadcasts through [`reader`] to `feeds`. Each input has a sub-topology of its own,
//! so that their partition counts need not agree.

mod engagement;
mod ingest;
pub mod publication;
mod reader;
mod reading;

use millstream::{Broadcast, Builder, Bytes, Internal, Nullable, Result, Store, Stream, Topology};
use schemas::{Gone, PostId, PostLine, ToPost, ToUser, UserId, topic};

use self::ingest::{Ingest, IngestEvents, IngestPosts};
use crate::engagement::line::Patience;
use crate::ingest::Routed;
use crate::layout::{Pair, Wired};
use crate::live::{GoneUsers, PostsByAuthor};
use crate::ranking::Weights;
use crate::reader::Reader;
use crate::reader::days::Days;
use crate::state::{Count, Time};

/// What a feed's topology is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The application's name; it names the group, the changelogs and the dead letters.
    pub app: String,
    /// Raised by hand when the database is restored from a backup.
    pub cdc_epoch: u32,
    /// Raised by hand when the state of readers is rebuilt from topics.
    pub feeds_epoch: u32,
    /// Every number of selection and score.
    pub weights: Weights,
    /// When lines are sent, and how old a post may be to have one.
    pub patience: Patience,
    /// So long a feed holds after its ranking.
    pub valid_ms: i64,
    /// After a start, a move or an abort the active readers of a task are ranked within this.
    pub spread_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            app: "feed".into(),
            cdc_epoch: 0,
            feeds_epoch: 0,
            weights: Weights::v1(),
            patience: Patience::default(),
            valid_ms: 600_000,
            spread_ms: 10_000,
        }
    }
}

/// The live posts, as every process has them.
pub type PostsLive = Broadcast<PostId, PostLine, PostsByAuthor>;
/// The users who are gone, as every process has them.
pub type UsersGone = Broadcast<UserId, Gone, GoneUsers>;

/// The stores of readers, each by the reader first.
#[derive(Clone, Copy)]
pub struct ReaderStores {
    /// Whether they are active, what is due, what was published.
    pub readers: Store<UserId, Reader>,
    /// How many live rows say that the first follows the second; none is zero.
    pub follows: Store<Pair<UserId, UserId>, Count>,
    /// What the first did to posts of the second, by day.
    pub affinity: Store<Pair<UserId, UserId>, Days>,
    /// When the user last saw the post.
    pub seen: Store<Pair<UserId, PostId>, Time>,
}

/// The topology, and what is needed to ask its state.
#[derive(Clone)]
pub struct Feed {
    /// The topology.
    pub topology: Topology,
    /// The state of readers.
    pub stores: ReaderStores,
    /// The live posts.
    pub posts: PostsLive,
    /// The users who are gone.
    pub gone: UsersGone,
}

/// The two topics between the sub-topologies.
struct Between {
    posts: Internal<PostId, ToPost>,
    users: Internal<UserId, ToUser>,
}

/// Builds the feed's topology.
pub fn feed(settings: &Settings) -> Result<Feed> {
    let builder = Builder::new(&settings.app);
    let between = Between {
        posts: builder.internal(topic::BY_POST.name, Wired, Wired),
        users: builder.internal(topic::BY_USER.name, Wired, Wired),
    };
    inputs(&builder, settings, &between);
    engagement::attach(&builder, settings, &between);
    let posts = builder.broadcast_indexed(topic::POSTS_LIVE.name, Wired, Wired);
    let gone = builder.broadcast_indexed(topic::GONE.name, Wired, Wired);
    let stores = reader::attach(&builder, settings, (&between, posts, gone));
    let topology = builder.build()?;
    Ok(Feed { topology, stores, posts, gone })
}

type Raw = Stream<Option<Vec<u8>>, Option<Vec<u8>>>;

fn inputs(builder: &Builder, settings: &Settings, between: &Between) {
    let epoch = settings.cdc_epoch;
    let source =
        |of: topic::Topic| -> Raw { builder.stream(of.name, Nullable(Bytes), Nullable(Bytes)) };
    let users = builder.store("user-rows", Wired, Wired);
    let told = source(topic::CDC_USERS).process("ingest-users", &[users.into()], move || {
        Ingest::<schemas::User>::new(users, epoch)
    });
    route_to_users(&told, "ingest-users", between);
    told.flat_map("ingest-users-gone", |routed, out| match routed.value {
        Routed::Gone(user, gone) => out.emit(user, gone),
        Routed::ToPost(..) | Routed::ToUser(..) => Ok(()),
    })
    .to(topic::GONE.name, Wired, Nullable(Wired));

    let told =
        source(topic::CDC_POSTS).process("ingest-posts", &[], move || IngestPosts::new(epoch));
    route(&told, "ingest-posts", between);

    let follows = builder.store("follow-rows", Wired, Wired);
    let told = source(topic::CDC_FOLLOWS).process("ingest-follows", &[follows.into()], move || {
        Ingest::<schemas::Follow>::new(follows, epoch)
    });
    route_to_users(&told, "ingest-follows", between);

    let comments = builder.store("comment-rows", Wired, Wired);
    let told =
        source(topic::CDC_COMMENTS).process("ingest-comments", &[comments.into()], move || {
            Ingest::<schemas::Comment>::new(comments, epoch)
        });
    route(&told, "ingest-comments", between);

    let likes = builder.store("like-rows", Wired, Wired);
    let told = source(topic::CDC_LIKES).process("ingest-likes", &[likes.into()], move || {
        Ingest::<schemas::Like>::new(likes, epoch)
    });
    route(&told, "ingest-likes", between);

    let events = builder.store("event-ids", Wired, Wired);
    let forget = builder.timers("event-ids-due", Wired);
    let uses = [events.into(), forget.into()];
    let told = source(topic::EVENTS)
        .process("ingest-events", &uses, move || IngestEvents::new(events, forget));
    route(&told, "ingest-events", between);
}

/// Sends what an input means to posts and users.
fn route(told: &Stream<(), Routed>, name: &str, between: &Between) {
    told.flat_map(&format!("{name}-to-posts"), |routed, out| match routed.value {
        Routed::ToPost(post, fact) => out.emit(post, fact),
        Routed::ToUser(..) | Routed::Gone(..) => Ok(()),
    })
    .into_internal(&between.posts);
    route_to_users(told, name, between);
}

fn route_to_users(told: &Stream<(), Routed>, name: &str, between: &Between) {
    told.flat_map(&format!("{name}-to-users"), |routed, out| match routed.value {
        Routed::ToUser(user, fact) => out.emit(user, fact),
        Routed::ToPost(..) | Routed::Gone(..) => Ok(()),
    })
    .into_internal(&between.users);
}
