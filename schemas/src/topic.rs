//! Every topic, declared once: its name, what its keys and values are, its partitions, what becomes of
//! old records.
//!
//! Plain data: whoever creates topics turns it into requests, whoever reads one takes its name from
//! here. `cdc.*` are kept for ever, because compaction would forget that the database ever spoke about a
//! row. Internal topics are purged by their owner once it has committed beyond a record.

use std::time::Duration;

use crate::application;

const DAY: Duration = Duration::from_secs(86_400);

/// How many partitions a topic has, unless the configuration or [`Topic::partitions`] says otherwise.
pub const PARTITIONS: i32 = 12;

/// What the bytes of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The row's primary key as Debezium wrote it, JSON; may be null where the value names the row.
    Row,
    /// A user id as text, 36 characters; a producer may choose another form if all choose the same.
    UserText,
    /// The 16 bytes of a user id.
    User,
    /// The 16 bytes of a post id.
    Post,
    /// [`crate::TRENDING_KEY`].
    Trending,
    /// [`crate::WeightsVersion`].
    Weights,
    /// The name of a flag.
    Flag,
}

/// What the bytes of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A Debezium envelope of this table, JSON with or without its schema part: [`crate::Change`].
    Envelope,
    /// A behaviour event, JSON: [`crate::Event`].
    Event,
    /// [`crate::Read`].
    Read,
    /// [`crate::ToPost`].
    ToPost,
    /// [`crate::ToUser`].
    ToUser,
    /// [`crate::Dismissal`].
    Dismissal,
    /// [`crate::Preferences`].
    Preferences,
    /// [`crate::Words`]; null: none, or too old.
    Words,
    /// [`crate::ToPerson`].
    ToPerson,
    /// [`crate::Feedback`].
    Feedback,
    /// [`crate::PostLine`]; null: the post is gone or out of the horizon.
    PostLine,
    /// [`crate::Gone`]; null: the user is back.
    Gone,
    /// [`crate::TrendingPart`].
    TrendingPart,
    /// [`crate::Trending`].
    Trending,
    /// Weight sets and who gets which, JSON.
    Weights,
    /// What a flag is set to, by whom and why, JSON.
    Flag,
    /// A change of a flag, JSON.
    FlagChange,
    /// [`crate::FeedBody`], with the headers of [`crate::FeedVersion`]; null: inactive or gone.
    Feed,
    /// The record as it came, cut at 256 KiB.
    Letter,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// The last value of each key stays.
    Compact,
    /// The last value of each key stays, and what it replaced goes soon: every process reads it whole at its start.
    CompactSoon,
    /// Nothing goes.
    Keep,
    /// They go after this time.
    KeepFor(Duration),
    /// They go once their reader has committed beyond them, and never by time.
    Purge,
}

impl Cleanup {
    /// After what time records are deleted; `None`: never by time.
    pub fn retention(self) -> Option<Duration> {
        match self {
            Self::KeepFor(time) => Some(time),
            Self::Compact | Self::CompactSoon | Self::Keep | Self::Purge => None,
        }
    }
}

/// One topic. All but those of trending have the same number of partitions, [`PARTITIONS`] by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, exactly.
    pub name: &'static str,
    /// What its keys are.
    pub key: Key,
    /// What its values are.
    pub value: Value,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// How many partitions it always has.
    pub partitions: Option<i32>,
}

const fn topic(name: &'static str, key: Key, value: Value, cleanup: Cleanup) -> Topic {
    Topic { name, key, value, cleanup, partitions: None }
}

const fn keep_days(days: u64) -> Cleanup {
    Cleanup::KeepFor(Duration::from_secs(days * DAY.as_secs()))
}

const fn cdc(name: &'static str) -> Topic {
    topic(name, Key::Row, Value::Envelope, Cleanup::Keep)
}

/// Rows of `users`.
pub const CDC_USERS: Topic = cdc("cdc.users");
/// Rows of `posts`.
pub const CDC_POSTS: Topic = cdc("cdc.posts");
/// Rows of `follows`.
pub const CDC_FOLLOWS: Topic = cdc("cdc.follows");
/// Rows of `comments`.
pub const CDC_COMMENTS: Topic = cdc("cdc.comments");
/// Rows of `likes`.
pub const CDC_LIKES: Topic = cdc("cdc.likes");

