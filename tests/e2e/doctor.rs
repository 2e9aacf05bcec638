//! What the doctor finds on real servers: nothing where all is well, and each planted fault with the command that mends it.

use std::time::Duration;

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Cleanup, TopicSpec};
use serde_json::Value;
use tests::Part;

use crate::curl::curl;
use crate::world::World;

/// What a finding says, if there is one of this, in these words; with what mends it.
fn found<'a>(told: &'a Value, of: &str, words: &str) -> Option<(&'a str, &'a str)> {
    let mut findings = told["findings"].as_array().unwrap().iter();
    let is_it = |finding: &&Value| {
        finding["of"] == of && finding["words"].as_str().unwrap().contains(words)
    };
    let finding = findings.find(is_it)?;
    Some((finding["severity"].as_str().unwrap(), finding["command"].as_str().unwrap_or_default()))
}

fn asked(world: &World) -> (Option<i32>, Value) {
    let (code, told, words) = world.ended(&["doctor", "--json"]);
    let told = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}{words}"));
    (code, told)
}

#[test]
fn a_sound_stack_has_no_error_and_each_planted_fault_is_found_with_what_mends_it() {
    let world = World::whole();
    crate::write_the_first_rows(&world);
    world.wait_for_change_capture();
    world.poll("all is well", || (asked(&world).0 == Some(0)).then_some(()));
    let (_, told) = asked(&world);
    let servers = told["servers"].as_object().unwrap();
    assert!(servers.values().all(Value::is_string), "{told}");
    assert_eq!(servers.len(), 4, "{told}");
    let (code, screen, _) = world.ended(&["doctor"]);
    assert!(code == Some(0) && screen.starts_with("kafka      "), "{screen}");

    a_worker_falls_silent(&world);
    postgres_loses_a_table_of_the_publication(&world);
    postgres_keeps_the_log_for_nobody(&world);
    redis_is_full(&world);
    clickhouse_lacks_a_table(&world);
    kafka_forgets(&world);
}

fn a_worker_falls_silent(world: &World) {
    let url = world.worker_url(0);
    world.kill_worker(0);
    world.poll("it is missed", || {
        let (_, told) = asked(world);
        let (severity, look) = found(&told, &format!("instance {url}"), "has said nothing for")?;
        assert_eq!((severity, look), ("warning", &*format!("curl -sS {url}/ready")));
        Some(())
    });
    world.start_worker(0);
    world.poll("all is well again", || (asked(world).0 == Some(0)).then_some(()));
}

fn postgres_loses_a_table_of_the_publication(world: &World) {
    world.sql("ALTER PUBLICATION feedmill DROP TABLE likes");
    world.sql("ALTER TABLE comments REPLICA IDENTITY DEFAULT");
    let (code, told) = asked(world);
    assert_eq!(code, Some(1), "{told}");
    let (_, add) = found(&told, "postgres", "likes is not in the publication").unwrap();
    let (_, full) = found(&told, "postgres", "comments has not REPLICA IDENTITY FULL").unwrap();
    for command in [add, full] {
        let sql = command.strip_prefix("psql \"$DATABASE\" -c '").unwrap();
        world.sql(sql.trim_end_matches('\''));
    }
    let (code, told) = asked(world);
    assert_eq!(code, Some(0), "{told}");
}

fn postgres_keeps_the_log_for_nobody(world: &World) {
    world.sql_value("SELECT pg_create_logical_replication_slot('old', 'pgoutput')");
    let (code, told) = asked(world);
    let (severity, drop) = found(&told, "postgres slot old", "nobody reads from it").unwrap();
    assert_eq!((code, severity), (Some(0), "warning"), "{told}");
    assert!(drop.contains("pg_drop_replication_slot('old')"), "{drop}");
    world.stop_server(Part::Connect);
    world.poll("the connector's slot is found", || {
        let (code, told) = asked(world);
        let (severity, restart) = found(&told, "postgres slot feedmill", "nobody reads from it")?;
        assert_eq!((code, severity), (Some(1), "error"), "{told}");
        restart.contains("/connectors/feedmill-postgres/restart").then_some(())
    });
}

