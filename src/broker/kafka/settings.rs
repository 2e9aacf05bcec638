//! What may be set, and what librdkafka is told for each kind of handle.
//!
//! Overrides go by an allow-list: some of librdkafka's settings load code (`plugin.library.paths`), others would
//! break what the engine relies on (isolation, idempotence, commits of their own).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::{NativeClientConfig, RDKafkaLogLevel};

use super::errors::told;
use crate::broker::{Call, Code, Failure, Isolation, Join};

/// How batches are compressed on their way to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// lz4: nearly free, and what saves the broker's page cache most per CPU second.
    #[default]
    Lz4,
    /// zstd: smaller, and dearer.
    Zstd,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// How to reach a cluster, and how patient to be with it.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// How long the broker keeps an open transaction of a silent producer.
    pub transaction_timeout: Duration,
    /// How often a member tells the group that it is alive.
    pub heartbeat: Duration,
    /// Bytes fetched ahead per consumer.
    pub fetch_queue_bytes_max: usize,
    /// Bytes that wait to be sent per producer.
    pub send_queue_bytes_max: usize,
    /// How long a batch waits for more records outside a flush.
    pub linger: Duration,
    /// How batches are compressed.
    pub compression: Compression,
    /// librdkafka's own settings by name, from [`KafkaSettings::OVERRIDABLE`]; they go last.
    pub overrides: BTreeMap<String, String>,
}

/// The largest record, as producer and consumer are told; the broker and its topics have limits of their own.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// How long a rebalance waits for a member. The broker holds the seat of one that died while it joined for as long, and lets
/// nobody else in before: the default is five minutes.
const REBALANCE_MAX: Duration = Duration::from_secs(60);

type Lines = Vec<(String, String)>;

impl KafkaSettings {
    /// The names of librdkafka that may be overridden.
    pub const OVERRIDABLE: &[&str] = &[
        "batch.num.messages",
        "batch.size",
        "broker.address.family",
        "client.id",
        "client.rack",
        "debug",
        "enable.sasl.oauthbearer.unsecure.jwt",
        "fetch.max.bytes",
        "fetch.min.bytes",
        "fetch.wait.max.ms",
        "max.partition.fetch.bytes",
        "metadata.max.age.ms",
        "queue.buffering.max.kbytes",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.oauthbearer.config",
        "sasl.password",
        "sasl.username",
        "security.protocol",
        "socket.connection.setup.timeout.ms",
        "socket.keepalive.enable",
        "socket.timeout.ms",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.cipher.suites",
        "ssl.crl.location",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.keystore.location",
        "ssl.keystore.password",
    ];

