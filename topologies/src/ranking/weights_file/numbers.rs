//! The numbers that a weight set may say, each with its bounds, and what an arm begins with.

use serde_json::{Value, json};

use crate::ranking::weights::{DAY_MS, HOUR_MS};

/// A number, by its path in a set.
pub struct Number {
    /// Its path.
    pub path: &'static str,
    bounds: Bounds,
}

enum Bounds {
    Real(f64, f64),
    Whole(i64, i64),
    Flag,
}

const fn real(path: &'static str, least: f64, most: f64) -> Number {
    Number { path, bounds: Bounds::Real(least, most) }
}

const fn whole(path: &'static str, least: i64, most: i64) -> Number {
    Number { path, bounds: Bounds::Whole(least, most) }
}

/// All of them.
pub const NUMBERS: [Number; 34] = [
    real("freshness", 0.0, 10.0),
    real("engagement", 0.0, 10.0),
    real("affinity", 0.0, 10.0),
    real("decay_per_hour", 0.0, 10.0),
    whole("points.like", 0, 1_000),
    whole("points.comment", 0, 1_000),
    whole("points.share", 0, 1_000),
    whole("limits.follow_age_ms_max", HOUR_MS, 7 * DAY_MS),
    whole("limits.follow_posts_max", 1, 2_000),
    whole("limits.affinity_age_ms_max", HOUR_MS, 7 * DAY_MS),
    whole("limits.affinity_posts_per_author_max", 1, 200),
    whole("limits.affinity_posts_max", 0, 2_000),
    whole("limits.affinity_days", 1, 90),
    whole("limits.seen_ms", 0, DAY_MS),
    whole("limits.hidden_ms", 0, 90 * DAY_MS),
    whole("limits.less_days", 1, 14),
    whole("limits.kept_max", 1, 100),
    whole("spacing.top", 0, 100),
    whole("spacing.distance", 0, 100),
    real("arms.smoothing.exposures", 0.001, 1e6),
    Number { path: "arms.normalised_affinity", bounds: Bounds::Flag },
    whole("arms.trending_quota.every", 2, 100),
    whole("arms.explore.every", 2, 100),
    whole("arms.explore.age_ms_max", 60_000, 7 * DAY_MS),
    whole("arms.explore.exposures_max", 0, u32::MAX as i64),
    real("arms.author_memory.decay", 0.0, 1.0),
    real("arms.author_memory.floor", 0.0, 1.0),
    whole("arms.author_memory.days", 1, 7),
    real("arms.kinds.follow", 0.0, 10.0),
    real("arms.kinds.trending", 0.0, 10.0),
    real("arms.kinds.affinity", 0.0, 10.0),
    real("arms.kinds.explore", 0.0, 10.0),
    whole("arms.unseen.times", 1, 255),
    real("arms.unseen.factor", 0.0, 1.0),
];

/// The arms that are tables, and may be switched off by `false`.
pub const ARMS: [&str; 6] = [
    "arms.smoothing",
    "arms.trending_quota",
    "arms.explore",
    "arms.author_memory",
    "arms.kinds",
    "arms.unseen",
];

impl Number {
    /// Whether this is a value of it; if not, what would be.
    pub fn checked(&self, told: &Value) -> Result<(), String> {
        let (fits, words) = match self.bounds {
            Bounds::Real(least, most) => {
                let fits = told.as_f64().is_some_and(|number| (least..=most).contains(&number));
                (fits, format!("is {least} to {most}"))
            }
            Bounds::Whole(least, most) => {
                let fits = told.as_i64().is_some_and(|number| (least..=most).contains(&number));
                (fits, format!("is a whole number from {least} to {most}"))
            }
            Bounds::Flag => (told.is_boolean(), "is true or false".to_owned()),
        };
        let found = match told {
            // JSON has neither, TOML has both.
            Value::Null => "one that is infinite or no number".to_owned(),
            Value::Object(_) => "a table, or a date".to_owned(),
            told => told.to_string(),
        };
        if fits { Ok(()) } else { Err(format!("{words}, found {found}")) }
    }
}

/// What an arm begins with where a set switches it on and says no more: what `feedmill lab` found.
pub fn defaults(arm: &str) -> Value {
    match arm {
        "arms.smoothing" => json!({ "exposures": 50.0 }),
        "arms.trending_quota" => json!({ "every": 10 }),
        "arms.explore" => json!({ "every": 20, "age_ms_max": DAY_MS, "exposures_max": 50 }),
        "arms.author_memory" => json!({ "decay": 0.985, "floor": 0.45, "days": 7 }),
        "arms.kinds" => {
            json!({ "follow": 0.03, "trending": 0.18, "affinity": 0.03, "explore": 0.1 })
        }
        _ => json!({ "times": 3, "factor": 0.6 }),
    }
}

/// What may stand below a path, by its names.
pub fn names(parent: &str) -> String {
    let prefix = if parent.is_empty() { String::new() } else { format!("{parent}.") };
    let below = NUMBERS.iter().filter_map(|number| number.path.strip_prefix(&prefix));
    let mut names: Vec<_> = below.filter_map(|rest| rest.split('.').next()).collect();
    names.dedup();
    if parent.is_empty() {
        names.extend(["id", "base"]);
    }
    names.join(", ")
}
