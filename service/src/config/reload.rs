//! What a configuration that was read anew changes in the one in force.
//!
//! Settings that take effect at once are taken. Those that need a restart stay as they are, so that what is in force is always what the
//! process does; they wait, and are told until a restart or until the file says again what holds.

use super::effect::Effect;
use super::settings::Change;
use super::values::ConfigValues;
use super::{Config, InForce};

/// See the module.
#[derive(Debug)]
pub struct Reload {
    /// What is in force from now on.
    pub config: Config,
    /// What is taken.
    pub taken: Vec<Change>,
    /// What waits for a restart.
    pub waiting: Vec<Change>,
}

impl Reload {
    /// What `told`, which has no fault, comes to where `in_force` holds; or the faults that it has beside what stays.
    pub fn of(in_force: &Config, told: &Config) -> Result<Self, String> {
        let changes = in_force.settings.changes(&told.settings);
        let is_taken = |change: &Change| Effect::of(&change.setting) == Effect::AtOnce;
        let (taken, waiting) = changes.into_iter().partition(is_taken);
        let stays = in_force.settings.given(Effect::Restart);
        let both = told.settings.given(Effect::AtOnce).chain(stays);
        let config = Config::of(ConfigValues::of(both.collect()), |_| Vec::new())?;
        Ok(Self { config, taken, waiting })
    }
}

impl InForce {
    /// Takes of `told` what can be taken.
    pub fn reload(&self, told: &Config) -> Result<Reload, String> {
        let reload = Reload::of(&self.config(), told)?;
        self.set(reload.config.clone());
        Ok(reload)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::effect::{EFFECTS, listed};
    use super::*;

    /// What all of them say beside: so much that each setting may be another one by itself.
    const BASE: [(&str, &str); 16] = [
        ("auth.issuers.second.issuer", "second"),
        ("auth.issuers.second.key_file", "second.pem"),
        ("clickhouse.url", "http://clickhouse:8123"),
        ("clickhouse.user", "me"),
        ("http.forwarded", "forwarded"),
        ("http.internal_tls_ca_file", "ca.pem"),
        ("http.internal_tls_cert_file", "cert.pem"),
        ("http.internal_tls_key_file", "key.pem"),
        ("http.tls_cert_file", "cert.pem"),
        ("http.tls_key_file", "key.pem"),
        ("http.trusted_proxies", "10.0.0.1"),
        ("postgres.url", "postgres://me:hunter2@db/feed"),
        ("redis.url", "redis://redis:6379"),
        ("registry.urls", "http://registry:8081"),
        ("registry.user", "me"),
        ("state.secret_file", "secret"),
    ];

    /// Every setting, and something that it may say else.
    const OTHERS: &[(&str, &str)] = &[
        ("app", "other"),
        ("auth.algorithm", "ES256"),
        ("auth.audience", "others"),
        ("auth.issuer", "another"),
        ("auth.issuers.second.audience", "others"),
        ("auth.jwks_url", "https://idp.example.com/jwks.json"),
        ("auth.key_file", "other.pem"),
        ("auth.leeway_s", "1"),
        ("auth.signing_key_file", "other.pem"),
        ("breaker.back_ms", "1"),
        ("breaker.failures", "1"),
        ("breaker.open_ms", "1"),
        ("breaker.window_ms", "1"),
        ("clickhouse.database", "other"),
        ("clickhouse.linger_ms", "1"),
        ("clickhouse.password", "hunter3"),
        ("clickhouse.reads_max", "1"),
        ("clickhouse.records_max", "1"),
        ("clickhouse.url", "http://other:8123"),
        ("clickhouse.user", "you"),
        ("clickhouse.wait_ms", "1"),
        ("events.format", "avro"),
        ("http.body_bytes_max", "2048"),
        ("http.connections_max", "1"),
        ("http.connections_per_address_max", "1"),
        ("http.cors_origins", "https://app.example.com"),
        ("http.drain_wait_ms", "1"),
        ("http.events_max", "1"),
        ("http.first_byte_wait_ms", "1"),
        ("http.forwarded", "x-forwarded-for"),
        ("http.head_bytes_max", "2048"),
        ("http.head_wait_ms", "1"),
        ("http.headers_max", "8"),
        ("http.idle_wait_ms", "1"),
        ("http.internal_listen", "127.0.0.1:1"),
        ("http.listen", "127.0.0.1:2"),
        ("http.request_wait_ms", "1"),
        ("http.requests_max", "1"),
        ("http.internal_tls_ca_file", "other.pem"),
        ("http.internal_tls_cert_file", "other.pem"),
        ("http.internal_tls_key_file", "other.pem"),
        ("http.tls_cert_file", "other.pem"),
        ("http.tls_key_file", "other.pem"),
        ("http.trusted_proxies", "10.0.0.0/8"),
        ("http.unready_wait_ms", "1"),
        ("http.write_wait_ms", "1"),
        ("kafka.bootstrap", "kafka:9092"),
        ("kafka.client.security.protocol", "ssl"),
        ("kafka.create_topics", "false"),
        ("kafka.partitions", "1"),
        ("kafka.produce_wait_ms", "1"),
        ("limits.address_per_second", "1"),
        ("limits.user_per_minute", "1"),
        ("log.format", "json"),
        ("log.level", "debug"),
        ("muted_words.enabled", "false"),
        ("postgres.url", "postgres://me:hunter3@db/feed"),
        ("postgres.wait_ms", "1"),
        ("redis.url", "redis://other:6379"),
        ("redis.wait_ms", "1"),
        ("registry.ca_file", "ca.pem"),
        ("registry.password", "hunter3"),
        ("registry.urls", "http://other:8081"),
        ("registry.user", "you"),
        ("shown.remembered", "true"),
        ("state.advertise", "https://worker:9901"),
        ("state.secret_file", "other"),
        ("state.wait_ms", "1"),
        ("state.workers", "http://worker:9901"),
        ("suggestions.affinity", "9"),
        ("suggestions.enabled", "false"),
        ("suggestions.followed_max", "1"),
        ("suggestions.friends", "9"),
        ("suggestions.neighbours_max", "1"),
        ("suggestions.same_people", "9"),
        ("trending.points_per_person_max", "2"),
        ("trending.score", "people"),
        ("worker.cdc_epoch", "1"),
        ("worker.feeds_epoch", "1"),
        ("worker.memory", "128MiB"),
        ("worker.rebuild_stores", "true"),
        ("worker.state_dir", "other"),
        ("worker.threads", "200"),
        ("admin.audience", "operators-too"),
        ("admin.listen", "127.0.0.1:9902"),
        ("admin.secret_file", "other"),
        ("log.slow_query_ms.clickhouse", "1"),
        ("log.slow_query_ms.postgres", "1"),
        ("log.slow_query_ms.redis", "1"),
        ("traces.endpoint", "http://127.0.0.1:4318"),
        ("traces.sample_ratio", "0.5"),
        ("worker.cdc_restored_at", "2026-11-20T23:17:08Z"),
    ];

    /// What is read where these settings stand over the base.
    fn told(settings: &[(&str, &str)]) -> Config {
        let named = |(name, value): &(&str, &str)| {
            (format!("FEEDMILL_{}", name.to_uppercase().replace('.', "__")), value.to_string())
        };
        let all = BASE.iter().chain(settings).map(named);
        Config::read(None, all, |_| Vec::new()).unwrap()
    }

    fn names(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| change.setting.as_str()).collect()
    }

