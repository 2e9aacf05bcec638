//! Two plots, as SVG by hand: intervals of contenders on one axis, and lines over days. Colours are the page's classes.

use std::fmt::Write;

use super::Row;
use crate::metric::Interval;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 20.0;
const LINE: f64 = 26.0;
const HEAD: f64 = 30.0;
const HEIGHT: f64 = 300.0;
/// So many lines are told apart by their colours.
const COLOURS: usize = 8;

/// Each contender's interval on the axis from 0 to 1, one series beside the other.
pub fn intervals(series: &[(&str, &[Row])]) -> String {
    let names = series.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.name.as_str()));
    let mut unique: Vec<&str> = Vec::new();
    names.for_each(|name| {
        if !unique.contains(&name) {
            unique.push(name);
        }
    });
    let height = HEAD + LINE * unique.len() as f64 + 30.0;
    let mut svg = open("NDCG@10 of each contender with its 95 % interval", height);
    axis(&mut svg, height);
    for (line, name) in unique.iter().enumerate() {
        let y = HEAD + LINE * (line as f64 + 0.5);
        let _ = write!(
            svg,
            r#"<text x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 4.0,
            escaped(name)
        );
        for (number, (title, rows)) in series.iter().enumerate() {
            let found = rows.iter().find(|row| row.name == *name).and_then(Row::ndcg);
            let shift = (number as f64 - (series.len() as f64 - 1.0) / 2.0) * 7.0;
            found.iter().for_each(|of| interval(&mut svg, *of, (y + shift, number), (name, title)));
        }
    }
    legend(&mut svg, &series.iter().map(|(title, _)| *title).collect::<Vec<_>>());
    svg.push_str("</svg>");
    svg
}

fn interval(
    svg: &mut String,
    of: Interval,
    (y, number): (f64, usize),
    (name, title): (&str, &str),
) {
    let (low, high) = of.ends();
    let _ = write!(
        svg,
        r#"<g class="c{number}"><title>{}, {}: {:.3} ± {:.3}</title><line x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/><circle cx="{:.1}" cy="{y:.1}" r="3.5"/></g>"#,
        escaped(name),
        escaped(title),
        of.mean,
        of.half.unwrap_or(0.0),
        across(low.max(0.0)),
        across(high.min(1.0)),
        across(of.mean),
    );
}

/// NDCG@10 of each contender by day.
pub fn by_day(rows: &[Row]) -> String {
    let days = rows.iter().map(|row| row.by_day.len()).max().unwrap_or(0).max(2);
    let mut svg = open("NDCG@10 by day in the closed loop", HEIGHT + 30.0);
    let x = |day: usize| LEFT + (WIDTH - LEFT - RIGHT) * day as f64 / (days - 1) as f64;
    let y = |value: f64| HEAD + (HEIGHT - HEAD) * (1.0 - value.clamp(0.0, 1.0));
    for tenth in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        let at = y(tenth);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT:.0}" y1="{at:.1}" x2="{:.0}" y2="{at:.1}"/><text x="{:.0}" y="{:.1}" text-anchor="end">{tenth:.1}</text>"#,
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for day in 0..days {
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.0}" text-anchor="middle">day {}</text>"#,
            x(day),
            HEIGHT + 20.0,
            day + 1
        );
    }
    for (number, row) in rows.iter().enumerate() {
        let values = row.by_day.iter().enumerate();
        let points = values.filter_map(|(day, of)| Some((x(day), y(of.as_ref()?.mean))));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(
            svg,
            r#"<g class="c{}"><title>{}</title><polyline points="{}"/></g>"#,
            number % COLOURS,
            escaped(&row.name),
            points.join(" ")
        );
    }
    side_legend(&mut svg, rows);
    svg.push_str("</svg>");
    svg
}

fn open(title: &str, height: f64) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH:.0} {height:.0}" role="img" aria-label="{}">"#,
        escaped(title)
    )
}

fn axis(svg: &mut String, height: f64) {
    for tenth in 0..=10 {
        let (value, bottom) = (f64::from(tenth) / 10.0, height - 24.0);
        let x = across(value);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" y1="{HEAD:.0}" x2="{x:.1}" y2="{bottom:.0}"/><text x="{x:.1}" y="{:.0}" text-anchor="middle">{value:.1}</text>"#,
            height - 8.0
        );
    }
}

fn across(value: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * value.clamp(0.0, 1.0)
}

fn legend(svg: &mut String, titles: &[&str]) {
    let mut x = LEFT;
    for (number, title) in titles.iter().enumerate() {
        let _ = write!(
            svg,
            r#"<g class="c{number}"><circle cx="{x:.0}" cy="12" r="4"/></g><text x="{:.0}" y="16">{}</text>"#,
            x + 10.0,
            escaped(title)
        );
        x += 30.0 + 7.0 * title.len() as f64;
    }
}

fn side_legend(svg: &mut String, rows: &[Row]) {
    for (number, row) in rows.iter().enumerate() {
        let y = HEAD + 20.0 * (number as f64 + 0.5);
        let _ = write!(
            svg,
            r#"<g class="c{}"><line x1="6" y1="{:.1}" x2="26" y2="{:.1}"/></g><text x="34" y="{:.1}">{}</text>"#,
            number % COLOURS,
            y - 4.0,
            y - 4.0,
            y,
            escaped(&row.name)
        );
    }
}

/// Text as HTML has it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escaped("<b> & \"c\""), "&lt;b&gt; &amp; &quot;c&quot;");
    }
}