    /// The settings to ship, for the cluster at `bootstrap`.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            transaction_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(1),
            fetch_queue_bytes_max: 16 << 20,
            send_queue_bytes_max: 64 << 20,
            linger: Duration::from_millis(5),
            compression: Compression::default(),
            overrides: BTreeMap::new(),
        }
    }

    /// Judges every override for itself, so that each one that cannot be is told at once.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let refused = |(name, value): (&String, &String)| {
            if !Self::OVERRIDABLE.contains(&name.as_str()) {
                return Some(format!("{name} may not be overridden"));
            }
            if value.contains('\0') {
                return Some(format!("{name} holds a zero byte"));
            }
            native(&[(name.clone(), value.clone())]).err().map(|failed| failed.detail)
        };
        let mut refused: Vec<_> = self.overrides.iter().filter_map(refused).collect();
        refused.extend(self.without_effect());
        refused.extend(self.missing_files());
        if refused.is_empty() {
            return Ok(());
        }
        Err(Failure::new(Call::Open, Code::InvalidArgument, refused.join("; ")))
    }

    /// What is set for a protocol that is not spoken: it would be taken in silence, and the password with it.
    fn without_effect(&self) -> impl Iterator<Item = String> + '_ {
        let protocol = self.overrides.get("security.protocol");
        let protocol = protocol.map_or("plaintext".to_owned(), |of| of.to_ascii_lowercase());
        let (logs_in, encrypts) = (protocol.starts_with("sasl"), protocol.ends_with("ssl"));
        let idle = move |name: &&String| {
            (name.starts_with("sasl.") && !logs_in) || (name.starts_with("ssl.") && !encrypts)
        };
        let words =
            move |name| format!("{name} has no effect while security.protocol is {protocol}");
        self.overrides.keys().filter(idle).map(words)
    }

    /// Files that are named and not there: librdkafka says only that something failed.
    fn missing_files(&self) -> impl Iterator<Item = String> + '_ {
        let named = self.overrides.iter().filter(|(name, _)| name.ends_with(".location"));
        // Which has librdkafka look for the system's own.
        let named = named.filter(|(_, path)| *path != "probe");
        named.filter_map(|(name, path)| {
            let fault = std::fs::metadata(path).err()?;
            Some(format!("{name}: {path}: {fault}"))
        })
    }

    /// How long an answer may take that is no transactional call.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.transaction_timeout / 2
    }

    /// How long a record may be on its way: less than the transaction, or its end would be a mystery.
    fn message_timeout(&self) -> Duration {
        self.transaction_timeout / 5 * 4
    }

    /// For an assign-only consumer.
    pub(super) fn consumer(&self, group: &str, isolation: Isolation) -> Lines {
        let isolation = match isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let mut lines = self.reading(group, isolation);
        lines.push(line("enable.partition.eof", true));
        lines.push(line("auto.offset.reset", "error"));
        self.overridden(lines)
    }

    /// For a subscribed consumer of a sink, a static member if it has an instance. No ends: in 2.12.1 an end moves the
    /// position one too far, and a rebalance would go on from there (librdkafka #4844).
    pub(super) fn group_consumer(&self, group: &str, instance: Option<&str>) -> Lines {
        let mut lines = self.reading(group, "read_committed");
        lines.push(line("auto.offset.reset", "earliest"));
        lines.extend(instance.map(|instance| line("group.instance.id", instance)));
        // Eager: under the cooperative protocol 2.12.1 closes without leaving, and the next reader of the group waits
        // for the session to end.
        lines.push(line("partition.assignment.strategy", "range"));
        lines.push(line("session.timeout.ms", self.transaction_timeout.as_millis()));
        lines.push(line("heartbeat.interval.ms", self.heartbeat.as_millis()));
        lines.push(line("max.poll.interval.ms", patience(self.transaction_timeout)));
        self.overridden(lines)
    }

    /// For a member of the group that owns tasks.
    pub(super) fn member(&self, join: &Join) -> Lines {
        let mut lines = self.reading(&join.group, "read_committed");
        lines.push(line("auto.offset.reset", "error"));
        lines.push(line("group.instance.id", &join.instance));
        lines.push(line("partition.assignment.strategy", "cooperative-sticky"));
        lines.push(line("session.timeout.ms", join.session_timeout.as_millis()));
        lines.push(line("heartbeat.interval.ms", self.heartbeat.as_millis()));
        lines.push(line("max.poll.interval.ms", patience(join.session_timeout)));
        self.overridden(lines)
    }

    /// For a producer, transactional if it has an id.
    pub(super) fn producer(&self, id: Option<&str>) -> Lines {
        let mut lines = self.every_handle();
        lines.push(line("enable.idempotence", true));
        lines.push(line("acks", "all"));
        lines.push(line("linger.ms", self.linger.as_millis()));
        lines.push(line("compression.type", self.compression.name()));
        lines.push(line("message.timeout.ms", self.message_timeout().as_millis()));
        lines.push(line("queue.buffering.max.messages", 1_000_000));
        lines.push(line("queue.buffering.max.kbytes", self.send_queue_bytes_max >> 10));
        // The default of 100 ms also paces retries of a transaction that follows close on another.
        lines.push(line("retry.backoff.ms", 10));
        if let Some(id) = id {
            lines.push(line("transactional.id", id));
            lines.push(line("transaction.timeout.ms", self.transaction_timeout.as_millis()));
        }
        self.overridden(lines)
    }

    /// For administrative calls, whose log is heard and not written: so it may tell of every connection that ends.
    pub(super) fn admin(&self) -> Lines {
        let mut lines = self.every_handle();
        lines.push(line("log.connection.close", true));
        self.overridden(lines)
    }

    fn every_handle(&self) -> Lines {
        vec![
            line("bootstrap.servers", &self.bootstrap),
            line("message.max.bytes", RECORD_BYTES_MAX),
            line("log.connection.close", false),
            line("reconnect.backoff.max.ms", 1_000),
            line("socket.nagle.disable", true),
            line("socket.timeout.ms", self.message_timeout().as_millis()),
            line("statistics.interval.ms", 0),
            line("topic.metadata.refresh.interval.ms", 30_000),
        ]
    }

    fn reading(&self, group: &str, isolation: &str) -> Lines {
        let mut lines = self.every_handle();
        lines.extend([
            line("group.id", group),
            line("isolation.level", isolation),
            line("allow.auto.create.topics", false),
            line("check.crcs", true),
            line("enable.auto.commit", false),
            line("enable.auto.offset.store", false),
            line("fetch.error.backoff.ms", 50),
            // 1 s by default: a quick reader would stall that long each time the queue was full.
            line("fetch.queue.backoff.ms", 2),
            line("fetch.wait.max.ms", 50),
            // One partition's part of one answer, compressed: several times that much lies in memory once it is read.
            line("max.partition.fetch.bytes", 256 << 10),
            line("queued.max.messages.kbytes", self.fetch_queue_bytes_max >> 10),
            // A waiting message takes some 400 bytes beside its own, which the bound above does not count.
            line("queued.min.messages", 50_000),
        ]);
        lines
    }

    fn overridden(&self, mut lines: Lines) -> Lines {
        lines.extend(self.overrides.iter().map(|(name, value)| line(name, value)));
        lines
    }
}

