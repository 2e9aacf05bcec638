//! The quality of a day's feeds in numbers: what each means, and how it is made of counts.
//!
//! A day is one in UTC, by `event_time`; an event counts for it whenever it comes, so that late ones change a day that was
//! added up before. Counted are records of topic `events` that ingest takes, by the rules of the feed:
//!
//! | number | unit | what it is |
//! | --- | --- | --- |
//! | received | records | all of them, repeats too |
//! | repeats | records | those that repeat another: of the records of one (user_id, event_id) the first in the order of the log counts, and a later one within 24 h of record time of the last that counted is a repeat. Decided by the log from 7 days before the day on |
//! | impressions, views, clicks, likes, comments, shares, dwells | events | those that are no repeats, by action. Rows of likes and comments in the database are not among them |
//! | ctr | clicks for each impression | clicks / impressions; above 1 where an item is clicked more than once; null without impressions |
//! | recommendation ctr | the same | the same, of events about an item of a feed: those that bring back anything of its `ctx` |
//! | dwell p50, p95 | ms | exact quantiles of `dwell_ms` over the dwells that have one: of n in ascending order that at place floor(q n) + 1; null without any |
//! | de-duplication rate | part of 1 | repeats / received; null if nothing was received |
//!
//! All of them are told for all events, for those about an item of a feed, and of these by source (who answered: redis, state,
//! clickhouse, postgres, or other), by position (1 to 100) and by weight set: what the `ctx` says.

use serde::{Deserialize, Serialize};

use crate::day::Day;

/// The metrics of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DailyMetrics {
    /// The day.
    pub date: Day,
    /// When they were added up, ms UTC; none if no event of the day is known.
    pub computed_at: Option<i64>,
    /// Of all events.
    #[serde(flatten)]
    pub all: Quality,
    /// The CTR of what feeds recommended: that of `feed`.
    pub recommendation_ctr: Option<f64>,
    /// Of events about an item of a feed.
    pub feed: Quality,
    /// By who answered.
    pub by_source: Vec<Part>,
    /// By place in the answer, from 1.
    pub by_position: Vec<Part>,
    /// By the number of the weight set.
    pub by_weight_set: Vec<Part>,
}

/// The metrics of a part of a day's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DailyPart))]
pub struct Part {
    /// Which source, position or weight set.
    pub value: String,
    /// Its metrics.
    #[serde(flatten)]
    pub quality: Quality,
}

/// What was counted, and the ratios of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quality {
    /// Clicks for each impression.
    pub ctr: Option<f64>,
    /// The median of dwells, ms.
    pub dwell_p50_ms: Option<u32>,
    /// What 95 of 100 dwells stay below, ms.
    pub dwell_p95_ms: Option<u32>,
    /// Repeats for each record.
    pub deduplication_rate: Option<f64>,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DailyCounts))]
pub struct Counts {
    /// Records.
    pub received: u64,
    /// Records that repeat another.
    pub repeats: u64,
    /// Events of this action, as the next six.
    pub impressions: u64,
    /// Views.
    pub views: u64,
    /// Clicks.
    pub clicks: u64,
    /// Likes.
    pub likes: u64,
    /// Comments.
    pub comments: u64,
    /// Shares.
    pub shares: u64,
    /// Dwells.
    pub dwells: u64,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// All events.
    All,
    /// Those about an item of a feed.
    Feed,
    /// By who answered.
    Source,
    /// By place in the answer.
    Position,
    /// By weight set.
    WeightSet,
}

impl Dimension {
    const ALL: [Self; 5] = [Self::All, Self::Feed, Self::Source, Self::Position, Self::WeightSet];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Feed => "feed",
            Self::Source => "source",
            Self::Position => "position",
            Self::WeightSet => "weight_set",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }
}

