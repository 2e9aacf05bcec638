//! Rows that did not look equal, while they may still be changing: which of them really differ.
//!
//! A row differs if ClickHouse shows an image of it, PostgreSQL is looked at afterwards and shows another one, ClickHouse
//! comes past that position, and still shows the same image. Then the image is not what was on its way, for that has
//! arrived; nor is it one that PostgreSQL did not show yet, for a connector reads what is committed. So a row is looked at
//! until it is equal, or has been the same for so long; whatever changes in between begins anew.

use std::collections::BTreeMap;

use connectors::table::RowKey;

use super::sight::Sight;

/// When PostgreSQL was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Where its log was.
    pub lsn: u64,
    /// The time, ms UTC.
    pub at_ms: i64,
}

/// What ClickHouse has had when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The log up to here, as the connector told; none if it tells nothing.
    pub lsn: Option<u64>,
    /// Whatever was written before this time, as long as the connector is not slower than it may be.
    pub before_ms: i64,
}

impl Passed {
    fn has(&self, moment: Moment) -> bool {
        self.lsn.is_some_and(|lsn| moment.lsn <= lsn) || moment.at_ms <= self.before_ms
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Suspects(BTreeMap<RowKey, Suspect>);

#[derive(Debug, Default)]
struct Suspect {
    sight: Option<Sight>,
    /// When it was seen for the second time as it is.
    since: Option<Moment>,
}

impl FromIterator<RowKey> for Suspects {
    fn from_iter<I: IntoIterator<Item = RowKey>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key, Suspect::default())).collect())
    }
}

impl Suspects {
    /// Which rows are to be looked at.
    pub fn keys(&self) -> Vec<RowKey> {
        self.0.keys().copied().collect()
    }

    /// Takes the next look at all of them, PostgreSQL's at `moment` and ClickHouse's afterwards; hands out those that differ,
    /// and forgets those that are equal.
    pub fn look(
        &mut self,
        sights: &BTreeMap<RowKey, Sight>,
        moment: Moment,
        passed: &Passed,
    ) -> Vec<(RowKey, Sight)> {
        let mut differ = Vec::new();
        self.0.retain(|key, suspect| {
            let Some(sight) = sights.get(key) else { return true };
            if sight.is_equal() {
                return false;
            }
            if suspect.sight != Some(*sight) {
                *suspect = Suspect { sight: Some(*sight), since: None };
                return true;
            }
            let since = *suspect.since.get_or_insert(moment);
            let is_proven = passed.has(since);
            if is_proven {
                differ.push((*key, *sight));
            }
            !is_proven
        });
        differ
    }
}

#[cfg(test)]
mod tests {
    use connectors::table::{LiveRow, Table};

    use super::super::sight::tests::{ROW, sight};
    use super::*;

    const OTHER: LiveRow = LiveRow { created_at_ms: 6, ..ROW };
    const NOTHING: Passed = Passed { lsn: None, before_ms: 0 };

    fn key() -> RowKey {
        Table::Posts.key(ROW.ids)
    }

    /// Looks at one row as often as there are sights; PostgreSQL's log is at 10, 20, ..., its time 100, 200, ...
    fn looks<const N: usize>(sights: [(Sight, Passed); N]) -> ([usize; N], usize) {
        let mut suspects = Suspects::from_iter([key()]);
        let mut number = 0;
        let told = sights.map(|(sight, passed)| {
            number += 1;
            let moment = Moment { lsn: 10 * number, at_ms: 100 * number.cast_signed() };
            suspects.look(&BTreeMap::from([(key(), sight)]), moment, &passed).len()
        });
        (told, suspects.keys().len())
    }

    #[test]
    fn a_row_differs_once_clickhouse_is_past_the_second_look_at_it() {
        let sight = sight(Some(ROW), Some(OTHER), 1);
        let at = |lsn| Passed { lsn: Some(lsn), before_ms: 0 };
        assert_eq!(looks([(sight, at(19)), (sight, at(19)), (sight, at(20))]), ([0, 0, 1], 0));
        let before = |before_ms| Passed { lsn: None, before_ms };
        let late = [(sight, before(0)), (sight, before(199)), (sight, before(200))];
        assert_eq!(looks(late), ([0, 0, 1], 0));
        assert_eq!(looks([(sight, NOTHING); 5]), ([0; 5], 1));
    }

    #[test]
    fn what_arrives_is_equal_and_what_changes_begins_anew() {
        let always = Passed { lsn: Some(15), before_ms: 0 };
        let late = sight(Some(ROW), None, 0);
        assert_eq!(looks([(late, always), (sight(Some(ROW), Some(ROW), 1), always)]), ([0, 0], 0));
        let [one, two] = [1, 2].map(|version| sight(Some(ROW), Some(OTHER), version));
        assert_eq!(looks([(one, always), (two, always), (one, always)]), ([0; 3], 1));
        // The same image, and PostgreSQL has moved on.
        let moved = sight(Some(LiveRow { created_at_ms: 7, ..ROW }), Some(OTHER), 1);
        assert_eq!(looks([(one, always), (moved, always)]), ([0; 2], 1));
    }
}
