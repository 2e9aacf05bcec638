//! Redis as pushes and reads need it. It is a cache: what it loses comes back, but a full one takes nothing.

use bytesize::ByteSize;
use connectors::redis::RedisVitals;

use super::finding::Finding;

const REDIS: &str = "redis";
const VERSION_MIN: u32 = 6;
/// A feed is some kilobytes; a value of this size holds up everybody else's.
const VALUE_LARGE: u64 = 1 << 20;

/// See the module.
pub fn judge(of: &RedisVitals) -> Vec<Finding> {
    let mut findings = Vec::new();
    let major = of.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < VERSION_MIN) {
        let words = format!("version {}: {VERSION_MIN} or later is needed", of.version);
        findings.push(Finding::error(REDIS, words));
    }
    if of.role != "master" {
        let words = format!("is a {}: it takes no writes", of.role);
        findings.push(
            Finding::error(REDIS, words).mended_by("redis-cli -u \"$REDIS\" REPLICAOF NO ONE"),
        );
    }
    findings.extend(memory(of));
    let (clients, clients_max) = of.clients;
    if clients_max > 0 && clients * 10 >= clients_max * 9 {
        let words = format!("{clients} of {clients_max} clients");
        let set = format!("redis-cli -u \"$REDIS\" CONFIG SET maxclients {}", clients_max * 2);
        findings.push(Finding::warning(REDIS, words).mended_by(set));
    }
    match of.persists {
        Some(true) => {}
        Some(false) => {
            let words = "its last write to disk failed: it may refuse writes";
            findings.push(Finding::error(REDIS, words).mended_by("redis-cli -u \"$REDIS\" BGSAVE"));
        }
        None => {
            let words =
                "writes nothing to disk: after its restart feeds come back as they are read";
            let set = "redis-cli -u \"$REDIS\" CONFIG SET appendonly yes";
            findings.push(Finding::note(REDIS, words).mended_by(set));
        }
    }
    if let Some((key, size)) = of.largest.as_ref().filter(|(_, size)| *size > VALUE_LARGE) {
        let words =
            format!("key {key} takes {}: reading it holds up all others", ByteSize::b(*size));
        let look = format!("redis-cli -u \"$REDIS\" MEMORY USAGE {key}");
        findings.push(Finding::warning(REDIS, words).mended_by(look));
    }
    findings
}

fn memory(of: &RedisVitals) -> Vec<Finding> {
    let (used, max) = (ByteSize::b(of.used_bytes), ByteSize::b(of.max_bytes));
    let twice = of.max_bytes.max(1).saturating_mul(2);
    let more = format!("redis-cli -u \"$REDIS\" CONFIG SET maxmemory {twice}");
    let mut findings = Vec::new();
    let is_full = of.max_bytes > 0 && of.used_bytes >= of.max_bytes / 10 * 9;
    let gives_up_any = of.policy.starts_with("allkeys-");
    if is_full && !gives_up_any {
        let words = format!(
            "{used} of {max} are used, and maxmemory-policy={} gives up no feed: writes are refused soon",
            of.policy
        );
        findings.push(Finding::error(REDIS, words).mended_by(more.clone()));
    } else if gives_up_any && (is_full || of.evicted > 0) {
        let words = format!(
            "{used} of {max} are used, and maxmemory-policy={} has given up {} keys: their readers are answered by state",
            of.policy, of.evicted
        );
        findings.push(Finding::warning(REDIS, words).mended_by(more.clone()));
    }
    if of.max_bytes == 0 {
        let words = "maxmemory=0: it takes all the memory of its machine";
        let set = "redis-cli -u \"$REDIS\" CONFIG SET maxmemory 4gb";
        findings.push(Finding::note(REDIS, words).mended_by(set));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is changed, and what is told of it.
    type Row = (fn(&mut RedisVitals), &'static str);

    fn sound() -> RedisVitals {
        RedisVitals {
            version: "7.2.4".into(),
            role: "master".into(),
            used_bytes: 100,
            max_bytes: 1_000,
            policy: "allkeys-lru".into(),
            clients: (10, 100),
            persists: Some(true),
            ..RedisVitals::default()
        }
    }

    #[test]
    fn each_fault_is_found_and_one_as_it_must_be_has_none() {
        assert_eq!(judge(&sound()), []);
        let rows: [Row; 10] = [
            (|of| of.version = "5.0.7".into(), "error version 5.0.7: 6 or later is needed"),
            (|of| of.role = "slave".into(), "error is a slave: it takes no writes"),
            (
                |of| (of.policy, of.used_bytes) = ("noeviction".into(), 900),
                "error 900 B of 1000 B are used, and maxmemory-policy=noeviction gives up no feed: writes are refused soon",
            ),
            (
                |of| (of.policy, of.used_bytes) = ("volatile-lru".into(), 999),
                "error 999 B of 1000 B are used, and maxmemory-policy=volatile-lru gives up no feed: writes are refused soon",
            ),
            (
                |of| of.evicted = 7,
                "warning 100 B of 1000 B are used, and maxmemory-policy=allkeys-lru has given up 7 keys: their readers are answered by state",
            ),
            (|of| of.max_bytes = 0, "note maxmemory=0: it takes all the memory of its machine"),
            (|of| of.clients = (90, 100), "warning 90 of 100 clients"),
            (
                |of| of.persists = Some(false),
                "error its last write to disk failed: it may refuse writes",
            ),
            (
                |of| of.persists = None,
                "note writes nothing to disk: after its restart feeds come back as they are read",
            ),
            (
                |of| of.largest = Some(("feed:v1:x".into(), 3 << 20)),
                "warning key feed:v1:x takes 3.0 MiB: reading it holds up all others",
            ),
        ];
        for (change, expected) in rows {
            let mut vitals = sound();
            change(&mut vitals);
            let told: Vec<_> =
                judge(&vitals).iter().map(|of| format!("{} {}", of.severity, of.words)).collect();
            assert_eq!(told, [expected]);
        }
    }
}
