//! ClickHouse as its sink and its questions need it.

use bytesize::ByteSize;
use connectors::clickhouse::ClickHouseVitals;

use super::finding::Finding;

const CLICKHOUSE: &str = "clickhouse";
const VERSION_MIN: u32 = 24;
/// Parts of one partition: so many are slow to read; at three thousand inserts are refused.
const PARTS_MANY: u64 = 300;
const PARTS_MAX: u64 = 2_000;

/// What there is of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tables {
    /// All, as they must be.
    Made,
    /// These migrations are to be done.
    Pending(Vec<String>),
    /// What was done differs from what is here.
    Differ(String),
}

/// See the module.
pub fn judge(of: &ClickHouseVitals, tables: &Tables) -> Vec<Finding> {
    let mut findings = Vec::new();
    let major = of.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < VERSION_MIN) {
        let words = format!("version {}: {VERSION_MIN} or later is needed", of.version);
        findings.push(Finding::error(CLICKHOUSE, words));
    }
    match tables {
        Tables::Made => {}
        Tables::Pending(pending) => {
            let words = format!("tables are missing, rows wait in Kafka: {}", pending.join(", "));
            findings
                .push(Finding::error(CLICKHOUSE, words).mended_by("feedmill clickhouse migrate"));
        }
        Tables::Differ(words) => {
            let compare = "feedmill clickhouse migrate --dry-run";
            findings.push(Finding::error(CLICKHOUSE, words.clone()).mended_by(compare));
        }
    }
    if let Some((table, parts)) = &of.parts {
        let words = format!(
            "table {table} has {parts} parts in one partition: inserts are too many and small"
        );
        let longer = "feedmill worker, with a longer clickhouse.linger_ms";
        match *parts {
            PARTS_MAX.. => findings.push(Finding::error(CLICKHOUSE, words).mended_by(longer)),
            PARTS_MANY.. => findings.push(Finding::warning(CLICKHOUSE, words).mended_by(longer)),
            _ => {}
        }
    }
    findings.extend(of.disk.as_ref().and_then(|(name, free, total)| disk(name, *free, *total)));
    findings
}

fn disk(name: &str, free: u64, total: u64) -> Option<Finding> {
    let words = format!("disk {name} has {} of {} left", ByteSize::b(free), ByteSize::b(total));
    let look = "clickhouse-client -q 'SELECT table, formatReadableSize(sum(bytes_on_disk)) FROM system.parts GROUP BY table'";
    match free.saturating_mul(100).checked_div(total)? {
        0 => Some(Finding::error(CLICKHOUSE, words).mended_by(look)),
        1..10 => Some(Finding::warning(CLICKHOUSE, words).mended_by(look)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(of: &ClickHouseVitals, tables: &Tables) -> Vec<String> {
        judge(of, tables).iter().map(|of| format!("{} {}", of.severity, of.words)).collect()
    }

    #[test]
    fn each_fault_is_found_and_one_as_it_must_be_has_none() {
        let sound = ClickHouseVitals {
            version: "26.7.3.1".into(),
            parts: Some(("events".into(), 299)),
            disk: Some(("default".into(), 10, 100)),
            ..ClickHouseVitals::default()
        };
        assert_eq!(told(&sound, &Tables::Made), [""; 0]);
        let of_parts =
            |parts| ClickHouseVitals { parts: Some(("events".into(), parts)), ..sound.clone() };
        let of_disk =
            |free| ClickHouseVitals { disk: Some(("a".into(), free, 100)), ..sound.clone() };
        let of_version = |of: &str| ClickHouseVitals { version: of.into(), ..sound.clone() };
        let rows = [
            (of_version("23.8.1"), "error version 23.8.1: 24 or later is needed"),
            (
                of_parts(300),
                "warning table events has 300 parts in one partition: inserts are too many and small",
            ),
            (
                of_parts(2_000),
                "error table events has 2000 parts in one partition: inserts are too many and small",
            ),
            (of_disk(9), "warning disk a has 9 B of 100 B left"),
            (of_disk(1), "warning disk a has 1 B of 100 B left"),
            (of_disk(0), "error disk a has 0 B of 100 B left"),
        ];
        for (vitals, expected) in rows {
            assert_eq!(told(&vitals, &Tables::Made), [expected]);
        }
        let pending = Tables::Pending(vec!["1-rows".into(), "2-events".into()]);
        let expected = "error tables are missing, rows wait in Kafka: 1-rows, 2-events";
        assert_eq!(told(&sound, &pending), [expected]);
        assert_eq!(
            told(&sound, &Tables::Differ("1-rows was changed".into())),
            ["error 1-rows was changed"]
        );
    }
}
