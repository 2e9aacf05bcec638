//! The report in a terminal: a line for each contender, figures as mean ± half the width of the 95 % interval.

use std::fmt::Write;

use super::{Report, Row, TrendRow};
use crate::metric::{Interval, Metric};

const NAME: usize = 26;
const CELL: usize = 14;

impl Report {
    /// The table, and what stands beside it.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let seeds: Vec<_> = self.seeds.iter().map(u64::to_string).collect();
        let _ = writeln!(
            out,
            "{} readers, {} of them authors, {} rings of spammers, {} days, seeds {}; mean ± 95 % over seeds",
            self.size.readers,
            self.size.authors,
            self.size.rings,
            self.size.days,
            seeds.join(" ")
        );
        section(&mut out, "open loop: all rank the same looks", &self.open, true);
        section(&mut out, "closed loop: readers see what is ranked", &self.closed, false);
        self.clean(&mut out);
        self.beside(&mut out);
        out
    }

    /// NDCG@10 in worlds without spam.
    fn clean(&self, out: &mut String) {
        let _ = writeln!(out, "\nopen loop in worlds without spam");
        let _ = writeln!(out, "{:<NAME$}{:>CELL$}{:>CELL$}", "", "NDCG@10", "above v1");
        for row in &self.without_rings {
            let (ndcg, above) = (cell(row.ndcg(), 3), cell(row.above_v1, 3));
            let _ = writeln!(out, "{:<NAME$}{ndcg:>CELL$}{above:>CELL$}", row.name);
        }
    }

    fn beside(&self, out: &mut String) {
        let _ = writeln!(out, "\nwhat trends (open loop, first ten of 1 h)");
        let head = ["delay (min)", "found", "false alarms", "spam"];
        let head = head.map(|name| format!("{name:>CELL$}")).concat();
        let _ = writeln!(out, "{:<NAME$}{head}", "");
        for (name, row) in &self.trends {
            let _ = writeln!(out, "{name:<NAME$}{}", trend_cells(row));
        }
        let (hits, chance) = self.suggested;
        let (hits, chance) = (cell(hits, 3), cell(chance, 3));
        let _ = writeln!(out, "\nsuggestions: hit rate {hits}, by chance {chance}");
        let (kept, sum) = (&self.kept, &self.kept.sum);
        let _ = writeln!(
            out,
            "{} rankings were made for changes: avoided are {} % of {} of everybody for every change of a post, {} % of {} of its audience",
            sum.rankings,
            percent(kept.avoided_of_everybody),
            sum.naive,
            percent(kept.avoided_of_audience),
            sum.audience()
        );
        let _ = writeln!(
            out,
            "the floor: {} % of the latter avoided ({}), {} audited, {} mismatches",
            percent(kept.avoided_by_floor),
            sum.avoided,
            sum.audited,
            sum.mismatches
        );
        let _ = writeln!(
            out,
            "published feeds that equal the ranking on demand: {} of {}; feeds with all places: {}",
            sum.equal, sum.published, sum.full
        );
        for (name, holds) in self.verdicts() {
            let says = if holds { "above" } else { "NOT above" };
            let _ = writeln!(out, "best arm: {says} {name} on NDCG@10, intervals apart");
        }
    }
}

fn section(out: &mut String, title: &str, rows: &[Row], is_open: bool) {
    let _ = writeln!(out, "\n{title}");
    let mut head: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    head.insert(1, "above v1");
    if !is_open {
        head.extend(["trend delay", "found", "false alarms", "spam trends", "suggest hits"]);
    }
    let head: String = head.iter().map(|name| format!("{name:>CELL$}")).collect();
    let _ = writeln!(out, "{:<NAME$}{head}", "");
    for row in rows {
        let mut cells: Vec<String> =
            Metric::ALL.iter().map(|metric| cell(row.figure(*metric), metric.digits())).collect();
        cells.insert(1, cell(row.above_v1, 3));
        let cells: String = cells.iter().map(|cell| format!("{cell:>CELL$}")).collect();
        let trends = row.trends.as_ref().map(trend_cells).unwrap_or_default();
        let hits = if is_open { String::new() } else { cell(row.suggested, 3) };
        let hits = if is_open { hits } else { format!("{hits:>CELL$}") };
        let _ = writeln!(out, "{:<NAME$}{cells}{trends}{hits}", row.name);
    }
}

fn trend_cells(row: &TrendRow) -> String {
    let cells =
        [cell(row.delay_min, 0), cell(row.found, 2), cell(row.false_alarms, 2), cell(row.spam, 2)];
    cells.map(|cell| format!("{cell:>CELL$}")).concat()
}

/// A share in percent.
pub fn percent(share: Option<Interval>) -> String {
    cell(share.map(|share| share.times(100.0)), 2)
}

/// An interval with so many digits; a dash where nothing of the kind happened.
pub fn cell(interval: Option<Interval>, digits: usize) -> String {
    match interval {
        None => "-".to_owned(),
        Some(Interval { mean, half: None }) => format!("{mean:.digits$}"),
        Some(Interval { mean, half: Some(half) }) => format!("{mean:.digits$} ±{half:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_interval_where_there_is_one_and_a_dash_where_there_is_nothing() {
        let of = |half| Some(Interval { mean: 0.1234, half });
        assert_eq!(
            [cell(of(Some(0.01)), 3), cell(of(None), 2), cell(None, 2)],
            ["0.123 ±0.010", "0.12", "-"]
        );
    }
}
