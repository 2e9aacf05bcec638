//! What a `cdc.*` record without an envelope is: a row that `ExtractNewRecordState` flattened, or no row at all.
//!
//! A flattened row is its columns and, with `add.fields=op,lsn` and deletions rewritten, `__op`, `__lsn` (or
//! `__source_lsn`) and `__deleted`. With all three it says what an envelope says. Without one of them a
//! deletion or the order of changes is lost, so it is refused, by the name of the transform.

use serde::Deserialize;

use crate::column::{Column, Object, Raw, number, text};
use crate::poison::FieldFault;
use crate::row::Columns;

const EXPECTED: &str = "r, c, u, d or m";
const FLATTENED: &str = "a row flattened by ExtractNewRecordState without __op, __deleted or __lsn: \
    set add.fields=op,lsn and delete.tombstone.handling.mode=rewrite";
const HEARTBEAT: &str = "a heartbeat of Debezium: it belongs to a topic of its own";
const TRANSACTION: &str = "transaction metadata of Debezium: it belongs to a topic of its own";

#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow, rename = "__op")]
    op: Raw<'a>,
    #[serde(borrow, rename = "__deleted")]
    deleted: Raw<'a>,
    #[serde(borrow, rename = "__lsn")]
    lsn: Raw<'a>,
    #[serde(borrow, rename = "__source_lsn")]
    source_lsn: Raw<'a>,
    #[serde(borrow, rename = "__source_ts_ms")]
    source_ms: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    follower_id: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    data_collections: Raw<'a>,
    #[serde(borrow)]
    event_count: Raw<'a>,
    #[serde(borrow)]
    ts_ms: Raw<'a>,
}

/// The part of a value that lies beside its schema.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    payload: Raw<'a>,
}

/// A flattened row.
pub(crate) struct Flattened<'a> {
    /// `__op`, as an envelope has it; `d` if `__deleted` says so.
    pub(crate) op: char,
    pub(crate) lsn: u64,
    pub(crate) source_ms: Option<i64>,
    pub(crate) columns: Columns<'a>,
}

impl<'a> Flattened<'a> {
    /// Reads a value that has no `op`; the fault says what the value is instead, where that is known.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, FieldFault> {
        let unread = |error| FieldFault::new("value", "a Debezium envelope in JSON", error);
        let Object(outer) = serde_json::from_slice::<Object<Payload<'_>>>(value).map_err(unread)?;
        let value = outer.payload.map_or(value, |payload| payload.get().as_bytes());
        let Object(marks) = serde_json::from_slice::<Object<Marks<'_>>>(value).map_err(unread)?;
        let wrong = |found: &str| FieldFault::new("op", EXPECTED, found);
        let is_row = marks.id.is_some() || marks.follower_id.is_some();
        let ends = marks.data_collections.is_some() || marks.event_count.is_some();
        if marks.status.is_some() && (ends || marks.id.is_some()) && marks.op.is_none() {
            return Err(wrong(TRANSACTION));
        }
        if !is_row && marks.ts_ms.is_some() {
            return Err(wrong(HEARTBEAT));
        }
        let lsn = marks.lsn.or(marks.source_lsn);
        let (Some(op), Some(deleted), Some(_)) = (marks.op, marks.deleted, lsn) else {
            let marked = marks.op.is_some() || marks.deleted.is_some() || lsn.is_some();
            let found = if is_row || marked { FLATTENED } else { "nothing" };
            return Err(wrong(found));
        };
        let deleted = deleted.get() == "true" || text(deleted).as_deref() == Some("true");
        let op = text(op).and_then(|op| op.chars().next().filter(|_| op.len() == 1));
        let Some(op) = op.filter(|op| "rcud".contains(*op)) else {
            return Err(Column::new("__op", marks.op).unknown("r, c, u or d"));
        };
        let Object(columns) = serde_json::from_slice(value).map_err(unread)?;
        Ok(Self {
            op: if deleted { 'd' } else { op },
            lsn: Column::new("__lsn", lsn).number()?.unwrap_or(0),
            source_ms: marks.source_ms.and_then(number),
            columns,
        })
    }
}
