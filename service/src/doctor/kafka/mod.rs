//! Kafka as the application reads and writes it: who reads, how far they are behind, how records are divided, how large
//! they are.
//!
//! A group is behind by records, up to the markers of transactions among them, and by the age of the oldest record that it
//! has not read; records may bear any time, so that a load of old ones looks old.

mod look;

use std::collections::BTreeMap;

use bytesize::ByteSize;
use millstream::broker::TopicDescription;
use millstream::{Topic, TopicPartition};

use super::finding::Finding;

pub use look::look;

/// A group that must read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLag {
    /// Its name.
    pub group: String,
    /// How many members it has.
    pub members: usize,
    /// Where it is behind.
    pub behind: Vec<PartitionLag>,
}

/// A partition that is not read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// Which.
    pub of: TopicPartition,
    /// Up to so many records.
    pub records: i64,
    /// The age of the oldest of them, if it came in time.
    pub age_ms: Option<i64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaVitals {
    /// The groups of the application and its sinks.
    pub groups: Vec<GroupLag>,
    /// How many offsets each partition ever had.
    pub written: BTreeMap<Topic, Vec<i64>>,
    /// The largest row among the last ones of each changelog: key and value together.
    pub rows: BTreeMap<Topic, usize>,
}

impl GroupLag {
    /// Up to how many records it is behind.
    pub fn records(&self) -> i64 {
        self.behind.iter().map(|lag| lag.records).sum()
    }

    /// The partition in which it is behind by the longest time.
    pub fn worst(&self) -> Option<&PartitionLag> {
        self.behind.iter().max_by_key(|lag| (lag.age_ms, lag.records))
    }
}

/// A lag that a reader notices, and one that nobody takes for a moment's.
const LATE_MS: i64 = 60_000;
const VERY_LATE_MS: i64 = 3_600_000;
/// Below this much, chance divides records unevenly.
const WRITTEN_MANY: i64 = 10_000;
/// A partition with so many times its share is hot.
const HOT: i64 = 3;

const WORKER: &str = "feedmill worker";

/// See the module. `described` has what is known of the topics, `sent_bytes_max` the largest record that is sent.
pub fn judge(
    of: &KafkaVitals,
    described: &BTreeMap<Topic, TopicDescription>,
    sent_bytes_max: usize,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in &of.groups {
        if group.members == 0 {
            let words = "has no member: nobody reads what comes";
            findings
                .push(Finding::error(format!("group {}", group.group), words).mended_by(WORKER));
        }
        findings.extend(lag(group));
        findings.extend(group.behind.iter().filter_map(|lag| at_risk(group, lag, described)));
    }
    findings.extend(of.written.iter().filter_map(|(topic, written)| hot(topic, written)));
    for (topic, bytes) in of.rows.iter().filter(|(_, bytes)| **bytes > sent_bytes_max / 2) {
        let words = format!(
            "has a row of {}, of {} that can be sent: beyond that its record is a dead letter",
            ByteSize::b(*bytes as u64),
            ByteSize::b(sent_bytes_max as u64)
        );
        findings.push(Finding::warning(format!("topic {topic}"), words));
    }
    findings
}

fn lag(group: &GroupLag) -> Option<Finding> {
    let worst = group.worst()?;
    let age_ms = worst.age_ms?;
    let of = format!("group {}", group.group);
    let words = format!(
        "is {} s behind in {}, up to {} records in all",
        age_ms / 1_000,
        worst.of,
        group.records()
    );
    let look = "curl -s http://WORKER:9901/ready";
    match age_ms {
        VERY_LATE_MS.. => Some(Finding::error(of, words).mended_by(look)),
        LATE_MS.. => Some(Finding::warning(of, words).mended_by(look)),
        _ => None,
    }
}

/// What is not read in time goes unread.
fn at_risk(
    group: &GroupLag,
    lag: &PartitionLag,
    described: &BTreeMap<Topic, TopicDescription>,
) -> Option<Finding> {
    let kept_ms = described.get(&lag.of.topic)?.number("retention.ms").filter(|ms| *ms >= 0)?;
    let age_ms = lag.age_ms.filter(|age| *age > kept_ms / 2)?;
    let words = format!(
        "has not read {} for {} s, and records go after {} s",
        lag.of,
        age_ms / 1_000,
        kept_ms / 1_000
    );
    let topic = &lag.of.topic;
    let longer = format!(
        "kafka-configs --bootstrap-server \"$KAFKA\" --alter --topic {topic} --add-config retention.ms={}",
        kept_ms.saturating_mul(4)
    );
    Some(Finding::error(format!("group {}", group.group), words).mended_by(longer))
}

