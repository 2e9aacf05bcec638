//! The contract: every topic, every row and event that comes in, every value that moves between the
//! parts of the feed, and the bytes of each.
//!
//! What always holds: decoding is total. Any bytes at all give a value or a [`Poison`] that names the
//! field; nothing panics, and nothing here knows of Kafka, of state or of the wall clock.
//!
//! | what | where |
//! | --- | --- |
//! | names and keys | [`topic`], [`application`], the ids ([`UserId`], [`PostId`], ...) |
//! | rows of the database | [`Cdc`], [`Change`] of [`User`], [`Post`], [`Follow`], [`Comment`], [`Like`] |
//! | behaviour events | [`Event`], [`Action`], [`Trace`] |
//! | internal values | [`ToPost`], [`ToUser`], [`Read`], [`Gone`], [`PostLine`], [`Trending`]: all [`Wire`] |
//! | what comes out | [`FeedBody`], [`FeedVersion`], [`RedisValue`], [`daily_metrics`] |
//! | what others write and read by | [`Published`], [`EventWriter`] |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod action;
pub mod application;
mod avro;
#[cfg(test)]
mod captured;
mod change;
mod column;
mod comment;
pub mod daily_metrics;
mod day;
mod dismissal;
mod event;
mod event_writer;
mod feed_body;
mod feed_version;
mod feedback;
mod flattened;
mod follow;
#[cfg(test)]
mod forms;
#[cfg(test)]
#[path = "../../tests/fuzz/contract.rs"]
mod fuzz;
#[cfg(test)]
mod golden;
mod gone;
mod ids;
mod like;
mod mark;
mod poison;
mod post;
mod post_line;
mod post_text;
mod preferences;
mod profile;
mod published;
mod read;
#[cfg(test)]
mod released;
mod row;
mod silence;
mod time;
mod to_person;
mod to_post;
mod to_user;
pub mod topic;
mod trace;
mod trending;
mod user;
mod weights_version;
mod wire;
mod words;

pub use action::Action;
pub use avro::{Lookup, NoRegistry, Payload, SchemaById, WriterSchema};
pub use change::{Cdc, Change, Op, truncated_at};
pub use comment::Comment;
pub use daily_metrics::DailyMetrics;
pub use day::Day;
pub use dismissal::Dismissal;
pub use event::Event;
pub use event_writer::EventWriter;
pub use feed_body::{Facts, FeedBody, FeedItem, Rule, Sources, V1};
pub use feed_version::{FEEDS_EPOCH, FeedVersion, RedisValue, VERSION, redis_key};
pub use feedback::{Feedback, Said};
pub use follow::{Follow, FollowKey};
pub use gone::Gone;
pub use ids::{CommentId, EventId, LikeId, PostId, UserId};
pub use like::Like;
pub use mark::Mark;
pub use poison::{FieldFault, Poison};
pub use post::{Post, content_hash};
pub use post_line::PostLine;
pub use post_text::PostText;
pub use preferences::{Preferences, Scales, UNSCALED};
pub use profile::{Profile, ProfileRow, Text};
pub use published::{EVENTS_SCHEMA, Published};
pub use read::Read;
pub use row::{Columns, Row};
pub use silence::{Block, Mute, SilenceKey};
pub use time::{iso_date, iso_time, read_time};
pub use to_person::ToPerson;
pub use to_post::{Delta, PostImage, RowKind, ToPost};
pub use to_user::{ToUser, day_of};
pub use trace::{FeedContext, Trace};
pub use trending::{
    TRENDING_KEY, TRENDING_MAX, Trending, TrendingEntry, TrendingKey, TrendingList, TrendingPart,
    TrendingPost, TrendingWindow,
};
pub use user::User;
pub use weights_version::WeightsVersion;
pub use wire::{Cursor, Wire};
pub use words::{MutedWord, Words, one_word};
