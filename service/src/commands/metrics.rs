//! The metrics of a day in a terminal, as CSV or as JSON.

use std::fmt::Write;

use connectors::clickhouse::{DailyQuality, answers};
use millstream::{Clock, Exit, SystemClock};
use schemas::daily_metrics::Quality;
use schemas::{DailyMetrics, Day};

use crate::Failed;
use crate::cli::Metrics;
use crate::config::Config;
use crate::daily::{Daily, DailyJob};

const CSV_HEAD: &str = "date,dimension,value,received,repeats,deduplication_rate,impressions,views,clicks,\
    ctr,likes,comments,shares,dwells,dwell_p50_ms,dwell_p95_ms\n";

/// Adds the day up, as long as its events are there, and tells it.
pub async fn show(config: &Config, asked: &Metrics) -> Result<String, Failed> {
    let today = Day::of(SystemClock.now().0);
    if asked.date > today {
        return Err(Failed(Exit::Usage, format!("--date: {} has not begun", asked.date)));
    }
    if let Some(clickhouse) = &config.clickhouse {
        answers(&clickhouse.server).await?;
    }
    let metrics = match asked.date >= today.before(DailyQuality::KEPT_DAYS) {
        true => added_up(config, asked.date).await?,
        false => known(config, asked.date).await?,
    };
    match (asked.csv, asked.json) {
        (true, _) => Ok(csv(&metrics)),
        (_, true) => serde_json::to_string_pretty(&metrics)
            .map(|json| json + "\n")
            .map_err(|error| error.to_string().into()),
        (false, false) => Ok(table(&metrics)),
    }
}

async fn added_up(config: &Config, day: Day) -> Result<DailyMetrics, Failed> {
    let needed = || Failed(Exit::Usage, "clickhouse.url: is needed".to_owned());
    let job = DailyJob::of(config)?.ok_or_else(needed)?;
    let metrics = job.add_up(day).await?;
    // Its readers get the older copy for a while; the answer is the same.
    if let Err(words) = job.hold(&metrics).await {
        tracing::warn!(%words, "redis does not take the metrics");
    }
    Ok(metrics)
}

async fn known(config: &Config, day: Day) -> Result<DailyMetrics, Failed> {
    let needed = || Failed(Exit::Usage, "clickhouse.url: is needed".to_owned());
    let clickhouse = Daily::of(config)?.clickhouse.ok_or_else(needed)?;
    Ok(clickhouse.of(day).await?)
}

/// A line for each part; a number that there is not is empty.
fn csv(metrics: &DailyMetrics) -> String {
    let mut out = CSV_HEAD.to_owned();
    for (dimension, value, of) in metrics.parts() {
        let counts = &of.counts;
        let _ = writeln!(
            out,
            "{},{},{value},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            metrics.date,
            dimension.name(),
            counts.received,
            counts.repeats,
            number(of.deduplication_rate),
            counts.impressions,
            counts.views,
            counts.clicks,
            number(of.ctr),
            counts.likes,
            counts.comments,
            counts.shares,
            counts.dwells,
            number(of.dwell_p50_ms),
            number(of.dwell_p95_ms),
        );
    }
    out
}

fn number(of: Option<impl ToString>) -> String {
    of.map_or_else(String::new, |of| of.to_string())
}

fn table(metrics: &DailyMetrics) -> String {
    let mut out = format!(
        "{:<16} {:>10} {:>8} {:>11} {:>9} {:>7} {:>9} {:>9}\n",
        metrics.date,
        "received",
        "repeated",
        "impressions",
        "clicks",
        "ctr",
        "dwell p50",
        "dwell p95"
    );
    for (dimension, value, of) in metrics.parts() {
        let Quality { ctr, dwell_p50_ms, dwell_p95_ms, deduplication_rate, counts } = of;
        let percent =
            |of: &Option<f64>| of.map_or_else(|| "-".into(), |of| format!("{:.2}%", of * 100.0));
        let millis = |of: &Option<u32>| of.map_or_else(|| "-".into(), |of| format!("{of} ms"));
        let (ctr, repeated) = (percent(ctr), percent(deduplication_rate));
        let (p50, p95) = (millis(dwell_p50_ms), millis(dwell_p95_ms));
        let name = format!("{} {value}", dimension.name());
        let _ = writeln!(
            out,
            "{name:<16} {:>10} {repeated:>8} {:>11} {:>9} {ctr:>7} {p50:>9} {p95:>9}",
            counts.received, counts.impressions, counts.clicks
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use schemas::daily_metrics::{Counts, Dimension};

    use super::*;

    fn day() -> DailyMetrics {
        let mut day = DailyMetrics::none("2026-11-20".parse().unwrap());
        let counts =
            Counts { received: 8, repeats: 2, impressions: 4, clicks: 1, ..Counts::default() };
        day.take(Dimension::All, String::new(), Quality::of(counts, (Some(500), Some(900))));
        let counts = Counts { received: 1, clicks: 1, ..Counts::default() };
        day.take(Dimension::Position, "3".into(), Quality::of(counts, (None, None)));
        day
    }

    #[test]
    fn csv_has_a_line_for_each_part_and_nothing_where_there_is_no_number() {
        let expected = [
            "2026-11-20,all,,8,2,0.25,4,0,1,0.25,0,0,0,0,500,900",
            "2026-11-20,feed,,0,0,,0,0,0,,0,0,0,0,,",
            "2026-11-20,position,3,1,0,0,0,0,1,,0,0,0,0,,",
        ];
        let csv = csv(&day());
        let (head, lines) = csv.split_once('\n').unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        let columns = |line: &str| line.split(',').count();
        assert!(lines.lines().all(|line| columns(line) == columns(head)), "{head}");
    }

    #[test]
    fn a_person_is_told_ratios_in_percent() {
        let table = table(&day());
        let line = table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(line, ["all", "8", "25.00%", "4", "1", "25.00%", "500", "ms", "900", "ms"]);
    }
}
