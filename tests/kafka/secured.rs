//! A cluster that speaks TLS alone and asks who is there: who trusts it and is known to it works as anywhere, and everybody
//! else waits, and is told what is in the way.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Failure, Join, Reaction, Rebalance, classify};
use millstream::{Offset, Topic};
use tempfile::TempDir;
use tests::{Authority, Part, Stack};

use crate::world::{World, live, plain, read_until};

/// The broker, and a folder with its certificate and that of its authority; it ends with the process.
static SECURED: LazyLock<(Stack, TempDir)> = LazyLock::new(|| {
    let certified = Authority::new("company").unwrap().certify().unwrap();
    let stack = Stack::of(&[Part::Kafka]).secured(certified.path()).start().unwrap();
    (stack, certified)
});

fn settings(mechanism: &str, password: &str, authority: &Path) -> KafkaSettings {
    let mut settings = KafkaSettings::new(SECURED.0.kafka_secured());
    let authority = authority.display().to_string();
    let mut options = vec![
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", &authority),
        ("sasl.mechanism", mechanism),
    ];
    let login = if mechanism == "OAUTHBEARER" {
        // Of the two ways to a token librdkafka is built with the one that signs none.
        [
            ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
            ("sasl.oauthbearer.config", "principal=feedmill"),
        ]
    } else {
        [("sasl.username", "feedmill"), ("sasl.password", password)]
    };
    options.extend(login);
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.overrides.extend(options);
    settings
}

fn authority() -> PathBuf {
    SECURED.1.path().join("authority")
}

#[test]
fn who_is_known_administers_writes_reads_and_belongs_to_a_group_by_each_way_to_log_in() {
    for mechanism in ["SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"] {
        let world = World::on(settings(mechanism, "secret", &authority()), 1);
        let topics = [world.topic.clone(), "nothing".into()];
        let mut admin = world.kafka.admin().unwrap();
        assert_eq!(admin.partitions(&topics).unwrap(), [Some(1), None], "{mechanism}");

        let mut members = [world.join("one")];
        let told = live(&mut members, |told| !told[0].is_empty());
        assert_eq!(told, [[Rebalance::Assigned(vec![0])]], "{mechanism}");

        let mut writer = world.writer("w");
        writer.begin().unwrap();
        writer.send(&plain(&["a", "b"])).unwrap();
        writer.send_offsets(&[(world.at(0), Offset(2))], &members[0].metadata()).unwrap();
        writer.commit().unwrap();
        let mut reader = world.reader_from(0);
        let seen = read_until(&mut *reader, |seen| seen.values.len() == 2);
        assert_eq!(seen.words(), ["a", "b"], "{mechanism}");
        assert_eq!(reader.committed(&[world.at(0)]).unwrap(), [Some(Offset(2))], "{mechanism}");

        admin.delete_before(&[(world.at(0), Offset(1))]).unwrap();
        assert_eq!(reader.bounds(&world.at(0)).unwrap().start, Offset(1), "{mechanism}");
    }
}

/// What an administrative call fails with on the cluster of these settings.
fn refused(mut settings: KafkaSettings) -> Failure {
    // An answer is waited for half as long.
    settings.transaction_timeout = Duration::from_secs(4);
    let mut admin = Kafka::new(settings).unwrap().admin().unwrap();
    admin.partitions(&[Topic::from("any")]).unwrap_err()
}

#[test]
fn who_is_not_known_or_does_not_trust_the_cluster_waits_and_is_told_why() {
    let stranger = Authority::new("stranger").unwrap().certify().unwrap();
    let stranger = stranger.path().join("authority");
    let rows = [
        (
            settings("SCRAM-SHA-512", "guess", &authority()),
            "Authentication failed during authentication due to invalid",
        ),
        (
            settings("PLAIN", "guess", &authority()),
            "Authentication failed: Invalid username or password",
        ),
        (
            settings("SCRAM-SHA-512", "secret", &stranger),
            "broker certificate could not be verified",
        ),
        (KafkaSettings::new(SECURED.0.kafka_secured()), "Disconnected: connection closed by peer"),
    ];
    for (settings, cause) in rows {
        let failed = refused(settings);
        assert!(failed.detail.contains(cause), "{failed}");
        assert_eq!(failed.detail.lines().count(), 1, "{failed}");
        assert_eq!(classify(&failed), Reaction::Retry, "{failed}");
    }
}

#[test]
fn a_member_that_is_not_known_waits_until_it_is() {
    let kafka = Kafka::new(settings("SCRAM-SHA-512", "guess", &authority())).unwrap();
    let mut member = kafka
        .membership(&Join {
            group: "strangers".into(),
            topic: "any".into(),
            instance: "one".into(),
            session_timeout: Duration::from_secs(6),
        })
        .unwrap();
    for _ in 0..20 {
        member.poll(Duration::from_millis(100), &mut |_, _| {}).unwrap();
    }
    assert!(!member.metadata().is_member());
}
