//! The interactions of a reader with one author's posts, by UTC day.
//!
//! Days that no window will reach again are forgotten when the author is touched, and of more than
//! [`DAYS_MAX`] those furthest ahead: ingest refuses rows that are more than a day ahead. Counts may pass below
//! zero on the way, when a minus comes from another post's task before a plus; they end where they must.

use serde::Serialize;

/// So many days are kept at most.
pub const DAYS_MAX: usize = 512;

/// Counts by day, ascending; no count is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Days(Vec<(i32, i32)>);

impl Days {
    /// Reads days that ascend.
    pub fn of(days: Vec<(i32, i32)>) -> Self {
        Self(days)
    }

    /// The days and their counts, ascending.
    pub fn all(&self) -> &[(i32, i32)] {
        &self.0
    }

    /// What they take in memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i32, i32)>()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts `delta` more on `day`; forgets what lies before `first`.
    pub fn add(&mut self, day: i32, delta: i32, first: i32) {
        match self.0.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) => {
                if let Some((_, count)) = self.0.get_mut(place) {
                    *count = count.saturating_add(delta);
                }
            }
            Err(place) => self.0.insert(place, (day, delta)),
        }
        self.0.retain(|(day, count)| *count != 0 && *day >= first);
        self.0.truncate(DAYS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_leaves_no_day_behind() {
        let mut days = Days::default();
        for (day, delta) in [(7, 1), (5, 1), (7, 1), (5, -1)] {
            days.add(day, delta, 0);
        }
        assert_eq!(days.all(), [(7, 2)]);
    }

    #[test]
    fn a_minus_before_its_plus_ends_at_nothing() {
        let mut days = Days::default();
        days.add(7, -1, 0);
        days.add(7, 1, 0);
        assert!(days.is_empty());
    }

    #[test]
    fn a_row_has_512_days_at_most_whatever_the_rows_say() {
        let mut days = Days::default();
        (0..2_000).for_each(|day| days.add(day, 1, 0));
        assert_eq!(days.all().len(), DAYS_MAX);
    }

    #[test]
    fn days_before_the_window_are_forgotten() {
        let mut days = Days::default();
        days.add(7, 1, 0);
        days.add(100, 1, 11);
        assert_eq!(days.all(), [(100, 1)]);
    }
}