fn redis_is_full(world: &World) {
    world.redis(b"CONFIG SET maxmemory-policy allkeys-lru\r\n");
    world.redis(b"CONFIG SET maxmemory 1mb\r\n");
    let (_, told) = asked(world);
    let (severity, more) = found(&told, "redis", "maxmemory-policy=allkeys-lru").unwrap();
    assert_eq!(
        (severity, more.contains("CONFIG SET maxmemory 2097152")),
        ("warning", true),
        "{more}"
    );
    world.redis(b"CONFIG SET maxmemory-policy noeviction\r\n");
    let (_, told) = asked(world);
    let (severity, _) = found(&told, "redis", "writes are refused soon").unwrap();
    assert_eq!(severity, "error", "{told}");
}

fn clickhouse_lacks_a_table(world: &World) {
    world.ask_clickhouse("DROP TABLE feedback");
    let (_, told) = asked(world);
    let (severity, command) = found(&told, "clickhouse", "tables are missing").unwrap();
    assert_eq!((severity, command), ("error", "feedmill clickhouse migrate"), "{told}");
    let (is_done, said) = world.run(&["clickhouse", "migrate"]);
    assert!(is_done, "{said}");
    let (_, told) = asked(world);
    assert_eq!(found(&told, "clickhouse", "tables are missing"), None, "{told}");
}

fn kafka_forgets(world: &World) {
    world.stop_worker(0);
    let kafka = Kafka::new(KafkaSettings::new(world.kafka())).unwrap();
    let mut admin = kafka.admin().unwrap();
    let cleanup = Cleanup::Delete(Some(Duration::from_secs(3_600)));
    let short = TopicSpec { name: "dismissals".into(), partitions: 3, cleanup };
    admin.delete(std::slice::from_ref(&short.name)).unwrap();
    admin.create(&[short]).unwrap();
    let (code, told) = asked(world);
    let (severity, set) = found(&told, "topic dismissals", "retention.ms=3600000").unwrap();
    assert_eq!((code, severity), (Some(1), "error"), "{told}");
    let expected = "--alter --topic dismissals --add-config retention.ms=-1";
    assert!(set.ends_with(expected), "{set}");
}

#[test]
fn a_server_that_does_not_answer_is_told_and_the_others_are_asked_all_the_same() {
    let world = World::without_change_capture();
    world.kill_server(Part::Redis);
    let (code, told) = asked(&world);
    assert_eq!(code, Some(1), "{told}");
    let (severity, _) = found(&told, "redis", "redis is unavailable").unwrap();
    assert_eq!((severity, &told["servers"]["redis"]), ("error", &Value::Null), "{told}");
    assert!(told["servers"]["postgres"].is_string(), "{told}");
}

#[test]
fn a_registry_that_lets_any_schema_follow_is_found() {
    let world = World::with_registry(&[]);
    let (_, told) = asked(&world);
    let (severity, register) = found(&told, "registry", "is not registered").unwrap();
    assert_eq!((severity, register), ("note", "feedmill schema register"), "{told}");
    let (is_done, said) = world.run(&["schema", "register"]);
    assert!(is_done, "{said}");
    let (code, told) = asked(&world);
    assert_eq!((code, found(&told, "registry", "")), (Some(0), None), "{told}");
    let level = format!("{}/config/events-value", world.registry());
    let none = serde_json::json!({"compatibility": "NONE"});
    assert_eq!(curl(&["-X", "PUT", &level], None, Some(&none)).0, 200);
    let (_, told) = asked(&world);
    let (severity, _) = found(&told, "registry", "is held to nothing").unwrap();
    assert_eq!(severity, "warning", "{told}");
}
