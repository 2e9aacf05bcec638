//! What is asked of a store: one key or a range, and how fresh the answer must be.

use std::time::Duration;

use form_urlencoded::Serializer;
use millstream::{Position, Scan};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Part;
use super::unanswered::Unanswered;

/// The most rows of an answer.
pub const ROWS_MAX: usize = 1_000;
/// The most bytes of keys and values, as they are stored: as JSON they are a few times that.
pub const BYTES_MAX: usize = 256 << 10;
/// How long a read waits for what it must hold.
pub const POSITION_WAIT: Duration = Duration::from_millis(1_500);

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The store.
    pub store: String,
    /// What of it.
    pub what: What,
    /// Only this partition.
    pub partition: Option<i32>,
    /// How fresh it must be.
    pub fresh: Fresh,
}

/// What of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The row of a key.
    Row(String),
    /// Rows, from where an earlier answer ended.
    Rows(Scan, Option<Next>),
}

/// Where a scan goes on: a partition, and the key in it if not all of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The partition.
    pub partition: i32,
    /// The key.
    pub from: Option<String>,
}

/// How fresh an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// So many ms at most behind.
    pub lag_ms_max: Option<u64>,
    /// It holds what this means.
    pub position_min: Option<Position>,
}

impl Fresh {
    /// Whether a part is fresh enough. What is behind may soon be there.
    pub fn look(&self, part: &Part) -> Result<(), Unanswered> {
        let held: Option<Position> = part.position.parse().ok();
        let is_behind = self
            .position_min
            .as_ref()
            .is_some_and(|wanted| held.as_ref().is_none_or(|held| !held.reaches(wanted)));
        if is_behind {
            let at = if part.position.is_empty() { "nothing" } else { &part.position };
            return Err(Unanswered::Behind(format!("partition {} is at {at}", part.partition)));
        }
        let Some(most) = self.lag_ms_max else { return Ok(()) };
        match part.lag.ms {
            Some(ms) if ms <= most => Ok(()),
            Some(ms) => {
                Err(Unanswered::Lagging(format!("partition {} is {ms} ms behind", part.partition)))
            }
            None => {
                let words = "is behind by nobody knows how much";
                Err(Unanswered::Lagging(format!("partition {} {words}", part.partition)))
            }
        }
    }
}

impl Next {
    /// What an answer said.
    pub fn read(text: &str) -> Option<Self> {
        let (partition, from) = text.split_once(':')?;
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        Some(Self { partition, from: (!from.is_empty()).then(|| from.to_owned()) })
    }

    /// What an answer says.
    pub fn text(&self) -> String {
        format!("{}:{}", self.partition, self.from.as_deref().unwrap_or_default())
    }
}

impl Question {
    /// The path by which another instance is asked for one partition.
    pub fn path(&self, partition: i32) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("partition", &partition.to_string());
        if let Some(most) = self.fresh.lag_ms_max {
            query.append_pair("max_lag", &most.to_string());
        }
        if let Some(position) = &self.fresh.position_min {
            query.append_pair("min_position", &position.to_string());
        }
        let key = match &self.what {
            What::Row(key) => format!("/{}", escaped(key)),
            What::Rows(scan, next) => {
                let from = next.as_ref().and_then(|next| next.from.as_ref()).or(scan.from.as_ref());
                let told =
                    [("prefix", scan.prefix.as_ref()), ("from", from), ("to", scan.to.as_ref())];
                for (name, value) in told {
                    if let Some(value) = value {
                        query.append_pair(name, value);
                    }
                }
                query.append_pair("limit", &scan.rows_max.to_string());
                String::new()
            }
        };
        format!("/state/v1/stores/{}{key}?{}", escaped(&self.store), query.finish())
    }
}

/// A segment of a path.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::answer::Lag;

    fn part(position: &str, ms: Option<u64>) -> Part {
        Part {
            partition: 3,
            instance: "one".into(),
            role: "active".into(),
            position: position.into(),
            lag: Lag { records: Some(0), ms },
            rows: vec![],
        }
    }

    fn fresh(lag_ms_max: Option<u64>, position: &str) -> Fresh {
        Fresh { lag_ms_max, position_min: position.parse().ok() }
    }

    #[test]
    fn an_answer_is_fresh_enough_if_it_is_known_to_be() {
        let held = part("reads-3@7", Some(40));
        let rows = [fresh(None, ""), fresh(Some(40), "reads-3@7"), fresh(None, "reads-4@99")];
        assert!(rows.iter().all(|fresh| fresh.look(&held) == Ok(())));
        let lagging = |words: &str| Err(Unanswered::Lagging(format!("partition 3 {words}")));
        assert_eq!(fresh(Some(39), "").look(&held), lagging("is 40 ms behind"));
        let unknown = lagging("is behind by nobody knows how much");
        assert_eq!(fresh(Some(39), "").look(&part("reads-3@7", None)), unknown);
        let behind = Err(Unanswered::Behind("partition 3 is at reads-3@7".into()));
        assert_eq!(fresh(None, "reads-3@8").look(&held), behind);
    }

    #[test]
    fn where_a_scan_goes_on_comes_back_whatever_the_key() {
        let next = Next { partition: 2, from: Some("a:b".into()) };
        assert_eq!(Next::read(&next.text()), Some(next));
        assert_eq!(Next::read("11:"), Some(Next { partition: 11, from: None }));
        assert_eq!(["", "a:", "-1:", "7"].map(Next::read), [const { None }; 4]);
    }

    #[test]
    fn another_instance_is_asked_for_one_partition_with_all_that_was_asked_for() {
        let question = |what| Question {
            store: "follows".into(),
            what,
            partition: None,
            fresh: fresh(Some(5), "by-user-3@7"),
        };
        let fresh = "max_lag=5&min_position=by-user-3%407";
        let row = question(What::Row("a b/c:d".into())).path(3);
        assert_eq!(row, format!("/state/v1/stores/follows/a%20b%2Fc%3Ad?partition=3&{fresh}"));
        let scan = Scan { prefix: Some("a".into()), rows_max: 9, ..Scan::default() };
        let rows = question(What::Rows(scan, Next::read("3:ab"))).path(3);
        assert_eq!(
            rows,
            format!("/state/v1/stores/follows?partition=3&{fresh}&prefix=a&from=ab&limit=9")
        );
    }
}
