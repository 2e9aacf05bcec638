//! When a changed setting takes effect: every setting is in this table, and a test says which is not.
//!
//! At once means that whoever needs the value asks [`super::InForce`] for it each time. What was made of a value when the process
//! started (listeners, clients of servers, the topology, whose tokens are taken) stays as it is, and needs a restart.

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// As soon as it is read.
    AtOnce,
    /// When the process is started again.
    Restart,
}

use Effect::{AtOnce, Restart};

/// By name; a name that ends with a dot is a table whose names others choose.
pub const EFFECTS: &[(&str, Effect)] = &[
    ("admin.audience", Restart),
    ("admin.listen", Restart),
    ("admin.secret_file", Restart),
    ("app", Restart),
    ("auth.algorithm", Restart),
    ("auth.audience", Restart),
    ("auth.issuer", Restart),
    ("auth.issuers.", Restart),
    ("auth.jwks_url", Restart),
    ("auth.key_file", Restart),
    ("auth.leeway_s", Restart),
    ("auth.signing_key_file", Restart),
    ("breaker.back_ms", AtOnce),
    ("breaker.failures", AtOnce),
    ("breaker.open_ms", AtOnce),
    ("breaker.window_ms", AtOnce),
    ("clickhouse.database", Restart),
    ("clickhouse.linger_ms", Restart),
    ("clickhouse.password", Restart),
    ("clickhouse.reads_max", Restart),
    ("clickhouse.records_max", Restart),
    ("clickhouse.url", Restart),
    ("clickhouse.user", Restart),
    ("clickhouse.wait_ms", Restart),
    ("events.format", Restart),
    ("http.body_bytes_max", AtOnce),
    ("http.connections_max", AtOnce),
    ("http.connections_per_address_max", AtOnce),
    ("http.cors_origins", AtOnce),
    ("http.drain_wait_ms", AtOnce),
    ("http.events_max", AtOnce),
    ("http.first_byte_wait_ms", AtOnce),
    ("http.forwarded", AtOnce),
    ("http.head_bytes_max", AtOnce),
    ("http.head_wait_ms", AtOnce),
    ("http.headers_max", AtOnce),
    ("http.idle_wait_ms", AtOnce),
    ("http.internal_listen", Restart),
    ("http.internal_tls_ca_file", Restart),
    ("http.internal_tls_cert_file", Restart),
    ("http.internal_tls_key_file", Restart),
    ("http.listen", Restart),
    ("http.request_wait_ms", AtOnce),
    ("http.requests_max", AtOnce),
    ("http.tls_cert_file", Restart),
    ("http.tls_key_file", Restart),
    ("http.trusted_proxies", AtOnce),
    ("http.unready_wait_ms", AtOnce),
    ("http.write_wait_ms", AtOnce),
    ("kafka.bootstrap", Restart),
    ("kafka.client.", Restart),
    ("kafka.create_topics", Restart),
    ("kafka.partitions", Restart),
    ("kafka.produce_wait_ms", AtOnce),
    ("limits.address_per_second", AtOnce),
    ("limits.user_per_minute", AtOnce),
    ("log.format", Restart),
    ("log.level", AtOnce),
    ("log.slow_query_ms.clickhouse", AtOnce),
    ("log.slow_query_ms.postgres", AtOnce),
    ("log.slow_query_ms.redis", AtOnce),
    ("muted_words.enabled", Restart),
    ("postgres.url", Restart),
    ("postgres.wait_ms", Restart),
    ("redis.url", Restart),
    ("redis.wait_ms", Restart),
    ("registry.ca_file", Restart),
    ("registry.password", Restart),
    ("registry.urls", Restart),
    ("registry.user", Restart),
    ("shown.remembered", Restart),
    ("state.advertise", Restart),
    ("state.secret_file", Restart),
    ("state.wait_ms", Restart),
    ("state.workers", Restart),
    ("suggestions.affinity", AtOnce),
    ("suggestions.enabled", Restart),
    ("suggestions.followed_max", AtOnce),
    ("suggestions.friends", AtOnce),
    ("suggestions.neighbours_max", AtOnce),
    ("suggestions.same_people", AtOnce),
    ("traces.endpoint", Restart),
    ("traces.sample_ratio", Restart),
    ("trending.points_per_person_max", Restart),
    ("trending.score", Restart),
    ("worker.cdc_epoch", Restart),
    ("worker.cdc_restored_at", Restart),
    ("worker.feeds_epoch", Restart),
    ("worker.memory", Restart),
    ("worker.rebuild_stores", Restart),
    ("worker.state_dir", Restart),
    ("worker.threads", Restart),
];

impl Effect {
    /// That of a setting. What is not in the table would be a fault of ours: a restart is always right.
    pub fn of(name: &str) -> Self {
        listed(name).map_or(Restart, |(_, effect)| *effect)
    }
}

/// Where a setting stands in the table.
pub(super) fn listed(name: &str) -> Option<&'static (&'static str, Effect)> {
    EFFECTS.iter().find(|(listed, _)| match listed.ends_with('.') {
        true => name.starts_with(listed),
        false => name == *listed,
    })
}