/// Rows of `mutes`; empty where there is no such table.
pub const CDC_MUTES: Topic = cdc("cdc.mutes");
/// Rows of `blocks`; empty where there is no such table.
pub const CDC_BLOCKS: Topic = cdc("cdc.blocks");

/// Behaviour events, from the API or any producer; all of a user in one partition.
pub const EVENTS: Topic = topic("events", Key::UserText, Value::Event, keep_days(100));

/// Reads of a feed, from the API. Kept as long as Kafka keeps the position of a group that is away.
pub const READS: Topic = topic("reads", Key::User, Value::Read, keep_days(7));

/// Who is not to be suggested to whom, from the API.
pub const DISMISSALS: Topic = topic("dismissals", Key::User, Value::Dismissal, Cleanup::Keep);

/// What readers chose, from the API.
pub const PREFERENCES: Topic =
    topic("preferences", Key::User, Value::Preferences, Cleanup::Compact);

/// Broadcast: the words of posts within the horizon, for readers who mute some.
pub const POST_WORDS: Topic = topic("post-words", Key::Post, Value::Words, Cleanup::CompactSoon);

/// What posts must hear, from ingest.
pub const BY_POST: Topic = topic("by-post", Key::Post, Value::ToPost, Cleanup::Purge);

/// What readers must hear, from ingest and engagement.
pub const BY_USER: Topic = topic("by-user", Key::User, Value::ToUser, Cleanup::Purge);

/// What people must hear to be suggested, from ingest.
pub const BY_PERSON: Topic = topic("by-person", Key::User, Value::ToPerson, Cleanup::Purge);

/// What users said against posts, from ingest, for sinks. Kept as long as it counts.
pub const FEEDBACK: Topic = topic("feedback", Key::User, Value::Feedback, keep_days(90));

/// Broadcast: every live post within the horizon.
pub const POSTS_LIVE: Topic = topic("posts-live", Key::Post, Value::PostLine, Cleanup::CompactSoon);

/// Broadcast: the users who are gone.
pub const GONE: Topic = topic("gone", Key::User, Value::Gone, Cleanup::CompactSoon);

/// The trending posts of each task of engagement.
pub const TRENDING_PARTS: Topic = Topic {
    partitions: Some(1),
    ..topic("trending-parts", Key::Trending, Value::TrendingPart, Cleanup::Purge)
};

/// Broadcast: the trending posts of all.
pub const TRENDING: Topic = Topic {
    partitions: Some(1),
    ..topic("trending", Key::Trending, Value::Trending, Cleanup::CompactSoon)
};

/// Broadcast: the weight sets and experiments, each version of them; the last is in force.
pub const WEIGHTS: Topic = Topic {
    partitions: Some(1),
    ..topic("weights", Key::Weights, Value::Weights, Cleanup::Compact)
};

/// The flags, as they are set.
pub const FLAGS: Topic =
    Topic { partitions: Some(1), ..topic("flags", Key::Flag, Value::Flag, Cleanup::Compact) };

/// Who changed which flag, when and why.
pub const FLAGS_AUDIT: Topic = Topic {
    partitions: Some(1),
    ..topic("flags-audit", Key::Flag, Value::FlagChange, Cleanup::Keep)
};

/// The ranked feeds.
pub const FEEDS: Topic = topic("feeds", Key::User, Value::Feed, Cleanup::Compact);

/// Those that make feeds: rows and events. Reads ask for feeds, and make none.
pub const INPUTS: [Topic; 8] =
    [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, CDC_MUTES, CDC_BLOCKS, EVENTS];

/// Those that an application makes of its inputs, for itself and for sinks: each application has its own, see
/// [`crate::application`].
pub const DERIVED: [Topic; 10] = [
    BY_POST,
    BY_USER,
    BY_PERSON,
    FEEDBACK,
    POSTS_LIVE,
    POST_WORDS,
    GONE,
    TRENDING_PARTS,
    TRENDING,
    FEEDS,
];

/// Those that say what feeds were like: the inputs, what readers were served and chose, and by which weights they were ranked.
pub const HISTORY: [Topic; 11] = [
    CDC_USERS,
    CDC_POSTS,
    CDC_FOLLOWS,
    CDC_COMMENTS,
    CDC_LIKES,
    CDC_MUTES,
    CDC_BLOCKS,
    EVENTS,
    READS,
    PREFERENCES,
    WEIGHTS,
];

