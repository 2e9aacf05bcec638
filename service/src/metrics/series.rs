//! Families with their series, of numbers that are counted elsewhere: as the encoder takes them.

use millstream::{Durations, Family};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

pub(super) fn family(of: Family, kind: MetricType, series: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(of.name.to_owned());
    family.set_help(of.help.to_owned());
    family.set_field_type(kind);
    family.set_metric(series);
    family
}

pub(super) fn counter(of: Family, series: Vec<(Vec<LabelPair>, u64)>) -> MetricFamily {
    let metric = |(labels, n)| {
        let mut metric = Metric::from_label(labels);
        let mut value = Counter::default();
        value.set_value(n as f64);
        metric.set_counter(value);
        metric
    };
    family(of, MetricType::COUNTER, series.into_iter().map(metric).collect())
}

pub(super) fn gauge(
    of: Family,
    series: impl IntoIterator<Item = (Vec<LabelPair>, f64)>,
) -> MetricFamily {
    let metric = |(labels, number)| {
        let mut metric = Metric::from_label(labels);
        let mut value = Gauge::default();
        value.set_value(number);
        metric.set_gauge(value);
        metric
    };
    family(of, MetricType::GAUGE, series.into_iter().map(metric).collect())
}

pub(super) fn histogram(labels: Vec<LabelPair>, took: &Durations) -> Metric {
    let bucket = |(bound, count): &(f64, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut value = Histogram::default();
    // The encoder adds the last one, which has no bound.
    let bounded = took.at_most.iter().filter(|(bound, _)| bound.is_finite());
    value.set_bucket(bounded.map(bucket).collect());
    value.set_sample_sum(took.sum);
    value.set_sample_count(took.count());
    let mut metric = Metric::from_label(labels);
    metric.set_histogram(value);
    metric
}

pub(super) fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}
