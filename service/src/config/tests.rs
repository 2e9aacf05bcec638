//! What a configuration comes to, and every way in which it is faulty.

use std::path::Path;

use super::{Config, Fault, File};

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let pairs = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let file = File { path: Path::new("mill.toml"), text };
    Config::read(Some(file), pairs, |_| Vec::new())
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let file = "[http]\nevents_max = 7\nbody_bytes_max = 4096";
    let config = read(file, &[("FEEDMILL_HTTP__EVENTS_MAX", "9"), ("PATH", "/bin")]).unwrap();
    let http = config.http;
    assert_eq!((http.events_max, http.body_bytes_max, http.connections_max), (9, 4096, 10_000));
}

#[test]
fn the_memory_of_a_worker_is_a_size_with_or_without_a_unit() {
    let memory = |text: &str| {
        let read = read(&format!("[worker]\nmemory = {text}"), &[]);
        read.map(|config| config.worker.memory)
    };
    assert_eq!(memory("'512MiB'"), Ok(512 << 20));
    assert_eq!(memory("1000000000"), Ok(1_000_000_000));
    assert_eq!(read("", &[]).unwrap().worker.memory, 1 << 30);
    for text in ["'lots'", "'1KiB'", "-1"] {
        let fault = memory(text).unwrap_err();
        assert!(fault.starts_with("worker.memory: is a size from 64.0 MiB"), "{fault}");
    }
}

#[test]
fn every_fault_is_said_at_once() {
    let file = "nobody = 1\n[http]\nevents_max = 5000\nlisten = 'here'\n[auth]\nalgorithm = 'none'\n\
         [worker]\nstate_dir = ''";
    let faults = read(file, &[("FEEDMILL_KAFKA__PARTITIONS", "many")]).unwrap_err();
    let named: Vec<_> = faults.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        named,
        [
            "auth.algorithm",
            "http.events_max",
            "http.listen",
            "kafka.partitions",
            "nobody",
            "worker.state_dir"
        ]
    );
}

#[test]
fn a_url_that_names_no_server_is_a_fault_that_does_not_repeat_it() {
    let file = "[redis]\nurl = 'reddis://:hunter2@a'\n\
         [postgres]\nurl = 'mysql://me:hunter2@db/feed'\n\
         [state]\nworkers = ['http://a:1', 'b:9901']";
    let faults = read(file, &[]).unwrap_err();
    let lines: Vec<_> = faults.lines().collect();
    assert!(lines[0].starts_with("postgres.url: is a URL such as postgres://"), "{faults}");
    assert!(lines[1].starts_with("redis.url: is a URL such as redis://"), "{faults}");
    assert_eq!(
        lines[2..],
        ["state.workers: are URLs such as http://127.0.0.1:9901, separated by commas, \
          found \"b:9901\""]
    );
    assert!(!faults.contains("hunter2"), "{faults}");
}

#[test]
fn a_registry_is_told_by_urls_a_login_and_certificates() {
    let file =
        "[registry]\nurls = ['https://a:8081/', 'http://b']\nuser = 'me'\nca_file = 'ca.pem'";
    let config = read(file, &[("FEEDMILL_REGISTRY__PASSWORD", "hunter2")]).unwrap();
    assert!(!config.shown().contains("hunter2"));
    let of = config.registry.unwrap();
    assert_eq!(of.urls, ["https://a:8081", "http://b"]);
    assert_eq!(of.login, Some(("me".to_owned(), "hunter2".to_owned())));
    assert_eq!(of.ca_file.as_deref(), Some(Path::new("ca.pem")));
    assert!(read("", &[]).unwrap().registry.is_none());
}

#[test]
fn a_registry_that_cannot_be_asked_is_a_fault_that_repeats_no_password() {
    let shape = "registry.urls: are URLs such as https://registry:8081, separated by commas\n";
    for urls in ["registry:8081", "ftp://a", "http://a/?b=c", "https://"] {
        assert_eq!(read(&format!("registry.urls = '{urls}'"), &[]).unwrap_err(), shape, "{urls}");
    }
    let file = "[registry]\nurls = 'https://me:hunter2@a'\npassword = 'hunter2'";
    let faults = read(file, &[]).unwrap_err();
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(
        lines,
        [
            "registry.urls: holds no log-in: it goes to registry.user and registry.password",
            "registry.user: is needed with registry.password"
        ]
    );
}

#[test]
fn events_are_written_in_avro_only_where_a_registry_is() {
    let file = "events.format = 'avro'";
    assert_eq!(
        read(file, &[]).unwrap_err(),
        "registry.urls: is needed where events.format is avro\n"
    );
    let url = ("FEEDMILL_REGISTRY__URLS", "http://a");
    assert!(read(file, &[url]).unwrap().events_in_avro);
    assert!(!read("", &[url]).unwrap().events_in_avro);
    let fault = read("events.format = 'xml'", &[]).unwrap_err();
    assert_eq!(fault, "events.format: is json or avro, found \"xml\"\n");
}

#[test]
fn a_list_holds_texts_only() {
    let faults = read("[state]\nworkers = ['http://a:1', 9901]", &[]).unwrap_err();
    assert_eq!(faults, "state.workers: is a list of texts, found 9901 in it\n");
}

