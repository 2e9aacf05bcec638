//! What was compared and what came of it, a part a line, for a person; the same as JSON for a program.

use std::fmt::{self, Display, Write};

use serde::Serialize;

use super::difference::Difference;
use crate::calendar::iso_time;

/// How many differences are told one by one, in all and of one row or reader: else one feed would take the place of many.
pub const TOLD_MAX: usize = 1_000;
const TOLD_OF_ONE_MAX: usize = 5;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// As of when the tables were compared.
    pub position: Option<Position>,
    /// What came of each table.
    pub tables: Vec<TableReport>,
    /// What came of the feeds.
    pub feeds: Option<FeedsReport>,
    /// What differs, the first of it.
    pub differences: Vec<Difference>,
    /// How many more differences there are.
    pub more: usize,
    /// What was not compared, and why.
    pub skipped: Vec<String>,
}

/// As of when tables were compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Where PostgreSQL's log was.
    pub lsn: String,
    /// When, ms UTC.
    pub at_ms: i64,
    /// Up to where connectors had told that they have it; null if none reads.
    pub captured: Option<String>,
    /// How many records the topics of the tables had then.
    pub records: u64,
    /// How many of these ClickHouse's sink had not passed in the end; null while a transaction hides it.
    pub behind: Option<u64>,
    /// How long it was waited for, ms.
    pub waited_ms: i64,
}

/// What came of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Which.
    pub table: &'static str,
    /// Live rows in PostgreSQL.
    pub rows: u64,
    /// Days on which they were created.
    pub days: usize,
    /// How many rows of either side were looked up on the other.
    pub sampled: usize,
    /// How many rows differ.
    pub differ: usize,
    /// How many changed whenever they were looked at, so that nothing is said of them.
    pub undecided: usize,
    /// How many did not look equal and were not looked at again.
    pub unseen: usize,
    /// Days whose rows are not equal.
    pub unequal_days: Vec<UnequalDay>,
}

/// A day whose rows are not equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnequalDay {
    /// `2026-11-20`.
    pub day: String,
    /// Live rows in PostgreSQL.
    pub postgresql: u64,
    /// Live rows in ClickHouse.
    pub clickhouse: u64,
}

/// What came of the feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FeedsReport {
    /// Which servers were asked.
    pub servers: Vec<&'static str>,
    /// How many readers.
    pub readers: usize,
    /// How many of them have a feed.
    pub with_feed: usize,
    /// How many have copies that differ.
    pub differ: usize,
    /// Whose state knows what is not due to be published yet.
    pub pending: usize,
}

impl Report {
    /// Notes the differences of a row or a reader; the first are told one by one.
    pub fn note(&mut self, differences: Vec<Difference>) {
        for (nth, difference) in differences.into_iter().enumerate() {
            if nth < TOLD_OF_ONE_MAX && self.differences.len() < TOLD_MAX {
                self.differences.push(difference);
            } else {
                self.more += 1;
            }
        }
    }

    /// Whether rows did not look equal that were not looked at again, and none of those that were did differ.
    pub fn is_late(&self) -> bool {
        let differ = self.tables.iter().any(|table| table.differ > 0);
        !differ && self.tables.iter().any(|table| table.unseen > 0)
    }

    /// Why it cannot be said that all is equal; none if it can.
    pub fn fault(&self) -> Option<String> {
        let differences = self.differences.len() + self.more;
        let unseen: usize = self.tables.iter().map(|table| table.unseen).sum();
        let mut faults = Vec::new();
        if let Some(Position { behind, .. }) = &self.position
            && *behind != Some(0)
        {
            faults.push("clickhouse has not come to the position".to_owned());
        }
        if differences > 0 {
            faults.push(format!("{} differences", grouped(differences as u64)));
        }
        if unseen > 0 {
            faults.push(format!("{} more rows that do not look equal", grouped(unseen as u64)));
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }

    /// The whole as JSON.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Told<'r> {
            equal: bool,
            #[serde(flatten)]
            report: &'r Report,
        }
        let told = Told { equal: self.fault().is_none(), report: self };
        serde_json::to_string(&told).map(|text| text + "\n").unwrap_or_default()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            writeln!(f, "{position}")?;
        }
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        if let Some(feeds) = &self.feeds {
            writeln!(f, "{feeds}")?;
        }
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more differences", grouped(self.more as u64))?;
        }
        for words in &self.skipped {
            writeln!(f, "not compared: {words}")?;
        }
        match self.fault() {
            None => writeln!(f, "equal"),
            Some(words) => writeln!(f, "not equal: {words}"),
        }
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgresql at {}, {}Z; ", self.lsn, iso_time(self.at_ms))?;
        match &self.captured {
            Some(lsn) => write!(f, "its connector has told to have all up to {lsn}; ")?,
            None => f.write_str("no connector reads its log now; ")?,
        }
        let (records, seconds) = (grouped(self.records), self.waited_ms as f64 / 1e3);
        match self.behind {
            Some(0) => write!(f, "clickhouse has passed the {records} records of then"),
            Some(behind) => {
                let behind = grouped(behind);
                write!(f, "clickhouse is {behind} behind the {records} records of then")
            }
            None => write!(f, "how far clickhouse is in the {records} records of then is hidden"),
        }?;
        write!(f, ", after {seconds:.1} s")
    }
}

