//! The rows of a table that are live by its topic.
//!
//! Records of a row come in the order of its partition. A connector may repeat older ones, so the newest position decides; a
//! row that was deleted is forgotten, and one that an older record brings back is deleted once more, which changes nothing.

use std::collections::HashMap;

use schemas::{Cdc, Payload, Row};

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
pub struct Rows<R: Row>(HashMap<R::Key, Live<R>>);

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Row + Clone> Rows<R> {
    /// Takes a record; what is no change of a row says nothing.
    pub fn take(&mut self, place: Place<'_>, key: Option<&Payload>, value: Option<&Payload>) {
        let Ok(Cdc::Change(change)) = Cdc::<R>::decode(key, value) else { return };
        let Some(row) = change.key else { return };
        if self.0.get(&row).is_some_and(|known| known.lsn > change.lsn) {
            return;
        }
        match change.live() {
            Some(image) => {
                let Place { partition, key } = place;
                let (key, image) = (key.map(Box::from), image.clone());
                self.0.insert(row, Live { partition, key, image, lsn: change.lsn });
            }
            None => drop(self.0.remove(&row)),
        }
    }

    /// Those whose newest image is older than this position.
    pub fn older_than(&self, lsn: u64) -> impl Iterator<Item = &Live<R>> {
        self.0.values().filter(move |row| row.lsn < lsn)
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
