//! What happens, as the records that tell of it: rows as a connector's envelopes without the schema part, events as JSON.
//!
//! Deletions name the key alone, as under the default replica identity. Likes and comments are told by their rows, because
//! the database decides about them; everything else that readers do, by events. Log positions rise.

use millstream::broker::{OutRecord, Outgoing, TopicIndex};
use millstream::{Headers, Timestamp};
use schemas::topic::{
    CDC_COMMENTS, CDC_FOLLOWS, CDC_LIKES, CDC_POSTS, CDC_USERS, EVENTS, READS, Topic,
};
use schemas::{Action, CommentId, EventId, LikeId, PostId, Read, UserId, Wire};
use worlds::random::{Kind, id};

/// Where records go, in the order of their numbers in [`Outgoing`].
pub const TOPICS: [Topic; 7] =
    [CDC_USERS, CDC_POSTS, CDC_FOLLOWS, CDC_COMMENTS, CDC_LIKES, EVENTS, READS];

const USERS: usize = 0;
const POSTS: usize = 1;
const FOLLOWS: usize = 2;
const COMMENTS: usize = 3;
const LIKES: usize = 4;
const BEHAVIOUR: usize = 5;
const LOOKS: usize = 6;

/// Appends records to what is to be sent, at rising log positions.
#[derive(Debug)]
pub struct Records {
    seed: u64,
    lsn: u64,
    acts: u32,
    outgoing: Outgoing,
}

impl Records {
    /// None yet; ids of likes, comments and events are made of the seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, lsn: 0, acts: 0, outgoing: Outgoing::default() }
    }

    /// What was appended since it was cleared.
    pub fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Forgets what was sent.
    pub fn clear(&mut self) {
        self.outgoing.clear();
    }

    /// A user is there.
    pub fn user(&mut self, user: UserId, at: i64) {
        let row = format!(r#"{{"id":"{user}","username":"{user}","created_at":{at}}}"#);
        self.row(USERS, at, (&by_id(&user), Some(&row)));
    }

    /// A user deletes their account.
    pub fn user_deleted(&mut self, user: UserId, at: i64) {
        self.row(USERS, at, (&by_id(&user), None));
    }

    /// A post is published; no two say the same.
    pub fn post(&mut self, (post, author): (PostId, UserId), at: i64) {
        let row = format!(
            r#"{{"id":"{post}","user_id":"{author}","content":"post {post}","created_at":{at}}}"#
        );
        self.row(POSTS, at, (&by_id(&post), Some(&row)));
    }

    /// A post is deleted.
    pub fn post_deleted(&mut self, post: PostId, at: i64) {
        self.row(POSTS, at, (&by_id(&post), None));
    }

    /// Somebody follows somebody, or no longer.
    pub fn follow(&mut self, (follower, followee): (UserId, UserId), at: i64, follows: bool) {
        let key = format!(r#"{{"follower_id":"{follower}","followee_id":"{followee}"}}"#);
        let row = format!(
            r#"{{"follower_id":"{follower}","followee_id":"{followee}","created_at":{at}}}"#
        );
        self.row(FOLLOWS, at, (&key, follows.then_some(row.as_str())));
    }

    /// Somebody does something with a post.
    pub fn act(&mut self, (user, post): (UserId, PostId), action: Action, at: i64) {
        self.acts += 1;
        let on_post = |id: &dyn std::fmt::Display| {
            format!(r#"{{"id":"{id}","post_id":"{post}","user_id":"{user}","created_at":{at}}}"#)
        };
        match action {
            Action::Like => {
                let like = LikeId(id(self.seed, Kind::Like, self.acts));
                self.row(LIKES, at, (&by_id(&like), Some(&on_post(&like))));
            }
            Action::Comment => {
                let comment = CommentId(id(self.seed, Kind::Comment, self.acts));
                self.row(COMMENTS, at, (&by_id(&comment), Some(&on_post(&comment))));
            }
            Action::Impression
            | Action::View
            | Action::Click
            | Action::Share
            | Action::Dwell
            | Action::Hide
            | Action::Report
            | Action::LessLikeThis
            | Action::Undo => {
                let event = EventId(id(self.seed, Kind::Event, self.acts));
                let value = format!(
                    r#"{{"event_id":"{event}","event_time":{at},"user_id":"{user}","post_id":"{post}","action":"{action}"}}"#
                );
                self.push(BEHAVIOUR, at, (user.to_string().as_bytes(), value.as_bytes()));
            }
        }
    }

    /// Somebody opens their feed, and is served these posts; none: they looked, and there was no feed.
    pub fn look(&mut self, user: UserId, at: i64, served: Option<Vec<PostId>>) {
        let (miss, served) = (served.is_none(), served.unwrap_or_default());
        let read = Read { at_ms: at, miss, served }.to_bytes();
        self.push(LOOKS, at, (&user.0, &read));
    }

    /// A row that is there, or the deletion of that key.
    fn row(&mut self, topic: usize, at: i64, (key, after): (&str, Option<&str>)) {
        self.lsn += 1;
        let (op, before) = if after.is_some() { ("c", "null") } else { ("d", key) };
        let (after, lsn) = (after.unwrap_or("null"), self.lsn);
        let value = format!(
            r#"{{"op":"{op}","before":{before},"after":{after},"source":{{"lsn":{lsn},"ts_ms":{at},"snapshot":"false"}}}}"#
        );
        self.push(topic, at, (key.as_bytes(), value.as_bytes()));
    }

    fn push(&mut self, topic: usize, at: i64, (key, value): (&[u8], &[u8])) {
        self.outgoing.push(OutRecord {
            topic: TopicIndex(u16::try_from(topic).unwrap_or(u16::MAX)),
            partition: 0,
            logged: false,
            timestamp: Timestamp(at),
            key: Some(key),
            value: Some(value),
            headers: Headers::default(),
        });
    }
}

fn by_id(id: &dyn std::fmt::Display) -> String {
    format!(r#"{{"id":"{id}"}}"#)
}
