//! `docker-compose.yml`, as far as it can be judged without Docker: it is YAML, its services wait for services that there
//! are, what it runs are our commands and settings, and its servers are those that the tests run on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use crate::world::repository;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

fn compose() -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read("docker-compose.yml")).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The keys and values of a mapping; nothing if there is none.
fn entries(of: &Yaml) -> impl Iterator<Item = (&str, &Yaml)> {
    let hash = of.as_hash().into_iter().flatten();
    hash.map(|(name, value)| (name.as_str().unwrap(), value))
}

fn words(of: &Yaml) -> Vec<&str> {
    of.as_vec().into_iter().flatten().map(|word| word.as_str().unwrap()).collect()
}

/// The version of each image, `${NAME:-default}` read as the default.
fn versions(compose: &Yaml) -> BTreeMap<String, String> {
    let image = |(_, service): (&str, &Yaml)| {
        let image = service["image"].as_str().unwrap().to_owned();
        let default = image.split_once(":-").map(|(_, default)| default.trim_end_matches('}'));
        let (name, version) = default.unwrap_or(&image).rsplit_once(':')?;
        Some((name.to_owned(), version.to_owned()))
    };
    entries(&compose["services"]).filter_map(image).collect()
}

/// What versions.sh says of a part of the test stack.
fn of_the_stack(part: &str) -> String {
    let text = read("script/stack.d/versions.sh");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{part}_version=")));
    line.unwrap().to_owned()
}

/// What a pom says: the first version below the first mention of `name`.
fn of_the_pom(path: &str, name: &str) -> String {
    let text = read(path);
    let after = &text[text.find(name).unwrap()..];
    let version = after.split_once("ersion>").unwrap().1.split('<').next().unwrap();
    version.to_owned()
}

#[test]
fn the_servers_are_of_the_versions_that_the_tests_run_on() {
    let versions = versions(&compose());
    let expected = [
        ("apache/kafka", of_the_stack("kafka")),
        ("apicurio/apicurio-registry", of_the_stack("apicurio")),
        ("clickhouse/clickhouse-server", of_the_stack("clickhouse")),
        // No test runs it.
        ("grafana/grafana", "11.6.0".to_owned()),
        // Debian's: script/setup installs PostgreSQL 15, Redis 7, and these of Prometheus.
        ("postgres", "15".to_owned()),
        ("prom/alertmanager", "v0.25.0".to_owned()),
        ("prom/prometheus", "v2.42.0".to_owned()),
        // Debezium publishes its images there alone (DBZ-8564).
        ("quay.io/debezium/connect", of_the_stack("debezium")),
        ("redis", "7".to_owned()),
    ];
    let expected = expected.map(|(name, version)| (name.to_owned(), version));
    assert_eq!(versions, BTreeMap::from(expected));
}

#[test]
fn the_poms_name_the_versions_of_the_test_stack() {
    let kafka = [
        of_the_pom("script/stack.d/kafka/pom.xml", "<kafka.v"),
        of_the_pom("examples/producers/java/pom.xml", "kafka-clients"),
        of_the_pom("benches/peers/kafka-streams/pom.xml", "kafka-streams</artifactId>\n      <"),
    ];
    assert_eq!(kafka, [(); 3].map(|()| of_the_stack("kafka")));
    let converter = [
        of_the_pom("script/stack.d/converter/pom.xml", "registry-utils-converter"),
        of_the_pom("examples/producers/java/pom.xml", "serdes-avro-serde"),
    ];
    assert_eq!(converter, [(); 2].map(|()| of_the_stack("converter")));
    let package = read("script/stack.d/versions.sh");
    let engine = package.lines().find_map(|line| line.strip_prefix("clickhouse_package_version="));
    let engine = engine.unwrap().split('-').next().map(str::to_owned);
    assert_eq!(engine, Some(of_the_stack("clickhouse")));
}

#[test]
fn every_service_waits_for_services_that_there_are_and_that_can_become_what_is_waited_for() {
    let compose = compose();
    let services: BTreeMap<_, _> = entries(&compose["services"]).collect();
    let mut waits = 0;
    for (name, service) in &services {
        for (other, wait) in entries(&service["depends_on"]) {
            let other = services.get(other).unwrap_or_else(|| panic!("{name}: no {other}"));
            let is_checked = !other["healthcheck"]["test"].is_badvalue();
            let ends =
                other["image"].as_str() == Some("feedmill") && words(&other["command"]) != ["run"];
            let expected = match (is_checked, ends) {
                (true, _) => "service_healthy",
                (_, true) => "service_completed_successfully",
                _ => "service_started",
            };
            assert_eq!(wait["condition"].as_str(), Some(expected), "of {name}");
            waits += 1;
        }
    }
    assert!(waits > 8, "{waits}");
    let started = entries(&services["feedmill"]["depends_on"]).map(|(name, _)| name);
    let needed = ["kafka", "postgres", "redis", "schemas", "tables"];
    assert_eq!(started.collect::<Vec<_>>(), needed);
}

#[test]
fn what_it_runs_are_commands_of_ours_with_settings_that_there_are() {
    let compose = compose();
    let dir = tempfile::tempdir().unwrap();
    let ours = entries(&compose["services"])
        .filter(|(_, service)| service["image"].as_str() == Some("feedmill"));
    let ours: Vec<_> = ours.collect();
    let names: Vec<_> = ours.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["tables", "schemas", "feedmill", "demo"]);
    for (name, service) in ours {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        command.arg("--print-config").args(words(&service["command"])).current_dir(dir.path());
        command.env_remove("RUST_LOG");
        let settings: Vec<_> = entries(&service["environment"]).collect();
        command.envs(settings.iter().map(|(name, value)| (name, value.as_str().unwrap())));
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{name}: {said}");
        assert_eq!(said.matches("environment").count(), settings.len(), "{name}: {said}");
    }
}

#[test]
fn servers_are_named_in_settings_as_their_services_are() {
    let compose = compose();
    let services: Vec<_> = entries(&compose["services"]).map(|(name, _)| name).collect();
    let settings = entries(&compose["services"]).flat_map(|(_, of)| entries(&of["environment"]));
    let urls = settings.filter_map(|(_, value)| value.as_str()?.split_once("://"));
    let hosts = urls.filter_map(|(scheme, rest)| {
        let authority = rest.split('/').next()?.rsplit('@').next()?;
        (scheme.len() > 3 && !scheme.contains(':')).then(|| authority.split(':').next())?
    });
    let hosts: Vec<_> = hosts.filter(|host| !host.is_empty()).collect();
    let unknown: Vec<_> = hosts.iter().filter(|host| !services.contains(host)).collect();
    assert!(hosts.len() >= 6 && unknown.is_empty(), "{hosts:?} of {services:?}");
}