    #[test]
    fn every_setting_is_taken_at_once_or_waits_for_a_restart_and_none_is_without_a_class() {
        let base = told(&[]);
        for other in OTHERS {
            let (name, read) = (other.0, told(&[*other]));
            let Reload { config, taken, waiting } = Reload::of(&base, &read).unwrap();
            let (expected, in_force) = match Effect::of(name) {
                Effect::AtOnce => ((vec![name], vec![]), read.shown()),
                Effect::Restart => ((vec![], vec![name]), base.shown()),
            };
            assert_eq!((names(&taken), names(&waiting)), expected);
            assert_eq!(config.shown(), in_force, "{name}");
        }
        let others = OTHERS.iter().map(|(name, _)| *name);
        let classed: Vec<_> = base.settings.names().chain(others).map(listed).collect();
        let classed: BTreeSet<_> = classed.into_iter().map(Option::unwrap).map(|of| of.0).collect();
        let all: BTreeSet<_> = EFFECTS.iter().map(|(name, _)| *name).collect();
        assert_eq!((classed, all.len()), (all.clone(), EFFECTS.len()));
    }

    #[test]
    fn what_can_be_taken_is_and_the_rest_is_told_as_long_as_it_waits_without_secrets() {
        let in_force = InForce::new(told(&[("limits.user_per_minute", "60")]));
        let breaker = in_force.live(|config| config.breaker.failures);
        let read = told(&[
            ("breaker.failures", "3"),
            ("kafka.partitions", "24"),
            ("postgres.url", "postgres://me:hunter3@db/feed"),
            ("limits.user_per_minute", "60"),
        ]);
        let change = |setting: &str, before: &str, after: &str| {
            let [setting, before, after] = [setting, before, after].map(str::to_owned);
            Change { setting, before, after }
        };
        let waiting = vec![
            change("kafka.partitions", "12", "24"),
            change("postgres.url", "(secret)", "(secret)"),
        ];
        let first = in_force.reload(&read).unwrap();
        assert_eq!(first.taken, [change("breaker.failures", "5", "3")]);
        assert_eq!((first.waiting, breaker.get()), (waiting.clone(), 3));
        let again = in_force.reload(&read).unwrap();
        assert_eq!((again.taken, again.waiting), (vec![], waiting));
        let back = in_force.reload(&told(&[("limits.user_per_minute", "60")])).unwrap();
        assert_eq!((names(&back.taken), back.waiting), (vec!["breaker.failures"], vec![]));
        assert_eq!((breaker.get(), in_force.config().kafka.partitions), (5, 12));
    }

    #[test]
    fn a_setting_that_is_taken_out_has_its_default_again() {
        let in_force = InForce::new(told(&[("http.events_max", "7"), ("app", "mill")]));
        let reload = in_force.reload(&told(&[])).unwrap();
        assert_eq!(
            (names(&reload.taken), names(&reload.waiting)),
            (vec!["http.events_max"], vec!["app"])
        );
        let config = in_force.config();
        assert_eq!((config.http.events_max, config.app.as_str()), (100, "mill"));
    }
}