/// All of them but dead letters, inputs first.
pub const ALL: [Topic; 24] = [
    CDC_USERS,
    CDC_POSTS,
    CDC_FOLLOWS,
    CDC_COMMENTS,
    CDC_LIKES,
    CDC_MUTES,
    CDC_BLOCKS,
    EVENTS,
    READS,
    DISMISSALS,
    PREFERENCES,
    BY_POST,
    BY_USER,
    BY_PERSON,
    FEEDBACK,
    POSTS_LIVE,
    POST_WORDS,
    GONE,
    TRENDING_PARTS,
    TRENDING,
    WEIGHTS,
    FLAGS,
    FLAGS_AUDIT,
    FEEDS,
];

/// The topic that takes what application `app` cannot decode or process: `<app>-dead-letters`.
pub fn dead_letters(app: &str) -> String {
    format!("{app}-dead-letters")
}

/// The topic in which the instances of application `app` say where each is asked and what it shows: `<app>-instances`. One
/// partition; a key is an instance's name, a value JSON, null when it has stopped.
pub fn instances(app: &str) -> String {
    format!("{app}-instances")
}

/// The topic that tells which dead letters of `app` were re-driven or dropped, under the place of each: `<app>-dead-letters-done`.
pub fn dead_letters_done(app: &str) -> String {
    format!("{app}-dead-letters-done")
}

/// The topic that tells which of the applications called after `first` is the live one: `<first>-live`.
pub fn live(first: &str) -> String {
    format!("{first}-live")
}

/// A topic that is named after its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTopic {
    /// Its name.
    pub name: String,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// How many partitions it has, if that is fixed.
    pub partitions: Option<i32>,
}

/// The topics that are named after application `app`, beside those in which it keeps its state; the last is of the first
/// application and of all that are called after it.
pub fn own(app: &str) -> [OwnTopic; 4] {
    let own = |name, cleanup, partitions| OwnTopic { name, cleanup, partitions };
    [
        own(dead_letters(app), keep_days(30), None),
        // A note is deleted by whoever finds that its letter is; in one partition a transaction of many notes ends in one place.
        own(dead_letters_done(app), Cleanup::Compact, Some(1)),
        // Only the last word of an instance is of any use, and there is one a second.
        own(instances(app), Cleanup::CompactSoon, Some(1)),
        own(live(application::first(app)), Cleanup::Compact, Some(1)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(has: impl Fn(&Topic) -> bool) -> Vec<&'static str> {
        ALL.iter().filter(|topic| has(topic)).map(|topic| topic.name).collect()
    }

    #[test]
    fn old_records_go_as_the_contract_says() {
        assert_eq!(
            names(|topic| topic.cleanup == Cleanup::Keep),
            [
                "cdc.users",
                "cdc.posts",
                "cdc.follows",
                "cdc.comments",
                "cdc.likes",
                "cdc.mutes",
                "cdc.blocks",
                "dismissals",
                "flags-audit"
            ]
        );
        assert_eq!(
            names(|topic| topic.cleanup == Cleanup::Compact),
            ["preferences", "weights", "flags", "feeds"]
        );
        let broadcasts = names(|topic| topic.cleanup == Cleanup::CompactSoon);
        assert_eq!(broadcasts, ["posts-live", "post-words", "gone", "trending"]);
        let purged = names(|topic| topic.cleanup == Cleanup::Purge);
        assert_eq!(purged, ["by-post", "by-user", "by-person", "trending-parts"]);
        assert_eq!(READS.cleanup.retention(), Some(7 * DAY));
        assert_eq!(EVENTS.cleanup.retention(), Some(100 * DAY));
        let [letters, ..] = own("feed");
        assert_eq!(letters.cleanup.retention(), Some(30 * DAY));
    }

    #[test]
    fn what_trends_meets_in_one_partition_and_all_else_is_divided() {
        let fixed = names(|topic| topic.partitions.is_some());
        assert_eq!(fixed, ["trending-parts", "trending", "weights", "flags", "flags-audit"]);
        assert_eq!((TRENDING_PARTS.partitions, TRENDING.partitions), (Some(1), Some(1)));
    }

    #[test]
    fn dead_letters_are_named_after_their_application() {
        assert_eq!(dead_letters("feed"), "feed-dead-letters");
        assert_eq!(dead_letters_done("feed"), "feed-dead-letters-done");
    }
}
