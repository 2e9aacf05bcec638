//! The report as a page that stands alone: one file, no request to anywhere, light and dark.

use std::fmt::Write;

use super::plot::{by_day, escaped, intervals};
use super::table::{cell, percent};
use super::{Report, Row};
use crate::contender::BEST;
use crate::metric::Metric;

const STYLE: &str = include_str!("page.css");
const WORLD: &str = include_str!("world.html");
const FORMULAS: &str = include_str!("formulas.html");

impl Report {
    /// The page.
    pub fn page(&self) -> String {
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>The referee of rankings</title><style>{STYLE}</style></head><body>\
             <h1>The referee of rankings</h1>"
        );
        let seeds: Vec<_> = self.seeds.iter().map(u64::to_string).collect();
        let _ = write!(
            out,
            "<p class=\"lead\">Planted worlds, in which what every post is worth to every reader is known; the production topology ranks in them. \
             Seeds {}, {} readers, {} authors, {} days. Each figure is the mean over the seeds ± half the width of its 95 % interval.</p>",
            seeds.join(", "),
            self.size.readers,
            self.size.authors,
            self.size.days
        );
        self.cards(&mut out);
        self.plots(&mut out);
        self.tables(&mut out);
        self.bad(&mut out);
        self.kept_words(&mut out);
        let _ = writeln!(out, "{WORLD}{FORMULAS}</body></html>");
        out
    }

    fn cards(&self, out: &mut String) {
        let ndcg = |name: &str| cell(self.row(name).and_then(Row::ndcg), 3);
        let (hits, chance) = self.suggested;
        let cards = [
            (ndcg(BEST), "NDCG@10 of the best arm, open loop"),
            (ndcg("v1"), "of v1"),
            (ndcg("chronological"), "of the followees' posts by time"),
            (ndcg("x-style"), "of X-style soft author decay"),
            (ndcg("authors known"), "if authors were known, the post not"),
            (cell(hits, 2), "hit rate of suggestions"),
            (cell(chance, 2), "hit rate by chance"),
        ];
        out.push_str("<div class=\"cards\">");
        for (figure, words) in cards {
            let _ = write!(out, "<div class=\"card\"><b>{figure}</b><span>{words}</span></div>");
        }
        out.push_str("</div><ul>");
        for (name, holds) in self.verdicts() {
            let says = if holds { "lies above" } else { "does <b>not</b> lie above" };
            let _ = write!(
                out,
                "<li>The best arm {says} {name} on NDCG@10 with separated intervals.</li>"
            );
        }
        out.push_str("</ul>");
    }

    fn plots(&self, out: &mut String) {
        let series: [(&str, &[Row]); 3] = [
            ("open loop", &self.open),
            ("open loop without spam", &self.without_rings),
            ("closed loop", &self.closed),
        ];
        let _ = write!(
            out,
            "<h2>How near to the ideal</h2><p>NDCG@10 on true utility; 1 is the best that could be shown of all live posts.</p>{}\
             <h2>Learning, day by day</h2><p>The closed loop: every contender learns from what its own readers do. What makes the first day easy is \
             that there is little to choose from.</p>{}",
            intervals(&series),
            by_day(&self.closed)
        );
    }

    fn tables(&self, out: &mut String) {
        out.push_str("<h2>Open loop</h2><p>Readers are shown what a logging policy shows; all contenders rank the same looks.</p>");
        rows(out, &self.open, false);
        out.push_str("<h2>Closed loop</h2><p>Readers are shown what the contender ranks.</p>");
        rows(out, &self.closed, true);
        out.push_str("<h2>Without spam</h2><p>The open loop of the same worlds, had the rings never been.</p>");
        rows(out, &self.without_rings, false);
        out.push_str(
            "<h2>What trends</h2><p>The first ten of the list of 1 h in the open loop, by both formulas that the topology has.</p>\
             <div class=\"wide\"><table><tr><th>counted</th><th>delay (min)</th><th>bursts found</th><th>false alarms</th><th>spam</th></tr>",
        );
        for (name, row) in &self.trends {
            let cells = [
                cell(row.delay_min, 0),
                cell(row.found, 2),
                cell(row.false_alarms, 2),
                cell(row.spam, 2),
            ];
            let cells = cells.map(|cell| format!("<td>{cell}</td>")).concat();
            let _ = write!(out, "<tr><td>{}</td>{cells}</tr>", escaped(name));
        }
        out.push_str("</table></div>");
    }

    fn bad(&self, out: &mut String) {
        out.push_str("<h2>What v1 does badly</h2><ul>");
        for (name, words) in self.weaknesses() {
            let _ = write!(out, "<li><b>{name}.</b> {}</li>", escaped(&words));
        }
        out.push_str("</ul>");
    }

    fn kept_words(&self, out: &mut String) {
        let (kept, sum) = (&self.kept, &self.kept.sum);
        let _ = write!(
            out,
            "<h2>Kept ranked</h2><p>In worlds whose feeds are kept ranked as in production, {} rankings were made because something changed, whatever it was. \
             Of a ranking of everybody for every change of a post ({}) that avoids {} %; of one of its audience, who follows the author or has affinity ({}), {} %: \
             many changes are one ranking, whoever does not look waits, and the floor spares {} % of the latter. Of what the floor spared {} were done all the same, to see: \
             <b>{}</b> were wrongly spared. Of {} feeds published at the end {} equal, item by item, what is ranked on demand as of their time; {} have all their places.</p>",
            sum.rankings,
            sum.naive,
            percent(kept.avoided_of_everybody),
            sum.audience(),
            percent(kept.avoided_of_audience),
            percent(kept.avoided_by_floor),
            sum.audited,
            sum.mismatches,
            sum.published,
            sum.equal,
            sum.full
        );
        out.push_str(
            "<p>A floor spares little where a feed's hundred places hold most of what is written for its reader, as they do in a world of this size: \
             what changes is mostly new, and what is new has a place. It spares more the more is written beyond the places.</p>",
        );
    }
}

fn rows(out: &mut String, rows: &[Row], is_closed: bool) {
    let mut head: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    head.insert(1, "above v1");
    if is_closed {
        head.extend(["trend delay (min)", "false alarms", "suggest hits"]);
    }
    let head = head.iter().map(|name| format!("<th>{name}</th>")).collect::<String>();
    let _ = write!(out, "<div class=\"wide\"><table><tr><th></th>{head}</tr>");
    for row in rows {
        let class = match row.name.as_str() {
            BEST => " class=\"best\"",
            "v1" => " class=\"given\"",
            _ => "",
        };
        let _ = write!(out, "<tr{class}><td>{}</td>", escaped(&row.name));
        for (place, metric) in Metric::ALL.iter().enumerate() {
            figure(out, &cell(row.figure(*metric), metric.digits()));
            if place == 0 {
                figure(out, &cell(row.above_v1, 3));
            }
        }
        if let Some(trends) = row.trends.filter(|_| is_closed) {
            figure(out, &cell(trends.delay_min, 0));
            figure(out, &cell(trends.false_alarms, 2));
            figure(out, &cell(row.suggested, 2));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
}

/// A cell whose interval stands back.
fn figure(out: &mut String, text: &str) {
    let _ = match text.split_once(' ') {
        Some((mean, half)) => write!(out, "<td>{mean} <i>{half}</i></td>"),
        None => write!(out, "<td>{text}</td>"),
    };
}
