//! A company's Kafka that speaks TLS alone and asks who is there: what an operator sees with the right options, a wrong
//! password and a wrong certificate authority.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Authority, Part, Process, Stack, poll_until};

use crate::curl::curl;
use crate::world::LONG;

struct Secured {
    stack: Stack,
    /// The certificates: of the broker, of its authority, and of another one.
    certified: TempDir,
    stranger: TempDir,
}

impl Secured {
    fn start() -> Self {
        let certified = Authority::new("company").unwrap().certify().unwrap();
        let stranger = Authority::new("stranger").unwrap().certify().unwrap();
        let stack = Stack::of(&[Part::Kafka]).secured(certified.path()).start().unwrap();
        Self { stack, certified, stranger }
    }

    /// The binary with this password, trusting this authority, as it is configured by a file.
    fn feedmill(&self, dir: &Path, password: &str, trusted: &TempDir) -> Command {
        let config = format!(
            "[kafka]\nbootstrap = '{}'\npartitions = 1\n[kafka.client]\nsecurity.protocol = 'sasl_ssl'\n\
             ssl.ca.location = '{}'\nsasl.mechanism = 'SCRAM-SHA-512'\nsasl.username = 'feedmill'\n\
             sasl.password = '{password}'\n",
            self.stack.kafka_secured(),
            trusted.path().join("authority").display(),
        );
        std::fs::write(dir.join("mill.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        command.current_dir(dir).args(["--config", "mill.toml"]);
        command
    }
}

/// A worker, and where it says how it is.
fn worker(mut feedmill: Command, dir: &Path) -> (Process, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    feedmill.arg("worker").env("FEEDMILL_HTTP__INTERNAL_LISTEN", &listen);
    feedmill.env("RUST_LOG", "info,feedmill::worker::supervisor=debug");
    (Process::spawn(&mut feedmill, dir.join("log")).unwrap(), format!("http://{listen}/ready"))
}

#[test]
fn with_the_password_and_the_authority_topics_are_made_and_a_worker_gets_ready() {
    let (secured, dir) = (Secured::start(), tempfile::tempdir().unwrap());
    let feedmill = || secured.feedmill(dir.path(), "secret", &secured.certified);
    let created = feedmill().args(["topics", "create"]).output().unwrap();
    let said = String::from_utf8(created.stderr).unwrap();
    assert_eq!((created.status.code(), said.as_str()), (Some(0), ""));
    let (worker, ready) = worker(feedmill(), dir.path());
    let is_ready = || (curl(&[&ready], None, None).0 == 200).then_some(());
    poll_until(LONG, is_ready)
        .unwrap_or_else(|late| panic!("{late}\n{}", worker.output().unwrap()));
    let printed = feedmill().arg("--print-config").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("kafka.client.sasl.password = \"(secret)\"  # file"), "{printed}");
    assert!(!printed.contains("\"secret\""), "{printed}");
}

#[test]
fn a_wrong_password_and_a_wrong_authority_are_one_line_each_of_a_command_and_of_a_worker_that_waits()
 {
    let secured = Secured::start();
    let rows = [
        ("guess", &secured.certified, "SASL authentication error: Authentication failed"),
        ("secret", &secured.stranger, "broker certificate could not be verified"),
    ];
    for (password, trusted, cause) in rows {
        let dir = tempfile::tempdir().unwrap();
        let feedmill = || secured.feedmill(dir.path(), password, trusted);
        let refused = feedmill().args(["topics", "create"]).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), said.lines().count()), (Some(6), 1), "{said}");
        assert!(said.contains(cause), "{said}");

        let (mut worker, ready) = worker(feedmill(), dir.path());
        let waits = poll_until(LONG, || {
            let (status, body) = curl(&[&ready], None, None);
            let told = |component: &str| {
                body["components"][component]["fault"].to_string().contains(cause)
            };
            (status == 503 && told("kafka") && told("engine")).then_some(body)
        });
        let waits: Value =
            waits.unwrap_or_else(|late| panic!("{late}\n{}", worker.output().unwrap()));
        assert!(waits.to_string().contains(cause));
        // Told when it was tried first, and not each time.
        let again = poll_until(LONG, || {
            let log = worker.output().unwrap();
            (log.matches("kafka is away").count() >= 3).then_some(log)
        });
        let log = again.unwrap();
        let told: Vec<_> =
            log.lines().filter(|line| !line.contains(" DEBUG ") && line.contains(cause)).collect();
        assert_eq!(told.len(), 1, "{log}");
        assert!(!log.contains(password), "{log}");
        worker.terminate().unwrap();
        assert_eq!(worker.wait(LONG).unwrap().code(), Some(0));
    }
}
