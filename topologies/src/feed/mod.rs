//! The topology of the feed: the pure transitions, joined by topics, stores, timers and broadcasts.
//!
//! Records go one way: the inputs through [`ingest`] to topics `by-post` and `by-user` and to the broadcast
//! `gone`; `by-post` through [`engagement`] to `by-user` and to the broadcast `posts-live`; `by-user`,
//! `reads` and the broadcasts through [`reader`] to `feeds`. Each input has a sub-topology of its own,
//! so that their partition counts need not agree.

mod catch_up;
pub mod counters;
mod engagement;
mod facts;
mod fan_out;
mod gathering;
mod ingest;
mod people;
mod post_words;
pub mod publication;
mod reader;
mod reader_input;
mod reading;
mod shown;
mod stores;
mod suggesting;
mod task_trending;
mod trending;
mod views;
mod weighting;

use std::borrow::Cow;
use std::sync::Arc;

use millstream::{Broadcast, Builder, Internal, Nullable, Result, Store, Stream, Topology};
use schemas::{
    Gone, NoRegistry, Payload, PostId, PostLine, SchemaById, ToPerson, ToPost, ToUser, TrendingKey,
    TrendingPart, UserId, WeightsVersion, Words, application, topic,
};

use self::ingest::{Ingest, IngestEvents, IngestPosts, IngestProfiles};
use crate::engagement::line::LinePolicy;
use crate::engagement::post::Post;
use crate::ingest::Routed;
use crate::ingest::epochs::CdcEpochs;
use crate::layout::{KeySerde, PayloadSerde, RowSerde, WireSerde};
use crate::live::{GoneUsers, PostsByAuthor};
use crate::ranking::{Policies, Policy, Weights};
use crate::trending::points::Formula;

pub use self::people::PeopleStores;
pub use self::reading::Publication;
pub use self::stores::ReaderStores;
pub use self::trending::TrendingPosts;

/// What a feed's topology is made with.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// The application's name; it names the group, the changelogs and the dead letters.
    pub app: String,
    /// Raised by hand when the database is restored from a backup.
    pub cdc_epochs: CdcEpochs,
    /// Raised by hand when the state of readers is rebuilt from topics.
    pub feeds_epoch: u32,
    /// Every number of selection and score, for as long as no version of weight sets was put.
    pub weights: Weights,
    /// When lines are sent, and how old a post may be to have one.
    pub line_policy: LinePolicy,
    /// What interactions are worth in lists of trending posts.
    pub trending: Formula,
    /// Who knows the schemas of inputs in Avro.
    pub schemas: Arc<dyn SchemaById>,
    /// After a start, a move or an abort the active readers of a task are ranked within this.
    pub spread_ms: i64,
    /// One in so many readers who need not be ranked for a change is, to see that it did not concern them.
    pub audit_one_in: i64,
    /// Whether users are suggested to each other: state of its own, which nothing else needs.
    pub suggests: bool,
    /// Whether readers can mute words: every process then has those of all live posts, some 200 bytes each.
    pub mutes_words: bool,
    /// Whether it is remembered what readers were shown, for weight sets that ask: a row a reader and post.
    pub remembers_shown: bool,
    /// Whether active readers are kept ranked and published; else whoever is asked about is ranked on demand, and no more.
    pub keeps_ranked: bool,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            app: "feed".into(),
            cdc_epochs: CdcEpochs::default(),
            feeds_epoch: 0,
            weights: Weights::v1(),
            line_policy: LinePolicy::default(),
            trending: Formula::default(),
            schemas: Arc::new(NoRegistry),
            spread_ms: 10_000,
            audit_one_in: 100,
            suggests: true,
            mutes_words: true,
            remembers_shown: false,
            keeps_ranked: true,
        }
    }
}

impl FeedSettings {
    /// What the application calls a topic.
    fn topic(&self, of: &topic::Topic) -> Cow<'static, str> {
        application::topic(&self.app, of)
    }
}

/// The live posts, as every process has them.
pub type PostsLive = Broadcast<PostId, PostLine, PostsByAuthor>;
/// The users who are gone, as every process has them.
pub type UsersGone = Broadcast<UserId, Gone, GoneUsers>;

/// The weight sets and who is ranked by which, as every process has them.
pub type WeightsInForce = Broadcast<WeightsVersion, Policy, Policies>;

/// The words of posts, as every process has them.
pub type WordsKnown = Broadcast<PostId, Words>;