#[test]
fn a_cluster_is_told_by_addresses_with_ports() {
    for good in ["kafka:9092", "a.b-c_d:1, 10.0.0.1:65535", "[::1]:9092"] {
        assert!(read(&format!("kafka.bootstrap = '{good}'"), &[]).is_ok(), "{good}");
    }
    for (text, bad) in [
        ("kafka", "kafka"),
        ("a:9092,", ""),
        ("http://a:9092", "http://a:9092"),
        ("a b:1", "a b:1"),
        ("a:99999", "a:99999"),
        ("a:0", "a:0"),
        (":9092", ":9092"),
    ] {
        let words = "are addresses such as kafka-1:9092, separated by commas";
        let faults = read(&format!("kafka.bootstrap = '{text}'"), &[]).unwrap_err();
        assert_eq!(faults, format!("kafka.bootstrap: {words}, found {bad:?}\n"));
    }
}

#[test]
fn two_listeners_are_not_at_one_place() {
    let both = "[http]\nlisten = '127.0.0.1:9000'\ninternal_listen = '127.0.0.1:9000'";
    let fault = "http.internal_listen: is where http.listen is\n";
    assert_eq!(read(both, &[]).unwrap_err(), fault);
    assert!(read(&both.replace("9000", "0"), &[]).is_ok(), "any two ports");
}

#[test]
fn a_listener_is_told_by_address_not_by_name() {
    let faults = read("http.listen = 'localhost:8080'", &[]).unwrap_err();
    let words = "is an IP address and a port, such as 127.0.0.1:8080, found \"localhost:8080\"";
    assert_eq!(faults, format!("http.listen: {words}\n"));
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line_beside_the_other_faults() {
    let faults = read("[http]\nevents_max = 7\nlisten =", &[("FEEDMILL_APP", "")]).unwrap_err();
    let named: Vec<_> = faults.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(named, ["app", "mill.toml:3"]);
}

#[test]
fn what_the_command_lacks_is_said_with_the_other_faults() {
    let lacks = |_: &Config| vec![Fault { name: "redis.url", words: "is needed".to_owned() }];
    let environment = [("FEEDMILL_APP".to_owned(), "a b".to_owned())];
    let faults = Config::read(None, environment.into_iter(), lacks).unwrap_err();
    assert_eq!(faults, "app: is 1 to 100 of A-Z a-z 0-9 . _ -\nredis.url: is needed\n");
}

#[test]
fn variables_of_the_scripts_are_neither_settings_nor_faults() {
    let config = read("", &[("FEEDMILL_CACHE", "/var/cache"), ("FEEDMILL_CONFIG", "a.toml")]);
    assert_eq!(config.unwrap().shown(), read("", &[]).unwrap().shown());
    let faults = read("", &[("FEEDMILL_KAFKA_BOOTSTRAP", "a:9092")]).unwrap_err();
    assert_eq!(faults, "kafka_bootstrap: is no setting, found in the environment\n");
}

#[test]
fn what_is_printed_names_the_origin_and_hides_what_is_secret() {
    let url = ("FEEDMILL_POSTGRES__URL", "postgres://me:hunter2@db/feed");
    let config = read("app = 'mill'", &[url]).unwrap();
    let shown: Vec<_> = config.shown().lines().collect();
    assert!(shown.contains(&"app = \"mill\"  # file"));
    assert!(shown.contains(&"postgres.url = \"(secret)\"  # environment"));
    assert!(shown.contains(&"redis.wait_ms = \"50\"  # default"));
    assert!(!config.shown().contains("hunter2"));
    assert_eq!(format!("{config:?}"), config.shown());
}

#[test]
fn what_is_printed_is_read_again_whatever_stands_in_it() {
    let file = "[worker]\nstate_dir = \"a\\u007f\u{200b}\\n'b\\\"\"\n\
         [auth.issuers.'of \"them\"']\nissuer = 'them'\nkey_file = 'key'";
    let config = read(file, &[]).unwrap();
    let again = read(config.shown(), &[]).unwrap();
    assert_eq!(again.worker.state_dir, config.worker.state_dir);
    assert_eq!(again.auth.issuers(), config.auth.issuers());
}

#[test]
fn a_listener_that_others_reach_needs_a_secret() {
    let faults = read("[http]\ninternal_listen = '0.0.0.0:9901'", &[]).unwrap_err();
    assert!(faults.starts_with("state.secret_file: is needed"));
}

#[test]
fn options_of_the_kafka_client_come_from_file_and_environment_and_passwords_are_not_printed() {
    let file = "[kafka.client]\n'security.protocol' = 'sasl_ssl'\nsasl.username = 'me'\n\
         fetch.max.bytes = 65536";
    let password = ("FEEDMILL_KAFKA__CLIENT__SASL__PASSWORD", "hunter2");
    let config = read(file, &[password]).unwrap();
    let options: Vec<_> =
        config.kafka.client.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        options,
        [
            ("fetch.max.bytes", "65536"),
            ("sasl.password", "hunter2"),
            ("sasl.username", "me"),
            ("security.protocol", "sasl_ssl")
        ]
    );
    let shown: Vec<_> =
        config.shown().lines().filter(|line| line.starts_with("kafka.client.")).collect();
    assert_eq!(
        shown,
        [
            "kafka.client.fetch.max.bytes = \"65536\"  # file",
            "kafka.client.sasl.password = \"(secret)\"  # environment",
            "kafka.client.sasl.username = \"me\"  # file",
            "kafka.client.security.protocol = \"sasl_ssl\"  # file"
        ]
    );
}

#[test]
fn an_option_of_the_kafka_client_that_the_engine_relies_on_is_a_fault_that_names_it() {
    let faults = read("[kafka.client]\nisolation.level = 'read_uncommitted'", &[]).unwrap_err();
    assert_eq!(faults, "kafka.client.isolation.level: is none of the options that may be set\n");
}