/// The lines as the crate keeps them: of two with one name the later holds.
pub(super) fn config(lines: &[(String, String)]) -> ClientConfig {
    let mut config: ClientConfig = lines.iter().cloned().collect();
    // The most, because the crate would go by another library's: what is told at all is a matter of `debug`.
    config.set_log_level(RDKafkaLogLevel::Debug);
    config
}

/// The lines as librdkafka takes them.
pub(super) fn native(lines: &[(String, String)]) -> Result<NativeClientConfig, Failure> {
    config(lines).create_native_config().map_err(|refused| told(Call::Open, refused))
}

/// How long a member of this session may go without a poll, ms.
fn patience(session_timeout: Duration) -> u128 {
    REBALANCE_MAX.max(session_timeout * 2).as_millis()
}

fn line(name: &str, value: impl fmt::Display) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// Without the values of overrides: one may be a password.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("overrides", &self.overrides.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_that_would_load_code_is_refused() {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings.overrides.insert("plugin.library.paths".into(), "/tmp/evil.so".into());
        assert_eq!(settings.check().map_err(|failed| failed.code), Err(Code::InvalidArgument));
    }

    #[test]
    fn every_override_that_cannot_be_is_told_and_no_value_of_a_password() {
        let mut settings = KafkaSettings::new("localhost:9092");
        let overrides = [
            ("sasl.password", "hunter2"),
            ("security.protocol", "pigeon"),
            ("ssl.ca.location", "/nowhere/ca.pem"),
            ("socket.timeout.ms", "soon"),
            ("ssl.key.password", "hunter2\0"),
        ];
        settings.overrides = overrides.map(|(name, value)| (name.into(), value.into())).into();
        let told = settings.check().unwrap_err();
        assert_eq!((told.call, told.code), (Call::Open, Code::InvalidArgument));
        let words = told.detail.split("; ").collect::<Vec<_>>();
        assert_eq!(
            words,
            [
                "Invalid value \"pigeon\" for configuration property \"security.protocol\"",
                "Invalid value for configuration property \"socket.timeout.ms\"",
                "ssl.key.password holds a zero byte",
                "sasl.password has no effect while security.protocol is pigeon",
                "ssl.ca.location has no effect while security.protocol is pigeon",
                "ssl.key.password has no effect while security.protocol is pigeon",
                "ssl.ca.location: /nowhere/ca.pem: No such file or directory (os error 2)",
            ]
        );
    }

    #[test]
    fn what_the_protocol_does_not_use_is_told() {
        let without_effect = |protocol: &str| {
            let mut settings = KafkaSettings::new("localhost:9092");
            let overrides =
                [("security.protocol", protocol), ("sasl.username", "u"), ("ssl.ca.location", "x")];
            settings.overrides = overrides.map(|(name, value)| (name.into(), value.into())).into();
            settings.without_effect().count()
        };
        let counts = ["sasl_ssl", "SASL_SSL", "ssl", "sasl_plaintext", "plaintext"];
        assert_eq!(counts.map(without_effect), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn this_librdkafka_speaks_tls_and_every_way_to_log_in_that_is_promised() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
            let mut settings = KafkaSettings::new("localhost:9092");
            let overrides = [("security.protocol", "sasl_ssl"), ("sasl.mechanism", mechanism)];
            settings.overrides = overrides.map(|(name, value)| (name.into(), value.into())).into();
            assert_eq!(settings.check(), Ok(()), "{mechanism}");
        }
    }

    fn value(lines: Lines, name: &str) -> Option<String> {
        lines.into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    #[test]
    fn a_rebalance_waits_a_minute_for_a_member_and_at_least_twice_its_session() {
        let settings = KafkaSettings::new("localhost:9092");
        let patience = [10, 45].map(|seconds| {
            let session_timeout = Duration::from_secs(seconds);
            let (group, topic) = ("app".into(), "app-tasks".into());
            let join = Join { group, topic, instance: "a".into(), session_timeout };
            value(settings.member(&join), "max.poll.interval.ms")
        });
        assert_eq!(patience, [Some("60000".to_owned()), Some("90000".to_owned())]);
        let sink = value(settings.group_consumer("sink", None), "max.poll.interval.ms");
        assert_eq!(sink.as_deref(), Some("60000"));
    }

    #[test]
    fn a_sinks_consumer_is_a_static_member_if_it_has_a_name() {
        let settings = KafkaSettings::new("localhost:9092");
        let named =
            |instance| value(settings.group_consumer("sink", instance), "group.instance.id");
        assert_eq!((named(Some("a")), named(None)), (Some("a".to_owned()), None));
    }

    #[test]
    fn a_password_does_not_reach_a_log() {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings.overrides.insert("sasl.password".into(), "hunter2".into());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
