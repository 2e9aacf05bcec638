//! The rows of a table that are live by its topic.
//!
//! Records of a row come in the order of its partition. A connector may repeat older ones, so the newest position decides; a
//! row that was deleted is forgotten, and one that an older record brings back is deleted once more, which changes nothing.

use std::collections::{BTreeSet, HashMap};

use schemas::{Cdc, Payload, Row, truncated_at};

/// Where the records of a row lie, and under which key.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Their partition.
    pub partition: i32,
    /// Their key, if they have one.
    pub key: Option<&'a [u8]>,
}

/// A row that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live<R> {
    /// The partition of its records.
    pub partition: i32,
    /// The key of its records.
    pub key: Option<Box<[u8]>>,
    /// Its newest image.
    pub image: R,
    lsn: u64,
}

/// See the module.
pub struct Rows<R: Row> {
    live: HashMap<R::Key, Live<R>>,
    /// Where the topic tells of a TRUNCATE.
    pub truncated_at: BTreeSet<u64>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { live: HashMap::new(), truncated_at: BTreeSet::new() }
    }
}

impl<R: Row + Clone> Rows<R> {
    /// Takes a record; what is no change of a row says nothing.
    pub fn take(&mut self, place: Place<'_>, key: Option<&Payload>, value: Option<&Payload>) {
        self.truncated_at.extend(value.and_then(truncated_at));
        let Ok(Cdc::Change(change)) = Cdc::<R>::decode(key, value) else { return };
        let Some(row) = change.key else { return };
        if self.live.get(&row).is_some_and(|known| known.lsn > change.lsn) {
            return;
        }
        match change.live() {
            Some(image) => {
                let Place { partition, key } = place;
                let (key, image) = (key.map(Box::from), image.clone());
                self.live.insert(row, Live { partition, key, image, lsn: change.lsn });
            }
            None => drop(self.live.remove(&row)),
        }
    }

    /// Those whose newest image is older than this position.
    pub fn older_than(&self, lsn: u64) -> impl Iterator<Item = &Live<R>> {
        self.live.values().filter(move |row| row.lsn < lsn)
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Like, LikeId};

    use super::*;

    fn id(n: u8) -> String {
        LikeId([n; 16]).to_string()
    }

    fn envelope(op: &str, n: u8, lsn: u64) -> String {
        let (id, image) = (id(n), if op == "d" { "before" } else { "after" });
        format!(
            r#"{{"op":"{op}","{image}":{{"id":"{id}","post_id":"{id}","user_id":"{id}","created_at":5}},"source":{{"lsn":{lsn}}}}}"#
        )
    }

    /// The ids of the rows that are older than 100 after these records.
    fn older(records: &[String]) -> Vec<String> {
        let mut rows = Rows::<Like>::default();
        for record in records {
            let value = Payload::json(record.as_bytes());
            rows.take(Place { partition: 3, key: Some(b"k") }, None, Some(&value));
        }
        let mut older: Vec<_> = rows.older_than(100).map(|row| row.image.id.to_string()).collect();
        older.sort();
        older
    }

    #[test]
    fn a_row_of_before_is_older_and_one_that_came_again_since_is_not() {
        let records = [
            envelope("r", 1, 10),
            envelope("c", 2, 20),
            envelope("c", 3, 30),
            r#"{"op":"t","source":{"lsn":100}}"#.to_owned(),
            envelope("c", 2, 110),
        ];
        assert_eq!(older(&records), [id(1), id(3)]);
    }

    #[test]
    fn where_a_topic_tells_of_a_truncate_is_known() {
        let mut rows = Rows::<Like>::default();
        for lsn in ["100", "7", "0", "null"] {
            let value = format!(r#"{{"op":"t","source":{{"lsn":{lsn}}}}}"#);
            rows.take(
                Place { partition: 0, key: None },
                None,
                Some(&Payload::json(value.as_bytes())),
            );
        }
        let value = envelope("c", 1, 9);
        rows.take(Place { partition: 0, key: None }, None, Some(&Payload::json(value.as_bytes())));
        assert_eq!(rows.truncated_at, [7, 100].into());
    }

    #[test]
    fn a_row_that_was_deleted_already_needs_no_delete() {
        assert_eq!(older(&[envelope("c", 1, 10), envelope("d", 1, 20)]), Vec::<String>::new());
    }

    #[test]
    fn an_older_image_that_is_repeated_replaces_none() {
        let records = [envelope("c", 1, 10), envelope("u", 1, 120), envelope("c", 1, 10)];
        assert_eq!(older(&records), Vec::<String>::new());
    }

    #[test]
    fn a_row_keeps_the_place_and_the_key_of_its_records() {
        let mut rows = Rows::<Like>::default();
        let value = Payload::json(envelope("c", 1, 10).as_bytes());
        rows.take(Place { partition: 7, key: Some(b"\0avro") }, None, Some(&value));
        let places: Vec<_> =
            rows.older_than(100).map(|row| (row.partition, row.key.as_deref())).collect();
        assert_eq!(places, [(7, Some(&b"\0avro"[..]))]);
    }
}
