//! Makes families of series, each of which is told from then on.

use prometheus::core::Collector;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, Result,
};

/// See the module.
pub struct Families<'a>(pub &'a Registry);

impl Families<'_> {
    fn told<C: Collector + Clone + 'static>(&self, made: Result<C>) -> Result<C> {
        let made = made?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    /// A count.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.told(IntCounter::new(name, help))
    }

    /// Counts by labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.told(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A whole number that rises and falls.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.told(IntGauge::new(name, help))
    }

    /// Such numbers by labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.told(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A number that rises and falls.
    pub fn number(&self, name: &str, help: &str) -> Result<Gauge> {
        self.told(Gauge::new(name, help))
    }

    /// How long something takes, by labels.
    pub fn seconds(
        &self,
        (name, help): (&str, &str),
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.told(HistogramVec::new(opts, labels))
    }
}