fn hot(topic: &Topic, written: &[i64]) -> Option<Finding> {
    let (sum, count) = (written.iter().sum::<i64>(), written.len() as i64);
    let (partition, most) = written.iter().enumerate().max_by_key(|(_, written)| **written)?;
    if count < HOT || sum < WRITTEN_MANY || most * count <= sum * HOT {
        return None;
    }
    let words = format!(
        "partition {partition} of {count} has {} % of the records: one key has many, or a producer divides otherwise",
        most * 100 / sum
    );
    let look = format!(
        "kafka-console-consumer --bootstrap-server \"$KAFKA\" --topic {topic} --partition {partition} \
         --offset latest --property print.key=true --property print.value=false"
    );
    Some(Finding::warning(format!("topic {topic}"), words).mended_by(look))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Topics, how many records, and how old.
    type Behind<'a> = &'a [(&'a str, i64, Option<i64>)];

    fn group(behind: Behind<'_>) -> KafkaVitals {
        let behind = behind.iter().map(|(topic, records, age_ms)| PartitionLag {
            of: TopicPartition::new(*topic, 1),
            records: *records,
            age_ms: *age_ms,
        });
        let group = GroupLag { group: "feed".into(), members: 1, behind: behind.collect() };
        KafkaVitals { groups: vec![group], ..KafkaVitals::default() }
    }

    fn told(of: &KafkaVitals) -> Vec<String> {
        let settings = BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]);
        let short = TopicDescription { partitions: 3, replicas: 1, settings };
        let described = BTreeMap::from([("short".into(), short)]);
        let findings = judge(of, &described, 1_000);
        findings.iter().map(|of| format!("{} {}: {}", of.severity, of.of, of.words)).collect()
    }

    #[test]
    fn lag_is_told_by_its_time() {
        let rows: [(Behind<'_>, &[&str]); 6] = [
            (&[], &[]),
            (&[("a", 5, Some(59_999))], &[]),
            (&[("a", 5, None)], &[]),
            (
                &[("a", 5, Some(61_000)), ("b", 7, Some(1_000))],
                &["warning group feed: is 61 s behind in a-1, up to 12 records in all"],
            ),
            (
                &[("a", 5, Some(3_600_000))],
                &["error group feed: is 3600 s behind in a-1, up to 5 records in all"],
            ),
            (
                &[("short", 5, Some(31_000))],
                &["error group feed: has not read short-1 for 31 s, and records go after 60 s"],
            ),
        ];
        for (behind, expected) in rows {
            assert_eq!(told(&group(behind)), *expected);
        }
    }

    #[test]
    fn a_group_without_members_is_found() {
        let mut of = group(&[]);
        of.groups[0].members = 0;
        assert_eq!(told(&of), ["error group feed: has no member: nobody reads what comes"]);
    }

    #[test]
    fn a_partition_with_three_times_its_share_is_hot() {
        let of = |written: &[i64]| {
            let written = BTreeMap::from([("a".into(), written.to_vec())]);
            told(&KafkaVitals { written, ..KafkaVitals::default() })
        };
        let many = "warning topic a: partition 2 of 4 has 76 % of the records: one key has many, or a producer divides otherwise";
        assert_eq!(of(&[2_000, 2_000, 13_000, 0]), [many]);
        assert_eq!(of(&[2_000, 2_000, 12_000, 0]), [""; 0], "three times its share");
        assert_eq!(of(&[0, 0, 9_999, 0]), [""; 0], "few");
        assert_eq!(of(&[20_000, 0]), [""; 0], "two cannot say");
    }

    #[test]
    fn a_row_of_half_of_what_can_be_sent_is_found() {
        let of = |bytes| {
            let rows = BTreeMap::from([("log".into(), bytes)]);
            told(&KafkaVitals { rows, ..KafkaVitals::default() })
        };
        assert_eq!(of(500), [""; 0]);
        let large = "warning topic log: has a row of 501 B, of 1000 B that can be sent: beyond that its record is a dead letter";
        assert_eq!(of(501), [large]);
    }
}