impl Quality {
    /// The ratios of these counts, beside the median and the 95th of 100 of the dwells.
    pub fn of(counts: Counts, (dwell_p50_ms, dwell_p95_ms): (Option<u32>, Option<u32>)) -> Self {
        Self {
            ctr: ratio(counts.clicks, counts.impressions),
            dwell_p50_ms,
            dwell_p95_ms,
            deduplication_rate: ratio(counts.repeats, counts.received),
            counts,
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl DailyMetrics {
    /// Those of a day of which no event is known.
    pub fn none(date: Day) -> Self {
        Self {
            date,
            computed_at: None,
            all: Quality::default(),
            recommendation_ctr: None,
            feed: Quality::default(),
            by_source: Vec::new(),
            by_position: Vec::new(),
            by_weight_set: Vec::new(),
        }
    }

    /// Takes what is known of a part; parts stay in the order in which they come.
    pub fn take(&mut self, dimension: Dimension, value: String, quality: Quality) {
        let parts = match dimension {
            Dimension::All => return self.all = quality,
            Dimension::Feed => {
                self.recommendation_ctr = quality.ctr;
                return self.feed = quality;
            }
            Dimension::Source => &mut self.by_source,
            Dimension::Position => &mut self.by_position,
            Dimension::WeightSet => &mut self.by_weight_set,
        };
        parts.push(Part { value, quality });
    }

    /// Each part: what it is about, which one, its metrics.
    pub fn parts(&self) -> impl Iterator<Item = (Dimension, &str, &Quality)> {
        let whole = [(Dimension::All, "", &self.all), (Dimension::Feed, "", &self.feed)];
        let by = [
            (Dimension::Source, &self.by_source),
            (Dimension::Position, &self.by_position),
            (Dimension::WeightSet, &self.by_weight_set),
        ];
        let parts = by.into_iter().flat_map(|(dimension, parts)| {
            parts.iter().map(move |part| (dimension, &*part.value, &part.quality))
        });
        whole.into_iter().chain(parts)
    }
}

/// The key of a day's metrics in Redis; the value is their JSON.
pub fn redis_key(date: Day) -> String {
    format!("metrics:daily:{date}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(received: u64, repeats: u64, impressions: u64, clicks: u64) -> Quality {
        let counts = Counts { received, repeats, impressions, clicks, ..Counts::default() };
        Quality::of(counts, (Some(500), None))
    }

    #[test]
    fn a_ratio_of_nothing_is_none_and_not_zero() {
        let ratios = |of: Quality| (of.ctr, of.deduplication_rate);
        assert_eq!(ratios(quality(8, 2, 4, 1)), (Some(0.25), Some(0.25)));
        assert_eq!(ratios(quality(3, 0, 0, 3)), (None, Some(0.0)));
        assert_eq!(ratios(quality(0, 0, 0, 0)), (None, None));
    }

    #[test]
    fn a_day_is_read_from_json_as_it_was_written() {
        let mut day = DailyMetrics::none("2026-11-20".parse().unwrap());
        day.computed_at = Some(7);
        day.take(Dimension::All, String::new(), quality(8, 2, 4, 1));
        day.take(Dimension::Feed, String::new(), quality(2, 0, 2, 1));
        day.take(Dimension::Position, "3".into(), quality(1, 0, 1, 0));
        assert_eq!((day.all.ctr, day.recommendation_ctr), (Some(0.25), Some(0.5)));
        let json = serde_json::to_string(&day).unwrap();
        assert!(json.starts_with(r#"{"date":"2026-11-20","computed_at":7,"ctr":0.25,"#), "{json}");
        assert_eq!(serde_json::from_str::<DailyMetrics>(&json).unwrap(), day);
        let parts: Vec<_> = day.parts().map(|(of, value, _)| (of.name(), value)).collect();
        assert_eq!(parts, [("all", ""), ("feed", ""), ("position", "3")]);
    }

    #[test]
    fn every_dimension_is_found_by_its_name() {
        let found = Dimension::ALL.map(|of| Dimension::of_name(of.name()));
        assert_eq!(found, Dimension::ALL.map(Some));
        assert_eq!(Dimension::of_name("device"), None);
    }
}
