//! Rows as the change capture writes them, and reads as the API does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream::broker::partition_of;
use schemas::{Read, UserId, Wire};
use serde_json::{Value, json};

use crate::Result;
use crate::raw::{Client, Message, Producer};

const LONG: Duration = Duration::from_secs(60);
const TOPICS: [&str; 5] = ["cdc.users", "cdc.posts", "cdc.follows", "cdc.likes", "reads"];

/// Writes them to a cluster; row after row, as one database would.
pub(crate) struct Writer {
    producer: Producer,
    partitions: i32,
    lsn: u64,
}

impl Writer {
    /// For topics of so many partitions, after so many rows.
    pub(crate) fn open(bootstrap: &str, partitions: i32, after: u64) -> Result<Self> {
        let client = Client::new(bootstrap).set("linger.ms", "5");
        let producer = Producer::open(client.set("queue.buffering.max.messages", "1000000"))?;
        Ok(Self { producer, partitions, lsn: after })
    }

    /// How many rows were written, ever.
    pub(crate) fn rows(&self) -> u64 {
        self.lsn
    }

    /// Writes what `make` makes; returns when the cluster has it.
    pub(crate) fn write<R>(&mut self, make: impl FnOnce(&mut Rows) -> R) -> Result<R> {
        let mut rows = Rows { at: now_ms(), lsn: self.lsn, records: Vec::new() };
        let made = make(&mut rows);
        self.lsn = rows.lsn;
        for name in TOPICS {
            let topic = self.producer.topic(name)?;
            let of_topic = rows.records.iter().filter(|record| record.topic == name);
            let messages = of_topic.map(|Record { key, value, .. }| {
                Message::new(partition_of(key, self.partitions), key, value)
            });
            self.producer.send_copies(&topic, messages)?;
        }
        self.producer.flush(LONG)?;
        Ok(made)
    }
}

/// What is to be written at once.
pub(crate) struct Rows {
    at: u64,
    lsn: u64,
    records: Vec<Record>,
}

struct Record {
    topic: &'static str,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Rows {
    /// A user.
    pub(crate) fn user(&mut self, user: &str) {
        self.keyed(("cdc.users", "users"), user, json!({"username": user}));
    }

    /// A post of `author`, unlike any other; answers its id.
    pub(crate) fn post(&mut self, author: &str) -> String {
        let post = id('d', self.lsn);
        self.keyed(("cdc.posts", "posts"), &post, json!({"user_id": author, "content": post}));
        post
    }

    /// A like.
    pub(crate) fn like(&mut self, user: &str, post: &str) {
        let like = id('f', self.lsn);
        self.keyed(("cdc.likes", "likes"), &like, json!({"user_id": user, "post_id": post}));
    }

    /// A follow.
    pub(crate) fn follow(&mut self, follower: &str, followee: &str) {
        let key = format!(r#"{{"follower_id":"{follower}","followee_id":"{followee}"}}"#);
        let row = json!({"follower_id": follower, "followee_id": followee});
        self.push(("cdc.follows", "follows"), key, row);
    }

    /// Somebody read a feed, and found it.
    pub(crate) fn read(&mut self, user: UserId) {
        let read =
            Read { at_ms: i64::try_from(self.at).unwrap_or(i64::MAX), miss: false, served: vec![] };
        let (key, value) = (user.to_bytes(), read.to_bytes());
        self.records.push(Record { topic: "reads", key, value });
    }

    fn keyed(&mut self, of: (&'static str, &str), id: &str, mut row: Value) {
        if let Value::Object(columns) = &mut row {
            columns.insert("id".into(), json!(id));
        }
        self.push(of, format!(r#"{{"id":"{id}"}}"#), row);
    }

    fn push(&mut self, (topic, table): (&'static str, &str), key: String, mut row: Value) {
        self.lsn += 1;
        if let Value::Object(columns) = &mut row {
            columns.insert("created_at".into(), json!(self.at));
        }
        let value = json!({
            "before": null,
            "after": row,
            "source": {
                "connector": "postgresql", "name": "cdc", "ts_ms": self.at, "snapshot": "false",
                "db": "feedmill", "schema": "public", "table": table, "lsn": self.lsn,
            },
            "op": "c",
            "ts_ms": self.at,
        });
        let (key, value) = (key.into_bytes(), value.to_string().into_bytes());
        self.records.push(Record { topic, key, value });
    }
}

/// The author with this number.
pub(crate) fn author(number: usize) -> String {
    id('a', number as u64)
}

/// The reader with this number.
pub(crate) fn reader(number: usize) -> String {
    id('c', number as u64)
}

/// Somebody else, with this number.
pub(crate) fn stranger(number: usize) -> String {
    id('e', number as u64)
}

/// The id of this number, of a kind told by a letter.
fn id(kind: char, number: u64) -> String {
    format!("{kind}0000000-0000-4000-8000-{number:012}")
}

/// The time of day, in ms UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
