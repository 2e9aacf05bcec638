//! The rows of a table as two servers count and digest them by day; where these differ, the rows that may.

use std::collections::{BTreeMap, BTreeSet};

use connectors::table::{DayOfRows, LiveRow, RowKey, Table};

use super::sight::is_equal;

/// Rows by the day of their creation, counted from 1970.
pub type Days = BTreeMap<i32, DayOfRows>;

/// The days that both do not have alike.
pub fn differing(one: &Days, other: &Days) -> Vec<i32> {
    let days: BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
    days.into_iter().filter(|day| one.get(day) != other.get(day)).collect()
}

/// The rows that both do not have alike, PostgreSQL's first.
pub fn suspects(table: Table, postgres: &[LiveRow], clickhouse: &[LiveRow]) -> BTreeSet<RowKey> {
    let by_key = |rows: &[LiveRow]| -> BTreeMap<RowKey, LiveRow> {
        rows.iter().map(|row| (table.key(row.ids), *row)).collect()
    };
    let (postgres, clickhouse) = (by_key(postgres), by_key(clickhouse));
    let keys: BTreeSet<_> = postgres.keys().chain(clickhouse.keys()).copied().collect();
    let differs = |key: &RowKey| !is_equal(postgres.get(key), clickhouse.get(key));
    keys.into_iter().filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::sight::tests::ROW;
    use super::*;

    const DAY: DayOfRows = DayOfRows { rows: 3, digest: -5, contents: 7 };

    #[test]
    fn a_day_differs_by_count_digest_or_contents_and_where_only_one_has_it() {
        let one = Days::from([(1, DAY), (2, DAY), (3, DAY), (4, DAY), (5, DAY)]);
        let other = Days::from([
            (1, DAY),
            (2, DayOfRows { rows: 4, ..DAY }),
            (3, DayOfRows { digest: 5, ..DAY }),
            (4, DayOfRows { contents: 8, ..DAY }),
            (6, DAY),
        ]);
        assert_eq!(differing(&one, &other), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_row_is_suspect_that_one_lacks_or_has_otherwise() {
        let row = |id| LiveRow { ids: [Uuid::from_u128(id), Uuid::nil(), Uuid::nil()], ..ROW };
        let moved = LiveRow { created_at_ms: 9, ..row(3) };
        let found = suspects(Table::Users, &[row(1), row(2), row(3)], &[row(4), moved, row(1)]);
        let keys = [2, 3, 4].map(|id| RowKey(Uuid::from_u128(id), None));
        assert_eq!(found, BTreeSet::from(keys));
    }
}
