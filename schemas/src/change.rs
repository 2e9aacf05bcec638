//! One change of one row, as Debezium writes it.
//!
//! An envelope is JSON, with the schema part (`{"schema":…,"payload":…}`) or without. Reading it goes:
//! the null value is a tombstone; then the operation; then the image after it (created, updated, read in
//! a snapshot) or before it (deleted); then the row's key.
//!
//! What always holds:
//! * An image that must be there is complete or the record is a [`Poison`] naming the column. An image
//!   that is only nice to have is complete or `None`.
//! * A delete under the default replica identity carries the key and made-up values elsewhere (an empty
//!   id, the time 1970-01-01). It has no `before` here. Callers keep the last image by key.
//! * The connector's placeholder for a value it does not know never becomes part of a row.
//! * What is about no row changes none. A message of the database's log is taken as one; a TRUNCATE is a [`Poison`] that
//!   names the command by which its rows go, for it names none of them.

use serde::Deserialize;

use crate::avro::{Datum, Payload, Read};
use crate::column::{AvroCell, Column, JsonCell, Object, Scalar, cells};
use crate::flattened::Flattened;
use crate::mark::Mark;
use crate::poison::{FieldFault, Poison};
use crate::row::{Columns, ColumnsOf, Row};
use crate::time;

/// The `created_at` that a connector invents for a deleted row it does not know.
const MADE_UP_MS: i64 = 0;

/// The tables that are captured.
const TABLES: [&str; 5] = ["users", "posts", "follows", "comments", "likes"];

const ONE_ROW: &str = "r, c, u, d or m";
const TRUNCATE: &str = "\"t\": the table was truncated, state is unchanged";
/// What deletes the rows of a truncated table here, before the table's name and the position of the TRUNCATE.
const DELETES: &str = "feedmill cdc truncate";

/// What was done to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `r`: it was there when a snapshot was taken.
    Snapshot,
    /// `c`: it was inserted.
    Create,
    /// `u`: it was updated.
    Update,
    /// `d`: it was deleted.
    Delete,
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<R: Row> {
    /// What was done.
    pub op: Op,
    /// Which row; `None` only for a delete that names none, which can have no effect.
    pub key: Option<R::Key>,
    /// `source.lsn`; 0 if the source names none.
    pub lsn: u64,
    /// The image before, if it came along and is no invention of the connector's.
    pub before: Option<R>,
    /// The image after; always there but for a delete. Its `deleted_at` may still say it is deleted.
    pub after: Option<R>,
    /// `source.ts_ms`: when the database made the change, in ms UTC.
    pub source_ms: Option<i64>,
}

impl<R: Row> Change<R> {
    /// How new the change is, under the configured `epoch`.
    pub fn mark(&self, epoch: u32) -> Mark {
        Mark { epoch, lsn: self.lsn }
    }

    /// The row as it is from now on: `None` if it was deleted, either way.
    pub fn live(&self) -> Option<&R> {
        self.after.as_ref().filter(|row| !row.is_deleted())
    }

    /// What is wrong with the time of a live row in a record of `record_ms`, if that time cannot be meant.
    pub fn implausible(&self, record_ms: i64) -> Option<Poison> {
        let at_ms = self.live()?.created_at_ms();
        // A topic may have been copied with other timestamps; the database's own clock is in the envelope.
        let record_ms = record_ms.max(self.source_ms.unwrap_or(i64::MIN));
        let (plausible, expected) = match R::COUNTS_AT_CREATION {
            true => (time::is_plausible(at_ms, record_ms), time::PLAUSIBLE),
            false => (!time::is_ahead(at_ms, record_ms), time::NOT_AHEAD),
        };
        (!plausible).then(|| FieldFault::new("created_at", expected, at_ms).of(R::WHAT))
    }

    /// The best image that the change carries: the one after, else the one before.
    pub fn image(&self) -> Option<&R> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// One record of a `cdc.*` topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cdc<R: Row> {
    /// A row changed.
    Change(Change<R>),
    /// A null value: follows a delete, changes nothing.
    Tombstone,
    /// `m`: a message of the database's log, about no row.
    Message,
}

