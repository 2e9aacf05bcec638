//! A day in UTC, as people write it: `2026-11-20`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time;

const DAY_MS: i64 = 86_400_000;
/// The last day that a `Date` of ClickHouse can say, 2149-06-06; the first is 1970-01-01.
const LAST: i64 = 65_535;

/// A day, from 1970-01-01 to 2149-06-06.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = Date))]
pub struct Day(u16);

impl Day {
    /// The day of a time in ms UTC, or the nearest that there is.
    pub fn of(at_ms: i64) -> Self {
        Self(u16::try_from(at_ms.div_euclid(DAY_MS).clamp(0, LAST)).unwrap_or(u16::MAX))
    }

    /// The day so many days before.
    pub fn before(self, days: u16) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No other form of a day: `2026-11-20` is ten bytes.
        let at_ms = (text.len() == 10).then(|| time::from_text(&format!("{text}T00:00:00Z")));
        let day = at_ms.flatten().map(|at_ms| at_ms.div_euclid(DAY_MS));
        let day = day.filter(|day| (0..=LAST).contains(day)).and_then(|day| day.try_into().ok());
        day.map(Self).ok_or_else(|| "a day such as 2026-11-20".to_owned())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time::iso_date(self.0.into()))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_that_there_is_is_read_as_it_is_written() {
        for day in (0..=u16::MAX).map(Day) {
            assert_eq!(day.to_string().parse(), Ok(day));
        }
        let ends = [0, u16::MAX].map(|day| Day(day).to_string());
        assert_eq!(ends, ["1970-01-01", "2149-06-06"]);
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_utc() {
        let day = "2026-11-20".parse().unwrap();
        let midnight = 1_795_132_800_000;
        let days = [midnight, midnight + DAY_MS - 1].map(Day::of);
        assert_eq!(days, [day, day]);
        assert_eq!(Day::of(midnight - 1), day.before(1));
    }

    #[test]
    fn what_is_no_day_is_told_what_one_is() {
        for text in
            ["", "today", "2026-02-30", "2026-11-20T00", "20261120", "2026-1-1", "1969-12-31"]
        {
            assert_eq!(text.parse::<Day>(), Err("a day such as 2026-11-20".into()), "{text}");
        }
    }
}