/// What the sub-topology of readers hears of everybody.
#[derive(Clone, Copy)]
struct Broadcasts {
    posts: PostsLive,
    gone: UsersGone,
    trending: TrendingPosts,
    weights: WeightsInForce,
    /// None where nobody can mute any.
    words: Option<WordsKnown>,
}

/// The topology, and what is needed to ask its state.
#[derive(Clone)]
pub struct Feed {
    /// The topology.
    pub topology: Topology,
    /// The state of readers.
    pub stores: ReaderStores,
    /// What is known of posts.
    pub stored_posts: Store<PostId, Post>,
    /// What is known of people, if users are suggested to each other.
    pub people: Option<PeopleStores>,
    /// The live posts.
    pub posts: PostsLive,
    /// The users who are gone.
    pub gone: UsersGone,
    /// The trending posts.
    pub trending: TrendingPosts,
    /// The weight sets.
    pub weights: WeightsInForce,
    /// The words of posts, if any can be muted.
    pub words: Option<WordsKnown>,
}

/// The topics between the sub-topologies.
struct Between {
    posts: Internal<PostId, ToPost>,
    users: Internal<UserId, ToUser>,
    people: Internal<UserId, ToPerson>,
    trending: Internal<TrendingKey, TrendingPart>,
}

/// Builds the feed's topology.
pub fn feed(settings: &FeedSettings) -> Result<Feed> {
    let builder = Builder::new(&settings.app);
    let named = |of| settings.topic(of);
    let between = Between {
        posts: builder.internal(&named(&topic::BY_POST), WireSerde, WireSerde),
        users: builder.internal(&named(&topic::BY_USER), WireSerde, WireSerde),
        people: builder.internal(&named(&topic::BY_PERSON), WireSerde, WireSerde),
        trending: builder.internal(&named(&topic::TRENDING_PARTS), WireSerde, WireSerde),
    };
    inputs(&builder, settings, &between);
    let posts = builder.broadcast_indexed(&named(&topic::POSTS_LIVE), WireSerde, WireSerde);
    let gone = builder.broadcast_indexed(&named(&topic::GONE), WireSerde, WireSerde);
    let trending = builder.broadcast(&named(&topic::TRENDING), WireSerde, WireSerde);
    let stored_posts = engagement::attach(&builder, settings, (&between, gone));
    trending::attach(&builder, settings, &between);
    let weights = builder.broadcast_indexed(topic::WEIGHTS.name, WireSerde, WireSerde);
    let words = settings
        .mutes_words
        .then(|| builder.broadcast(&named(&topic::POST_WORDS), WireSerde, WireSerde));
    let broadcasts = Broadcasts { posts, gone, trending, weights, words };
    let stores = reader::attach(&builder, settings, (&between, broadcasts));
    let people = settings.suggests.then(|| people::attach(&builder, &between));
    let topology = builder.build()?;
    Ok(Feed { topology, stores, stored_posts, people, posts, gone, trending, weights, words })
}

type Raw = Stream<Option<Payload>, Option<Payload>>;

