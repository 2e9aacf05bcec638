//! The first record of a changelog: an id by which a store knows the log it was built from.
//!
//! It is written once, in the first transaction of the task, before anything else. Compaction keeps it: no
//! other record has its key. A log that begins with another id, or with none, was made anew under the state.

use crate::record::RawRecord;

/// Its key. Its value has version 0, which no serde has.
const KEY: &[u8] = b"\0millstream.genesis\0";

/// The id of a log.
pub(crate) type Genesis = [u8; 16];

/// Makes an id, and the key and the value that tell it.
pub(super) fn make() -> (Genesis, &'static [u8], [u8; 25]) {
    let id = *uuid::Uuid::new_v4().as_bytes();
    let mut value = [0; 25];
    if let Some(place) = value.last_chunk_mut::<16>() {
        *place = id;
    }
    (id, KEY, value)
}

/// Whether a record is one.
pub(crate) fn is(record: &RawRecord<'_>) -> bool {
    record.key == Some(KEY)
}

/// The id that a record tells, if it is one.
pub(super) fn of(record: &RawRecord<'_>) -> Option<Genesis> {
    record.value.filter(|_| is(record))?.last_chunk::<16>().copied()
}
