//! What PostgreSQL and ClickHouse have of one row: equal, or in which columns not.
//!
//! Equal are two rows with the same ids, the same time of creation in ms and, of posts, the same hash of the content. A hash
//! that ClickHouse does not know is compared with nothing: the log did not repeat that content. A row that is deleted is
//! equal to one that is not there.

use connectors::clickhouse::Image;
use connectors::table::{LiveRow, RowKey, Table};

use super::difference::{Difference, Found};

/// The servers, as they are called in differences.
pub const POSTGRES: &str = "postgresql";
pub const CLICKHOUSE: &str = "clickhouse";

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The live row of PostgreSQL.
    pub postgres: Option<LiveRow>,
    /// What ClickHouse knows of it.
    pub clickhouse: Option<Image>,
}

impl Sight {
    /// Whether both say the same.
    pub fn is_equal(&self) -> bool {
        is_equal(self.postgres.as_ref(), self.clickhouse.and_then(|image| image.row).as_ref())
    }

    /// The differences of a row of `table` with this key.
    pub fn differences(&self, table: Table, key: RowKey) -> Vec<Difference> {
        let difference = |column: &str, postgres: String, clickhouse: String| Difference {
            part: table.name(),
            key: key.to_string(),
            column: column.to_owned(),
            found: [Found::at(POSTGRES, postgres), Found::at(CLICKHOUSE, clickhouse)],
        };
        let (none, live) = ("none".to_owned(), "live".to_owned());
        let (postgres, clickhouse) = match (self.postgres, self.clickhouse) {
            (None, Some(Image { row: Some(_), .. })) => return vec![difference("row", none, live)],
            (None, None | Some(Image { row: None, .. })) => return Vec::new(),
            (Some(_), None) => return vec![difference("row", live, none)],
            (Some(_), Some(Image { row: None, .. })) => {
                return vec![difference("is_deleted", "0".to_owned(), "1".to_owned())];
            }
            (Some(postgres), Some(Image { row: Some(clickhouse), .. })) => (postgres, clickhouse),
        };
        let columns = columns(table, &postgres).into_iter().zip(columns(table, &clickhouse));
        columns
            .filter(|((_, one), (_, other))| one != other && other != UNKNOWN)
            .map(|((name, one), (_, other))| difference(name, one, other))
            .collect()
    }
}

/// Whether a row is the same on both sides; the second may not know a content.
pub fn is_equal(postgres: Option<&LiveRow>, clickhouse: Option<&LiveRow>) -> bool {
    match (postgres, clickhouse) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let other = LiveRow { content_hash: other.content_hash.or(one.content_hash), ..*other };
            *one == other
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

const UNKNOWN: &str = "unknown";

fn columns(table: Table, row: &LiveRow) -> Vec<(&'static str, String)> {
    let ids = table.ids().iter().zip(row.ids).map(|(name, id)| (*name, id.to_string()));
    let mut columns: Vec<_> = ids.collect();
    columns.push(("created_at", row.created_at_ms.to_string()));
    if table == Table::Posts {
        let hash = row.content_hash.map_or(UNKNOWN.to_owned(), |hash| format!("{hash:016x}"));
        columns.push(("content_hash", hash));
    }
    columns
}

#[cfg(test)]
pub mod tests {
    use connectors::clickhouse::Version;
    use uuid::Uuid;

    use super::*;

    pub const ROW: LiveRow = LiveRow {
        ids: [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::nil()],
        created_at_ms: 5,
        content_hash: Some(7),
    };

    pub fn sight(postgres: Option<LiveRow>, clickhouse: Option<LiveRow>, version: u128) -> Sight {
        let image = Image { version: Version(version), row: clickhouse };
        Sight { postgres, clickhouse: (version > 0).then_some(image) }
    }

    #[test]
    fn every_column_that_differs_is_told_and_a_content_that_is_not_known_is_not() {
        let other = Uuid::from_u128(9);
        let cases: [(Sight, &[&str]); 8] = [
            (sight(Some(ROW), Some(ROW), 1), &[]),
            (sight(None, None, 1), &[]),
            (sight(Some(ROW), Some(LiveRow { content_hash: None, ..ROW }), 1), &[]),
            (sight(Some(ROW), None, 0), &["row: postgresql live, clickhouse none"]),
            (sight(Some(ROW), None, 1), &["is_deleted: postgresql 0, clickhouse 1"]),
            (sight(None, Some(ROW), 1), &["row: postgresql none, clickhouse live"]),
            (
                sight(Some(ROW), Some(LiveRow { created_at_ms: 6, ..ROW }), 1),
                &["created_at: postgresql 5, clickhouse 6"],
            ),
            (
                sight(
                    Some(ROW),
                    Some(LiveRow {
                        ids: [ROW.ids[0], other, Uuid::nil()],
                        content_hash: Some(8),
                        ..ROW
                    }),
                    1,
                ),
                &[
                    "user_id: postgresql 00000000-0000-0000-0000-000000000002, \
                     clickhouse 00000000-0000-0000-0000-000000000009",
                    "content_hash: postgresql 0000000000000007, clickhouse 0000000000000008",
                ],
            ),
        ];
        for (sight, expected) in cases {
            let key = Table::Posts.key(ROW.ids);
            let told: Vec<_> =
                sight.differences(Table::Posts, key).iter().map(ToString::to_string).collect();
            let expected: Vec<_> =
                expected.iter().map(|words| format!("posts {key}: {words}")).collect();
            assert_eq!(told, expected);
            assert_eq!(sight.is_equal(), expected.is_empty());
        }
    }

    #[test]
    fn a_follow_is_named_by_both_its_ids() {
        let key = Table::Follows.key(ROW.ids);
        let told = sight(Some(ROW), None, 0).differences(Table::Follows, key);
        let (first, second) = (ROW.ids[0], ROW.ids[1]);
        assert_eq!(told[0].key, format!("{first} {second}"));
    }
}