fn inputs(builder: &Builder, settings: &FeedSettings, between: &Between) {
    let epochs = || settings.cdc_epochs.clone();
    let source = |of| raw(builder, settings, of);
    let users = builder.store("user-rows", KeySerde, RowSerde);
    let rows = source(topic::CDC_USERS);
    let of = epochs();
    let routed = rows.process("ingest-users", &[users.into()], move || {
        Ingest::<schemas::User>::new(users, of.clone())
    });
    if settings.suggests {
        let of = epochs();
        rows.process("ingest-profiles", &[], move || IngestProfiles::new(of.clone()))
            .into_internal(&between.people);
    }
    route_to_users(&routed, "ingest-users", between);
    routed
        .flat_map("ingest-users-gone", |routed, out| match routed.value {
            Routed::Gone(user, gone) => out.emit(user, gone),
            Routed::ToPost(..) | Routed::ToUser(..) | Routed::Follow(..) | Routed::Feedback(..) => {
                Ok(())
            }
        })
        .to(&settings.topic(&topic::GONE), WireSerde, Nullable(WireSerde));

    let rows = source(topic::CDC_POSTS);
    let of = epochs();
    let routed = rows.process("ingest-posts", &[], move || IngestPosts::new(of.clone()));
    if settings.mutes_words {
        post_words::attach(builder, settings, &rows);
    }
    route(&routed, "ingest-posts", between);

    let (follows, of) = (builder.store("follow-rows", KeySerde, RowSerde), epochs());
    let routed =
        source(topic::CDC_FOLLOWS).process("ingest-follows", &[follows.into()], move || {
            Ingest::<schemas::Follow>::new(follows, of.clone())
        });
    route_to_users(&routed, "ingest-follows", between);
    if settings.suggests {
        route_to_people(&routed, between);
    }

    let (comments, of) = (builder.store("comment-rows", KeySerde, RowSerde), epochs());
    let routed =
        source(topic::CDC_COMMENTS).process("ingest-comments", &[comments.into()], move || {
            Ingest::<schemas::Comment>::new(comments, of.clone())
        });
    route(&routed, "ingest-comments", between);

    let (likes, of) = (builder.store("like-rows", KeySerde, RowSerde), epochs());
    let routed = source(topic::CDC_LIKES).process("ingest-likes", &[likes.into()], move || {
        Ingest::<schemas::Like>::new(likes, of.clone())
    });
    route(&routed, "ingest-likes", between);

    silences(builder, settings, between);

    let events = builder.store("event-ids", KeySerde, RowSerde);
    let expiry = builder.timers("event-ids-due", KeySerde);
    let uses = [events.into(), expiry.into()];
    let remembers_shown = settings.remembers_shown;
    let routed = source(topic::EVENTS).process("ingest-events", &uses, move || {
        IngestEvents::new(events, expiry, remembers_shown)
    });
    route(&routed, "ingest-events", between);
    routed
        .flat_map("ingest-events-feedback", |routed, out| match routed.value {
            Routed::Feedback(user, feedback) => out.emit(user, feedback),
            Routed::ToPost(..) | Routed::ToUser(..) | Routed::Gone(..) | Routed::Follow(..) => {
                Ok(())
            }
        })
        .to(&settings.topic(&topic::FEEDBACK), WireSerde, WireSerde);
}

/// Sends a follow to whoever is followed, as a person.
fn route_to_people(routed: &Stream<(), Routed>, between: &Between) {
    routed
        .flat_map("ingest-follows-to-people", |routed, out| match *routed.value {
            Routed::Follow(follower, followee, delta) => {
                out.emit(&followee, &ToPerson::Follower { follower, delta })
            }
            Routed::ToPost(..) | Routed::ToUser(..) | Routed::Gone(..) | Routed::Feedback(..) => {
                Ok(())
            }
        })
        .into_internal(&between.people);
}

/// Who wants to see nothing of whom.
fn silences(builder: &Builder, settings: &FeedSettings, between: &Between) {
    let epochs = || settings.cdc_epochs.clone();
    let (mutes, of) = (builder.store("mute-rows", KeySerde, RowSerde), epochs());
    let routed = raw(builder, settings, topic::CDC_MUTES).process(
        "ingest-mutes",
        &[mutes.into()],
        move || Ingest::<schemas::Mute>::new(mutes, of.clone()),
    );
    route_to_users(&routed, "ingest-mutes", between);

    let (blocks, of) = (builder.store("block-rows", KeySerde, RowSerde), epochs());
    let routed = raw(builder, settings, topic::CDC_BLOCKS).process(
        "ingest-blocks",
        &[blocks.into()],
        move || Ingest::<schemas::Block>::new(blocks, of.clone()),
    );
    route_to_users(&routed, "ingest-blocks", between);
}

/// An input, not yet decoded.
fn raw(builder: &Builder, settings: &FeedSettings, of: topic::Topic) -> Raw {
    let payload = || Nullable(PayloadSerde::new(Arc::clone(&settings.schemas)));
    builder.stream(of.name, payload(), payload())
}

/// Sends what an input means to posts and users.
fn route(routed: &Stream<(), Routed>, name: &str, between: &Between) {
    routed
        .flat_map(&format!("{name}-to-posts"), |routed, out| match routed.value {
            Routed::ToPost(post, fact) => out.emit(post, fact),
            Routed::ToUser(..) | Routed::Gone(..) | Routed::Follow(..) | Routed::Feedback(..) => {
                Ok(())
            }
        })
        .into_internal(&between.posts);
    route_to_users(routed, name, between);
}

fn route_to_users(routed: &Stream<(), Routed>, name: &str, between: &Between) {
    routed
        .flat_map(&format!("{name}-to-users"), |routed, out| match routed.value {
            Routed::ToUser(user, fact) => out.emit(user, fact),
            Routed::ToPost(..) | Routed::Gone(..) | Routed::Follow(..) | Routed::Feedback(..) => {
                Ok(())
            }
        })
        .into_internal(&between.users);
}