cells! {
    struct Source {
        table,
        lsn,
        ts_ms,
    }
}

/// An envelope in one of the formats.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
struct EnvelopeOf<C> {
    op: Option<C>,
    before: Option<Object<ColumnsOf<C>>>,
    after: Option<Object<ColumnsOf<C>>>,
    source: Option<Object<Source<C>>>,
}

/// An envelope, whatever its format.
struct Envelope<'a> {
    op: Option<Scalar<'a>>,
    before: Option<Columns<'a>>,
    after: Option<Columns<'a>>,
    source: Option<Source<Scalar<'a>>>,
}

impl<'a, C: Into<Scalar<'a>>> From<EnvelopeOf<C>> for Envelope<'a> {
    fn from(of: EnvelopeOf<C>) -> Self {
        let columns = |image: Option<Object<ColumnsOf<C>>>| image.map(|Object(of)| of.scalars());
        Self {
            op: of.op.map(Into::into),
            before: columns(of.before),
            after: columns(of.after),
            source: of.source.map(|Object(source)| source.scalars()),
        }
    }
}

/// An envelope in JSON as it may stand in a value: in `payload` beside its schema, or alone.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    payload: Option<Object<EnvelopeOf<JsonCell<'a>>>>,
    #[serde(borrow)]
    op: Option<JsonCell<'a>>,
    #[serde(borrow)]
    before: Option<Object<ColumnsOf<JsonCell<'a>>>>,
    #[serde(borrow)]
    after: Option<Object<ColumnsOf<JsonCell<'a>>>>,
    #[serde(borrow)]
    source: Option<Object<Source<JsonCell<'a>>>>,
}

/// A key in JSON with its schema part; without one it is the columns themselves.
#[derive(Deserialize)]
struct OuterKey<'a> {
    #[serde(borrow)]
    payload: Option<Object<ColumnsOf<JsonCell<'a>>>>,
}

impl<R: Row> Cdc<R> {
    /// Reads one record, in JSON or in Avro; `key` is looked at only if the value names no row.
    pub fn decode(key: Option<&Payload>, value: Option<&Payload>) -> Result<Self, Poison> {
        let Some(value) = value else { return Ok(Self::Tombstone) };
        decode_value(key, value).map_err(|fault| fault.of(R::WHAT))
    }
}

/// Where in the database's log a TRUNCATE lies, if the value is one that says so.
pub fn truncated_at(value: &Payload) -> Option<u64> {
    let read = value.read("value").ok()?;
    let envelope = open(&read).ok()?;
    let op = envelope.op.as_ref().and_then(Scalar::text);
    let (lsn, _) = position(envelope.source.as_ref()).ok()?;
    (op.as_deref() == Some("t") && lsn > 0).then_some(lsn)
}

fn decode_value<R: Row>(key: Option<&Payload>, value: &Payload) -> Result<Cdc<R>, FieldFault> {
    let read = value.read("value")?;
    let envelope = open(&read)?;
    let op = match envelope.op.as_ref().and_then(Scalar::text).as_deref() {
        Some("r") => Op::Snapshot,
        Some("c") => Op::Create,
        Some("u") => Op::Update,
        Some("d") => Op::Delete,
        Some("m") => return Ok(Cdc::Message),
        Some("t") => return Err(truncated::<R>(envelope.source.as_ref())),
        None if envelope.op.is_none()
            && (envelope.before.is_some() || envelope.after.is_some()) =>
        {
            return Err(FieldFault::missing("op", ONE_ROW));
        }
        None if envelope.op.is_none() => return decode_flattened(key, &read),
        _ => return Err(Column::new("op", &envelope.op).unknown(ONE_ROW)),
    };
    of_its_table::<R>(envelope.source.as_ref())?;
    let (lsn, source_ms) = position(envelope.source.as_ref())?;
    let Envelope { before, after, .. } = envelope;
    change((op, lsn, source_ms), before, after, key).map(Cdc::Change)
}

