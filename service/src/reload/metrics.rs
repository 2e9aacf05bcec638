//! What is counted of it, by the names that Prometheus has for the same of itself.

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

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
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let of = Self {
            failures: IntCounter::new(
                "feedmill_config_reload_failures_total",
                "Readings of the configuration that found faults.",
            )?,
            is_successful: IntGauge::new(
                "feedmill_config_last_reload_successful",
                "Whether the last reading of the configuration found no fault.",
            )?,
            succeeded_at_s: Gauge::new(
                "feedmill_config_last_reload_success_timestamp_seconds",
                "When the configuration was last read without a fault.",
            )?,
            restart_needed: IntGauge::new(
                "feedmill_config_restart_needed",
                "Settings that say something else than what is in force, and need a restart.",
            )?,
        };
        of.is_successful.set(1);
        registry.register(Box::new(of.failures.clone()))?;
        registry.register(Box::new(of.is_successful.clone()))?;
        registry.register(Box::new(of.succeeded_at_s.clone()))?;
        registry.register(Box::new(of.restart_needed.clone()))?;
        Ok(of)
    }
}
