//! What is counted of it, by the names that Prometheus has for the same of itself.

use prometheus::{Gauge, IntCounter, IntGauge};

use crate::metrics::Families;

/// See the module.
pub struct ReloadMetrics {
    /// Readings that found faults.
    pub failures: IntCounter,
    /// Whether the last one found none: 1 or 0.
    pub is_successful: IntGauge,
    /// When the last one was that found none, s.
    pub succeeded_at_s: Gauge,
    /// Settings that wait for a restart.
    pub restart_needed: IntGauge,
}

impl ReloadMetrics {
    /// As they are when a process starts: it does not without a configuration that is well.
    pub fn new(of: &Families<'_>) -> Result<Self, prometheus::Error> {
        let made = Self {
            failures: of.counter(
                "feedmill_config_reload_failures_total",
                "Readings of the configuration that found faults.",
            )?,
            is_successful: of.gauge(
                "feedmill_config_last_reload_successful",
                "Whether the last reading of the configuration found no fault.",
            )?,
            succeeded_at_s: of.number(
                "feedmill_config_last_reload_success_timestamp_seconds",
                "When the configuration was last read without a fault.",
            )?,
            restart_needed: of.gauge(
                "feedmill_config_restart_needed",
                "Settings that say something else than what is in force, and need a restart.",
            )?,
        };
        made.is_successful.set(1);
        Ok(made)
    }
}