/// What is said of a TRUNCATE, and what to do where its source tells its position.
fn truncated<R: Row>(source: Option<&Source<Scalar<'_>>>) -> FieldFault {
    let words = match position(source) {
        Ok((0, _)) | Err(_) => TRUNCATE.to_owned(),
        Ok((lsn, _)) => {
            format!("{TRUNCATE}; its rows are deleted by: {DELETES} {}s --lsn {lsn}", R::WHAT)
        }
    };
    FieldFault::told("op", ONE_ROW, words)
}

/// Reads a row without an envelope.
fn decode_flattened<R: Row>(key: Option<&Payload>, value: &Read<'_>) -> Result<Cdc<R>, FieldFault> {
    let Flattened { op, lsn, source_ms, columns } = Flattened::read(value)?;
    let columns = Some(columns);
    let (op, before, after) = match op {
        'd' => (Op::Delete, columns, None),
        'r' => (Op::Snapshot, None, columns),
        'c' => (Op::Create, None, columns),
        _ => (Op::Update, None, columns),
    };
    change((op, lsn, source_ms), before, after, key).map(Cdc::Change)
}

fn change<R: Row>(
    (op, lsn, source_ms): (Op, u64, Option<i64>),
    before: Option<Columns<'_>>,
    after: Option<Columns<'_>>,
    key: Option<&Payload>,
) -> Result<Change<R>, FieldFault> {
    let old = before.as_ref().and_then(|columns| R::read(columns).ok());
    if op == Op::Delete {
        let key = deleted_key::<R>(before.as_ref(), key)?;
        let before = old.filter(|row| row.created_at_ms() != MADE_UP_MS);
        return Ok(Change { op, key, lsn, before, after: None, source_ms });
    }
    let Some(columns) = after.as_ref() else {
        return Err(FieldFault::missing("after", "a row"));
    };
    let key = Some(R::key(columns)?);
    let mut new = R::read(columns)?;
    if let Some(old) = &old {
        new.complete(old);
    }
    Ok(Change { op, key, lsn, before: old, after: Some(new), source_ms })
}

/// Reads the envelope out of a value.
fn open<'a>(value: &Read<'a>) -> Result<Envelope<'a>, FieldFault> {
    match value {
        Read::Json(value) => open_json(value)
            .map_err(|error| FieldFault::new("value", "a Debezium envelope in JSON", error)),
        Read::Avro(datum) => open_avro(datum)
            .map_err(|error| FieldFault::new("value", "a Debezium envelope in Avro", error)),
    }
}

fn open_json(value: &[u8]) -> Result<Envelope<'_>, serde_json::Error> {
    let Object(outer) = serde_json::from_slice::<Object<Outer<'_>>>(value)?;
    let Outer { payload, op, before, after, source } = outer;
    let alone = EnvelopeOf { op, before, after, source };
    Ok(payload.map_or(alone, |Object(envelope)| envelope).into())
}

fn open_avro<'a>(datum: &Datum<'a>) -> Result<Envelope<'a>, String> {
    let Object(envelope) = datum.read::<Object<EnvelopeOf<AvroCell<'a>>>>()?;
    Ok(envelope.into())
}

