//! A faulty configuration: every fault at once, the code that says so, and nothing started.

use std::fs;
use std::process::Command;

#[test]
fn every_fault_of_settings_files_and_urls_is_said_at_once_with_the_code_of_a_wrong_configuration() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("public"), "no key").unwrap();
    let file = "[http]\nlisten = 'localhost:8080'\n[redis]\nurl = 'redis'\n[postgres]\nurl = 'db'\n\
         [auth]\nkey_file = 'public'\n[state]\nsecret_file = 'secret'\n";
    fs::write(dir.path().join("mill.toml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
    let command = command.args(["run", "--config", "mill.toml"]).current_dir(dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let named: Vec<_> = said.lines().skip(1).filter_map(|line| line.split(": ").next()).collect();
    let faulty = ["auth.key_file", "http.listen", "postgres.url", "redis.url", "state.secret_file"];
    assert_eq!((output.status.code(), named.as_slice()), (Some(2), &faulty[..]), "{said}");
    assert!(!dir.path().join("state").exists());
}

#[test]
fn an_option_that_the_kafka_client_does_not_understand_is_a_wrong_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
    command.arg("worker").current_dir(dir.path());
    command.env("FEEDMILL_KAFKA__CLIENT__SECURITY__PROTOCOL", "carrier-pigeon");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("kafka.client") && said.contains("carrier-pigeon"), "{said}");
}

#[test]
fn options_of_the_kafka_client_that_no_handle_can_be_made_of_are_a_wrong_configuration() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "s".repeat(32)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
    command.arg("worker").current_dir(dir.path());
    command.env("FEEDMILL_STATE__SECRET_FILE", "secret");
    // More than the most that is set for every handle.
    command.env("FEEDMILL_KAFKA__CLIENT__RECONNECT__BACKOFF__MS", "5000");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("reconnect.backoff.max.ms"), "{said}");
}
