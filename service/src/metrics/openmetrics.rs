//! Metrics as OpenMetrics 1.0 has them, for whoever accepts that: they bear exemplars, which the older text cannot.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>. The crate that counts has no encoder for it, and the one that has is
//! another way to count, with neither what is counted elsewhere nor what the process takes.

use std::fmt::{self, Write};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars};

/// What it is called in an answer.
pub const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The name of a counter's only sample ends so, that of its family does not.
const TOTAL: &str = "_total";

/// Whether whoever sent this header takes it.
pub fn is_accepted(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| {
        accept.split(',').any(|media| {
            media.split(';').next().is_some_and(|of| of.trim() == "application/openmetrics-text")
        })
    })
}

/// All of it; the exemplars are those of the family of this name.
pub fn text(
    families: &[MetricFamily],
    (of, exemplars): (&str, &Exemplars),
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for family in families {
        let exemplars = (family.name() == of).then_some(exemplars);
        write_family(&mut out, family, exemplars)?;
    }
    out.push_str("# EOF\n");
    Ok(out)
}

fn write_family(
    out: &mut String,
    family: &MetricFamily,
    exemplars: Option<&Exemplars>,
) -> fmt::Result {
    let (kind, name) = match family.get_field_type() {
        MetricType::COUNTER => {
            ("counter", family.name().strip_suffix(TOTAL).unwrap_or(family.name()))
        }
        MetricType::GAUGE => ("gauge", family.name()),
        MetricType::HISTOGRAM => ("histogram", family.name()),
        // Nothing here is counted by those.
        MetricType::SUMMARY | MetricType::UNTYPED => return Ok(()),
    };
    writeln!(out, "# HELP {name} {}", Escaped(family.help()))?;
    writeln!(out, "# TYPE {name} {kind}")?;
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match family.get_field_type() {
            MetricType::COUNTER => {
                write!(out, "{name}{TOTAL}")?;
                write_labels(out, labels, None)?;
                writeln!(out, " {}", Number(metric.get_counter().get_value()))?;
            }
            MetricType::HISTOGRAM => write_histogram(out, name, metric, exemplars)?,
            MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                out.push_str(name);
                write_labels(out, labels, None)?;
                writeln!(out, " {}", Number(metric.get_gauge().get_value()))?;
            }
        }
    }
    Ok(())
}

fn write_histogram(
    out: &mut String,
    name: &str,
    metric: &Metric,
    exemplars: Option<&Exemplars>,
) -> fmt::Result {
    let (labels, of) = (metric.get_label(), metric.get_histogram());
    let buckets = of.get_bucket().iter();
    let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    // The last one has no bound, and some who count leave it out.
    let bounded = buckets.filter(|(bound, _)| bound.is_finite());
    for (bound, count) in bounded.chain([(f64::INFINITY, of.get_sample_count())]) {
        write!(out, "{name}_bucket")?;
        write_labels(out, labels, Some(bound))?;
        write!(out, " {count}")?;
        let label = labels.first().map_or("", LabelPair::value);
        if let Some(exemplar) = exemplars.and_then(|of| of.of(label, bound)) {
            write_exemplar(out, &exemplar)?;
        }
        out.push('\n');
    }
    for (what, value) in [("sum", of.get_sample_sum()), ("count", of.get_sample_count() as f64)] {
        write!(out, "{name}_{what}")?;
        write_labels(out, labels, None)?;
        writeln!(out, " {}", Number(value))?;
    }
    Ok(())
}

fn write_exemplar(out: &mut String, of: &Exemplar) -> fmt::Result {
    out.push_str(" # {trace_id=\"");
    of.place.trace.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    out.push_str("\",span_id=\"");
    of.place.span.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    write!(out, "\"}} {} {}.{:03}", of.value, of.at.0 / 1_000, of.at.0 % 1_000)
}

fn write_labels(out: &mut String, labels: &[LabelPair], bound: Option<f64>) -> fmt::Result {
    let mut before = '{';
    for label in labels {
        write!(out, "{before}{}=\"{}\"", label.name(), Escaped(label.value()))?;
        before = ',';
    }
    if let Some(bound) = bound {
        write!(out, "{before}le=\"{}\"", Number(bound))?;
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    Ok(())
}

/// A number as the text has it: always with a point where it has an end.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number:?}"),
        }
    }
}

/// Words in which no line and no label ends.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' => f.write_str("\\\""),
            other => f.write_char(other),
        })
    }
}