/// Refuses a row of another table of ours. A table may have any name of its own where a router named the topic.
fn of_its_table<R: Row>(source: Option<&Source<Scalar<'_>>>) -> Result<(), FieldFault> {
    let named = source.and_then(|source| source.table.as_ref()).and_then(Scalar::text);
    match named.as_deref().filter(|table| TABLES.contains(table)) {
        Some(table) if table.strip_suffix('s') != Some(R::WHAT) => {
            Err(FieldFault::new("source.table", "the table of this topic", format!("{table:?}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Reads the log position and the time of the change.
fn position(source: Option<&Source<Scalar<'_>>>) -> Result<(u64, Option<i64>), FieldFault> {
    let Some(source) = source else { return Ok((0, None)) };
    let lsn = Column::new("source.lsn", &source.lsn).number()?.unwrap_or(0);
    Ok((lsn, source.ts_ms.as_ref().and_then(Scalar::number)))
}

/// Finds out which row was deleted: its image names it, or else the record's key does.
fn deleted_key<R: Row>(
    before: Option<&Columns<'_>>,
    key: Option<&Payload>,
) -> Result<Option<R::Key>, FieldFault> {
    if let Some(named) = before.and_then(|columns| R::key(columns).ok()) {
        return Ok(Some(named));
    }
    let Some(key) = key else { return Ok(None) };
    let columns = match &key.read("key")? {
        Read::Json(key) => {
            key_json(key).map_err(|error| FieldFault::new("key", "a primary key in JSON", error))?
        }
        Read::Avro(datum) => datum
            .read::<Object<ColumnsOf<AvroCell<'_>>>>()
            .map(|Object(columns)| columns.scalars())
            .map_err(|error| FieldFault::new("key", "a primary key in Avro", error))?,
    };
    Ok(Some(R::key(&columns)?))
}

fn key_json(key: &[u8]) -> Result<Columns<'_>, serde_json::Error> {
    let Object(outer) = serde_json::from_slice::<Object<OuterKey<'_>>>(key)?;
    let Object(columns) = match outer.payload {
        Some(payload) => payload,
        None => serde_json::from_slice::<Object<ColumnsOf<JsonCell<'_>>>>(key)?,
    };
    Ok(columns.scalars())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Like, LikeId, User};

    fn id<T: From<[u8; 16]>>(table: u8, n: u8) -> T {
        T::from([0x01, 0x90, 0xa6, 0xc2, 0, 0, 0x70, 0, table, 0, 0, 0, 0, 0, 0, n])
    }

    fn poison<R: Row + std::fmt::Debug>(value: &str) -> String {
        Cdc::<R>::decode(None, Some(&Payload::json(value.as_bytes()))).unwrap_err().to_string()
    }

    /// Whether a row of these columns is live, with `deleted_at` and without.
    fn is_live<R: Row>(columns: &str) -> [bool; 2] {
        ["", r#","deleted_at":7"#].map(|deleted| {
            let value = format!(r#"{{"op":"u","after":{{{columns},"created_at":5{deleted}}}}}"#);
            match Cdc::<R>::decode(None, Some(&Payload::json(value.as_bytes()))).unwrap() {
                Cdc::Change(change) => change.live().is_some(),
                Cdc::Tombstone | Cdc::Message => false,
            }
        })
    }

    #[test]
    fn a_row_of_any_table_is_live_until_its_deleted_at_is_set() {
        let id = r#""01900000-0000-7000-8000-000000000001""#;
        let of_post = format!(r#""id":{id},"post_id":{id},"user_id":{id}"#);
        let live = [
            is_live::<crate::User>(&format!(r#""id":{id},"username":"u""#)),
            is_live::<crate::Post>(&format!(r#""id":{id},"user_id":{id},"content":"c""#)),
            is_live::<crate::Follow>(&format!(r#""follower_id":{id},"followee_id":{id}"#)),
            is_live::<crate::Comment>(&of_post),
            is_live::<Like>(&of_post),
        ];
        assert_eq!(live, [[true, false]; 5]);
    }

    #[test]
    fn a_soft_delete_has_an_image_but_is_not_live() {
        let value = r#"{"op":"u","after":{"id":"0190a6c2-0000-7000-8000-000000000001",
            "created_at":5,"deleted_at":0}}"#;
        let decoded = Cdc::<User>::decode(None, Some(&Payload::json(value.as_bytes()))).unwrap();
        let Cdc::Change(change) = decoded else { panic!("no change") };
        let image = User { id: id(0x80, 1), created_at_ms: 5, deleted: true };
        assert_eq!((change.live(), change.image(), change.lsn), (None, Some(&image), 0));
    }

    fn like_of(op: &str, created_at: i64) -> Change<Like> {
        let value = format!(
            r#"{{"__op":"{op}","__deleted":"false","__lsn":9,"created_at":{created_at},
                "id":"0190a6c2-0000-7000-a000-000000000001",
                "post_id":"0190a6c2-0000-7000-9000-000000000001",
                "user_id":"0190a6c2-0000-7000-8000-000000000001"}}"#
        );
        let Cdc::Change(change) =
            Cdc::decode(None, Some(&Payload::json(value.as_bytes()))).unwrap()
        else {
            panic!("no change");
        };
        change
    }

    #[test]
    fn a_row_without_an_envelope_says_its_operation_and_how_new_it_is() {
        let made = [("r", Op::Snapshot), ("c", Op::Create), ("u", Op::Update), ("d", Op::Delete)];
        for (op, expected) in made {
            let change = like_of(op, 5);
            assert_eq!((change.op, change.after.is_none()), (expected, op == "d"), "{op}");
            assert_eq!(change.mark(3), Mark { epoch: 3, lsn: 9 }, "{op}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_meant_is_implausible_beside_that_of_the_record() {
        const NOW: i64 = 1_700_000_000_000;
        const DAY: i64 = 86_400_000;
        let reason = |at: i64| like_of("c", at).implausible(NOW).map(|poison| poison.to_string());
        assert_eq!((reason(NOW), reason(NOW + DAY)), (None, None));
        let expected = "decode like: created_at: expected a time from 1990 to a day after the \
            record's, in ms, us or ns, found 1700000";
        assert_eq!(reason(1_700_000).as_deref(), Some(expected), "seconds, say");
        assert!(reason(NOW + DAY + 1).is_some());
        let late = Change { source_ms: Some(NOW + 1), ..like_of("c", NOW + DAY + 1) };
        assert_eq!(late.implausible(NOW), None, "the topic was copied under other times");
    }

    #[test]
    fn the_time_of_a_row_that_counts_nowhere_may_be_any_but_far_ahead() {
        let born = |created_at_ms| {
            let after = Some(User { id: id(0x80, 1), created_at_ms, deleted: false });
            let (key, before) = (Some(id(0x80, 1)), None);
            Change { op: Op::Create, key, lsn: 1, before, after, source_ms: None }
        };
        assert_eq!(born(0).implausible(1_000), None);
        let reason = born(86_401_001).implausible(1_000).unwrap().to_string();
        assert!(reason.contains("at most a day after the record's"), "{reason}");
    }

    #[test]
    fn a_flattened_row_is_deleted_by_a_flag_as_well_as_by_a_word() {
        let op = |deleted: &str| {
            let value = format!(
                r#"{{"__op":"u","__deleted":{deleted},"__lsn":9,"created_at":5,
                    "id":"0190a6c2-0000-7000-a000-000000000001",
                    "post_id":"0190a6c2-0000-7000-9000-000000000001",
                    "user_id":"0190a6c2-0000-7000-8000-000000000001"}}"#
            );
            let decoded = Cdc::<Like>::decode(None, Some(&Payload::json(value.as_bytes())));
            let Ok(Cdc::Change(change)) = decoded else { panic!("no change") };
            change.op
        };
        let found = ["true", "false", r#""true""#, r#""false""#, "1"].map(op);
        assert_eq!(found, [Op::Delete, Op::Update, Op::Delete, Op::Update, Op::Update]);
    }

    #[test]
    fn a_delete_that_names_no_row_has_no_key() {
        let value = br#"{"op":"d","before":null,"after":null,"source":{"lsn":7}}"#;
        let decoded = Cdc::<Like>::decode(None, Some(&Payload::json(value))).unwrap();
        let change = Change {
            op: Op::Delete,
            key: None,
            lsn: 7,
            before: None,
            after: None,
            source_ms: None,
        };
        assert_eq!(decoded, Cdc::Change(change));
    }

    #[test]
    fn the_record_key_names_a_deleted_row_with_and_without_a_schema_part() {
        let value: &[u8] = br#"{"op":"d"}"#;
        let text = "0190a6c2-0000-7000-a000-000000000001";
        let plain = format!(r#"{{"id":"{text}"}}"#);
        let wrapped = format!(r#"{{"schema":{{"type":"struct"}},"payload":{plain}}}"#);
        let keys = [plain, wrapped].map(|key| {
            let decoded = Cdc::<Like>::decode(
                Some(&Payload::json(key.as_bytes())),
                Some(&Payload::json(value)),
            )
            .unwrap();
            let Cdc::Change(change) = decoded else { panic!("no change") };
            change.key
        });
        assert_eq!(keys, [Some(id::<LikeId>(0xa0, 1)); 2]);
    }

    #[test]
    fn a_missing_or_wrong_column_is_named() {
        let row = r#""id":"0190a6c2-0000-7000-a000-000000000001",
            "post_id":"0190a6c2-0000-7000-9000-000000000001""#;
        let user = r#""user_id":"0190a6c2-0000-7000-8000-000000000001""#;
        let made =
            |columns: String| poison::<Like>(&format!(r#"{{"op":"c","after":{{{columns}}}}}"#));
        let soon = r#""created_at":"soon""#;
        assert_eq!(
            made(format!("{row},{user},{soon}")),
            "decode like: created_at: expected a time, found \"soon\""
        );
        assert_eq!(
            made(format!("{row},{user}")),
            "decode like: created_at: expected a time, found nothing"
        );
        assert_eq!(
            made(format!("{row},\"created_at\":1")),
            "decode like: user_id: expected a UUID, found nothing"
        );
        assert_eq!(made(String::new()), "decode like: id: expected a UUID, found nothing");
    }

    #[test]
    fn a_truncate_says_that_nothing_changed_and_what_deletes_its_rows_where_its_position_is_known()
    {
        let reason = poison::<Like>(r#"{"op":"t","source":{"lsn":1650}}"#);
        let expected = "decode like: op: expected r, c, u, d or m, \
            found \"t\": the table was truncated, state is unchanged";
        let command = "; its rows are deleted by: feedmill cdc truncate likes --lsn 1650";
        assert_eq!(reason, format!("{expected}{command}"));
        for of_no_position in [r#"{"op":"t"}"#, r#"{"op":"t","source":{"lsn":"0/16"}}"#] {
            assert_eq!(poison::<Like>(of_no_position), expected);
        }
    }

    #[test]
    fn what_is_no_envelope_is_poison_with_the_reason() {
        let op = "decode like: op: expected r, c, u, d or m, found ";
        assert_eq!(poison::<Like>(r#"{"x":"y"}"#), format!("{op}nothing"));
        assert_eq!(poison::<Like>(r#"{"op":"x"}"#), format!("{op}\"x\""));
        assert_eq!(poison::<Like>(r#"{"op":7}"#), format!("{op}7"));
        let after = "decode like: after: expected a row, found nothing";
        assert_eq!(poison::<Like>(r#"{"op":"c","after":null}"#), after);
        let lsn = "decode like: source.lsn: expected a whole number, found \"0/16\"";
        assert_eq!(poison::<Like>(r#"{"op":"d","source":{"lsn":"0/16"}}"#), lsn);
    }

    #[test]
    fn an_array_never_stands_for_a_row() {
        let reason = poison::<Like>(r#"{"op":"c","after":["a","b","c"]}"#);
        assert!(reason.starts_with("decode like: value: expected a Debezium envelope in JSON"));
        assert!(reason.contains("invalid type: sequence, expected an object"), "{reason}");
    }

    #[test]
    fn depth_does_not_exhaust_the_stack() {
        let deep = format!(r#"{{"op":"c","after":{{"x":{}1"#, "[{\"a\":".repeat(100_000));
        let reason = poison::<Like>(&deep);
        assert!(reason.starts_with("decode like: value: expected a Debezium envelope in JSON"));
        let key = "[".repeat(100_000);
        assert!(
            Cdc::<Like>::decode(
                Some(&Payload::json(key.as_bytes())),
                Some(&Payload::json(br#"{"op":"d"}"#))
            )
            .is_err()
        );
    }
}
