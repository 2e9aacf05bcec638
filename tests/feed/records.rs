//! Input as it lies in topics: Debezium's envelopes, with and without their schema part, and events.

use schemas::{EventId, PostId, Read, UserId, Wire};
use serde_json::{Value, json};

use worlds::history::{
    Action, BehaviourEvent, FollowRow, Id, Image, Input, LikeOrComment, Payload, PostRow,
    RowChange, SilenceRow, UserRow,
};

/// A record of a topic.
pub struct Record {
    pub topic: &'static str,
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
}

/// The record of an input; its number decides which of the forms it has that mean the same.
pub fn record(input: &Input, number: usize) -> Record {
    match &input.payload {
        Payload::User(logged) => row("cdc.users", logged, number, user),
        Payload::Post(logged) => row("cdc.posts", logged, number, post),
        Payload::Follow(logged) => row("cdc.follows", logged, number, follow),
        Payload::Comment(logged) => row("cdc.comments", logged, number, like_or_comment),
        Payload::Like(logged) => row("cdc.likes", logged, number, like_or_comment),
        Payload::Mute(logged) => {
            named(row("cdc.mutes", logged, number, silence), "muter_id", "muted_id")
        }
        Payload::Block(logged) => {
            named(row("cdc.blocks", logged, number, silence), "blocker_id", "blocked_id")
        }
        Payload::Event(logged) => Record {
            topic: "events",
            key: Some(id(&logged.user).into_bytes()),
            value: event(logged, number).to_string().into_bytes(),
        },
        Payload::Read { user } => Record {
            topic: "reads",
            key: Some(user.to_vec()),
            value: Read { at_ms: input.arrived, miss: number.is_multiple_of(2), served: vec![] }
                .to_bytes(),
        },
    }
}

pub fn id(id: &Id) -> String {
    UserId(*id).to_string()
}

/// Writes a row's columns, given how times are written.
type Columns<R> = fn(&[Id], Option<&R>, &dyn Fn(i64) -> Value) -> Value;

fn row<R>(
    topic: &'static str,
    logged: &RowChange<R>,
    number: usize,
    columns: Columns<R>,
) -> Record {
    let time = |at: i64| time(at, number);
    let key = key(&logged.key);
    let image = columns(&logged.key, logged.image.row(), &time);
    let (op, before, after) = match logged.image {
        Image::Live(_) => ("c", Value::Null, image),
        Image::SoftDeleted(_) => {
            let mut marked = image;
            marked["deleted_at"] = time(1_700_000_000_000);
            ("u", Value::Null, marked)
        }
        Image::Deleted(_) | Image::DeletedByKey => ("d", image, Value::Null),
    };
    let source = json!({"lsn": logged.lsn, "table": topic, "snapshot": "false"});
    let envelope = json!({"before": before, "after": after, "source": source, "op": op});
    let whole = number.is_multiple_of(2);
    let part = |payload: Value| match whole {
        true => json!({"schema": {"type": "struct", "optional": false}, "payload": payload}),
        false => payload,
    };
    // A null key is no fault where the value names the row; but rows must stay in their partition.
    Record {
        topic,
        key: Some(key.to_string().into_bytes()),
        value: part(envelope).to_string().into_bytes(),
    }
}

fn key(ids: &[Id]) -> Value {
    match ids {
        [only] => json!({"id": id(only)}),
        [follower, followee, ..] => {
            json!({"follower_id": id(follower), "followee_id": id(followee)})
        }
        [] => Value::Null,
    }
}

const MADE_UP: &str = "1970-01-01T00:00:00Z";

fn user(key: &[Id], row: Option<&UserRow>, time: &dyn Fn(i64) -> Value) -> Value {
    let created_at = row.map_or(json!(MADE_UP), |row| time(row.created_at));
    json!({"id": id(&key[0]), "username": "somebody", "created_at": created_at})
}

fn post(key: &[Id], row: Option<&PostRow>, time: &dyn Fn(i64) -> Value) -> Value {
    match row {
        Some(row) => json!({
            "id": id(&row.id), "user_id": id(&row.user), "content": row.content,
            "created_at": time(row.created_at),
        }),
        None => json!({"id": id(&key[0]), "user_id": "", "content": "", "created_at": MADE_UP}),
    }
}

fn follow(key: &[Id], row: Option<&FollowRow>, time: &dyn Fn(i64) -> Value) -> Value {
    let created_at = row.map_or(json!(MADE_UP), |row| time(row.created_at));
    json!({"follower_id": id(&key[0]), "followee_id": id(&key[1]), "created_at": created_at})
}

fn silence(key: &[Id], row: Option<&SilenceRow>, time: &dyn Fn(i64) -> Value) -> Value {
    let created_at = row.map_or(json!(MADE_UP), |row| time(row.created_at));
    json!({"follower_id": id(&key[0]), "followee_id": id(&key[1]), "created_at": created_at})
}

/// The record of a row that has two users as a follow has, with its own names for them.
fn named(record: Record, by: &str, whom: &str) -> Record {
    let renamed = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace("follower_id", by).replace("followee_id", whom).into_bytes()
    };
    Record { key: record.key.map(renamed), value: renamed(record.value), ..record }
}

fn like_or_comment(key: &[Id], row: Option<&LikeOrComment>, time: &dyn Fn(i64) -> Value) -> Value {
    match row {
        Some(row) => json!({
            "id": id(&row.id), "post_id": id(&row.post), "user_id": id(&row.user),
            "created_at": time(row.created_at), "content": "unknown to us",
        }),
        None => json!({"id": id(&key[0]), "post_id": "", "user_id": "", "created_at": MADE_UP}),
    }
}

/// An event in JSON.
pub fn event(logged: &BehaviourEvent, number: usize) -> Value {
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
    json!({
        "event_id": logged.event.map(|id| EventId(id).to_string()),
        "user_id": UserId(logged.user).to_string(),
        "post_id": PostId(logged.post).to_string(),
        "action": action,
        "event_time": time(logged.time, number),
    })
}

/// A time in one of the forms that mean the same.
fn time(at: i64, number: usize) -> Value {
    match number % 3 {
        0 => json!(at),
        1 => json!(at * 1_000),
        _ => json!(iso(at)),
    }
}

/// ISO 8601 with six decimals, as a connector writes it.
fn iso(at: i64) -> String {
    let (days, ms) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_year = |year| if is_leap(year) { 366 } else { 365 };
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        (left, month) = (left - days, month + 1);
    }
    let (day, second) = (left + 1, ms / 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let micros = ms % 1_000 * 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}
