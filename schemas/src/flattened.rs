//! What a `cdc.*` record without an envelope is: a row that `ExtractNewRecordState` flattened, or no row at all.
//!
//! A flattened row is its columns and, with `add.fields=op,lsn` and deletions rewritten, `__op`, `__lsn` (or
//! `__source_lsn`) and `__deleted`. With all three it says what an envelope says. Without one of them a
//! deletion or the order of changes is lost, so it is refused, by the name of the transform. What a connector
//! tells of itself (a schema change, a heartbeat, a transaction) changes no row and is refused by its name too: it has
//! come to this topic by mistake, and whoever looks at the dead letters learns of the mistake.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::avro::Read;
use crate::column::{AvroCell, Column, JsonCell, Object, Scalar, cells};
use crate::poison::FieldFault;
use crate::row::{Columns, ColumnsOf};

const EXPECTED: &str = "r, c, u, d or m";
const FLATTENED: &str = "a row flattened by ExtractNewRecordState without __op, __deleted or __lsn: \
    set add.fields=op,lsn and delete.tombstone.handling.mode=rewrite";
const SCHEMA_CHANGE: &str = "a schema change of Debezium: it belongs to a topic of its own";
const HEARTBEAT: &str = "a heartbeat of Debezium: it belongs to a topic of its own";
const TRANSACTION: &str = "transaction metadata of Debezium: it belongs to a topic of its own";

cells! {
    struct Marks {
        #[serde(rename = "__op")]
        op,
        #[serde(rename = "__deleted")]
        deleted,
        #[serde(rename = "__lsn")]
        lsn,
        #[serde(rename = "__source_lsn")]
        source_lsn,
        #[serde(rename = "__source_ts_ms")]
        source_ms,
        id,
        follower_id,
        status,
        data_collections,
        event_count,
        ts_ms,
        ddl,
        #[serde(rename = "tableChanges")]
        table_changes,
    }
}

/// The part of a value that lies beside its schema.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// A flattened row.
pub(crate) struct Flattened<'a> {
    /// `__op`, as an envelope has it; `d` if `__deleted` says so.
    pub(crate) op: char,
    pub(crate) lsn: u64,
    pub(crate) source_ms: Option<i64>,
    pub(crate) columns: Columns<'a>,
}

/// What a value says of itself, and its columns.
type Flat<'a> = (Marks<Scalar<'a>>, Columns<'a>);

fn read<'a>(value: &Read<'a>) -> Result<Flat<'a>, FieldFault> {
    let unread = |error: String| FieldFault::new("value", "a Debezium envelope", error);
    match value {
        Read::Json(value) => read_json(value).map_err(|error| unread(error.to_string())),
        Read::Avro(datum) => {
            let Object(marks) = datum.read::<Object<Marks<AvroCell<'a>>>>().map_err(unread)?;
            let Object(columns) =
                datum.read::<Object<ColumnsOf<AvroCell<'a>>>>().map_err(unread)?;
            Ok((marks.scalars(), columns.scalars()))
        }
    }
}

fn read_json(value: &[u8]) -> Result<Flat<'_>, serde_json::Error> {
    let Object(outer) = serde_json::from_slice::<Object<Payload<'_>>>(value)?;
    let value = outer.payload.map_or(value, |payload| payload.get().as_bytes());
    let Object(marks) = serde_json::from_slice::<Object<Marks<JsonCell<'_>>>>(value)?;
    let Object(columns) = serde_json::from_slice::<Object<ColumnsOf<JsonCell<'_>>>>(value)?;
    Ok((marks.scalars(), columns.scalars()))
}

impl<'a> Flattened<'a> {
    /// Reads a value that has no `op`; the fault says what the value is instead, where that is known.
    pub(crate) fn read(value: &Read<'a>) -> Result<Self, FieldFault> {
        let (marks, columns) = read(value)?;
        let wrong = |found: &str| FieldFault::told("op", EXPECTED, found);
        let is_row = marks.id.is_some() || marks.follower_id.is_some();
        let ends = marks.data_collections.is_some() || marks.event_count.is_some();
        if marks.status.is_some() && (ends || marks.id.is_some()) && marks.op.is_none() {
            return Err(wrong(TRANSACTION));
        }
        if !is_row && (marks.ddl.is_some() || marks.table_changes.is_some()) {
            return Err(wrong(SCHEMA_CHANGE));
        }
        if !is_row && marks.ts_ms.is_some() {
            return Err(wrong(HEARTBEAT));
        }
        let lsn = marks.lsn.or(marks.source_lsn);
        let (Some(op), Some(deleted), Some(_)) = (&marks.op, &marks.deleted, &lsn) else {
            let marked = marks.op.is_some() || marks.deleted.is_some() || lsn.is_some();
            let found = if is_row || marked { FLATTENED } else { "nothing" };
            return Err(wrong(found));
        };
        let deleted = deleted.flag() == Some(true) || deleted.text().as_deref() == Some("true");
        let op = op.text().and_then(|op| op.chars().next().filter(|_| op.len() == 1));
        let Some(op) = op.filter(|op| "rcud".contains(*op)) else {
            return Err(Column::new("__op", &marks.op).unknown("r, c, u or d"));
        };
        Ok(Self {
            op: if deleted { 'd' } else { op },
            lsn: Column::new("__lsn", &lsn).number()?.unwrap_or(0),
            source_ms: marks.source_ms.as_ref().and_then(Scalar::number),
            columns,
        })
    }
}