impl Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, days, sampled, differ, undecided, unseen, unequal_days, .. } = self;
        let (rows, sampled) = (grouped(self.rows), grouped(*sampled as u64));
        write!(f, "{table}: {rows} rows on {days} days, {sampled} sampled: ")?;
        if *differ + *unseen == 0 {
            f.write_str("equal")?;
        } else {
            write!(f, "{} differ", grouped((*differ + *unseen) as u64))?;
        }
        if *undecided > 0 {
            write!(f, ", {} undecided (they changed meanwhile)", grouped(*undecided as u64))?;
        }
        for UnequalDay { day, postgresql, clickhouse } in unequal_days {
            let [one, other] = [*postgresql, *clickhouse].map(grouped);
            write!(f, "\n{table} {day}: rows: postgresql {one}, clickhouse {other}")?;
        }
        Ok(())
    }
}

impl Display for FeedsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, readers, with_feed, differ, pending } = self;
        let [readers, with_feed] = [*readers, *with_feed].map(|count| grouped(count as u64));
        let servers = servers.join(", ");
        write!(f, "feeds of {readers} readers, {with_feed} have one, in {servers}: ")?;
        match differ {
            0 => f.write_str("equal")?,
            differ => write!(f, "{} differ", grouped(*differ as u64))?,
        }
        if *pending > 0 {
            let pending = grouped(*pending as u64);
            write!(f, ", {pending} pending (state knows what is not due to be published)")?;
        }
        Ok(())
    }
}

/// A position of PostgreSQL's log as it writes them.
pub fn shown_lsn(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        let _ = out.write_char(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::difference::Found;
    use super::*;

    fn report() -> Report {
        let position = Position {
            lsn: shown_lsn(0x0001_0000_02ab),
            at_ms: 1_795_216_628_123,
            captured: None,
            records: 12_345,
            behind: Some(0),
            waited_ms: 250,
        };
        let users = TableReport { table: "users", rows: 1_234_567, days: 31, ..Default::default() };
        let servers = vec!["redis", "state"];
        let feeds = FeedsReport { servers, readers: 100, with_feed: 97, ..Default::default() };
        let (position, feeds) = (Some(position), Some(feeds));
        Report { position, tables: vec![users], feeds, ..Report::default() }
    }

    fn difference() -> Difference {
        let found = [Found::at("postgresql", 1), Found::at("clickhouse", 2)];
        Difference { part: "likes", key: "k".into(), column: "created_at".into(), found }
    }

    #[test]
    fn what_is_equal_is_told_a_part_a_line_with_the_position() {
        let told = "postgresql at 1/2AB, 2026-11-20T23:17:08.123Z; no connector reads its log now; \
            clickhouse has passed the 12,345 records of then, after 0.2 s\n\
            users: 1,234,567 rows on 31 days, 0 sampled: equal\n\
            feeds of 100 readers, 97 have one, in redis, state: equal\n\
            equal\n";
        assert_eq!(report().to_string(), told);
        assert!(report().json().starts_with(r#"{"equal":true,"position":{"lsn":"1/2AB","#));
    }

    #[test]
    fn differences_are_told_one_by_one_up_to_a_bound() {
        let mut report = report();
        (0..TOLD_MAX).for_each(|_| report.note(vec![difference()]));
        report.note(vec![difference(); 2]);
        let told = report.to_string();
        let line = "likes k: created_at: postgresql 1, clickhouse 2\n";
        assert_eq!(told.matches(line).count(), TOLD_MAX);
        assert!(told.ends_with("and 2 more differences\nnot equal: 1,002 differences\n"), "{told}");
        assert!(report.json().starts_with(r#"{"equal":false,"#));
    }

    #[test]
    fn one_reader_whose_feed_differs_in_everything_leaves_room_for_the_others() {
        let mut report = report();
        (0..30).for_each(|_| report.note(vec![difference(); 50]));
        assert_eq!((report.differences.len(), report.more), (30 * TOLD_OF_ONE_MAX, 30 * 45));
    }

    #[test]
    fn rows_that_were_not_looked_at_again_are_not_equal_and_late_unless_one_differs() {
        let mut report = report();
        report.tables[0].unseen = 1_000;
        assert!(report.is_late());
        assert_eq!(report.fault().unwrap(), "1,000 more rows that do not look equal");
        report.tables[0].differ = 1;
        assert!(!report.is_late());
    }

    #[test]
    fn a_position_that_clickhouse_has_not_come_to_is_not_equal() {
        for behind in [Some(3), None] {
            let mut report = report();
            if let Some(position) = &mut report.position {
                position.behind = behind;
            }
            let fault = report.fault().unwrap();
            assert_eq!(fault, "clickhouse has not come to the position");
        }
    }
}
