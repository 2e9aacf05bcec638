//! Instances that know each other by certificates, each over the internal listener of the other.

use std::path::Path;
use std::sync::Arc;

use reqwest::{Certificate, Client, StatusCode};
use tempfile::TempDir;
use tests::Authority;
use tokio::sync::watch;

use crate::config::{Config, InForce};
use crate::edge::tests::{config, read};
use crate::edge::{Bounds, Listener};
use crate::http::internal::{Internal, internal};
use crate::instance_client::InstanceClient;
use crate::metrics::Metrics;
use crate::needs;

const STORES: &str = "/state/v1/stores";

/// What an instance is told whose certificate is in this folder.
fn instance(folder: &TempDir) -> Config {
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    config(&[
        ("http.internal_tls_cert_file", &file("certificate")),
        ("http.internal_tls_key_file", &file("key")),
        ("http.internal_tls_ca_file", &file("authority")),
    ])
}

/// Where such an instance listens, for as long as the other half is held.
fn listening(of: Config) -> (String, watch::Sender<bool>) {
    let certificate = needs::certificate(&of).unwrap();
    let internals = Arc::new(Internal {
        health: Arc::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        state: None,
        stores: None,
        console: None,
        elsewhere: None,
        secrets: None,
        asks_certificate: certificate.is_some(),
        clock: Arc::new(millstream::SystemClock),
    });
    let bounds = Bounds::internal(&InForce::new(of), certificate);
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), "internal", bounds).unwrap();
    let url = format!("https://{}", listener.address().unwrap());
    let (stop, stopped) = watch::channel(false);
    let metrics = Arc::clone(&internals.metrics);
    tokio::spawn(listener.serve(internal(&internals), metrics, stopped));
    (url, stop)
}

async fn asked_by(of: &Config, url: &str) -> Result<StatusCode, String> {
    let client = InstanceClient::new(needs::credentials(of)?, 1 << 20);
    client.get((url, STORES), &[]).await.map(|told| told.status)
}

fn copied(from: &TempDir, to: &Path) {
    for name in ["certificate", "key"] {
        std::fs::copy(from.path().join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn state_is_for_instances_with_a_certificate_of_their_authority_and_probes_need_none() {
    let (ours, theirs) = (Authority::new("ours").unwrap(), Authority::new("theirs").unwrap());
    let (folder, stranger) = (ours.certify().unwrap(), theirs.certify().unwrap());
    let (url, _stop) = listening(instance(&folder));
    let another = ours.certify().unwrap();
    // This one has no store to show; it says so to one of us alone.
    assert_eq!(asked_by(&instance(&another), &url).await, Ok(StatusCode::MISDIRECTED_REQUEST));
    // Who trusts us, and shows nothing that we trust.
    copied(&stranger, another.path());
    assert!(asked_by(&instance(&another), &url).await.is_err());
    // Who does not trust us.
    let doubted = asked_by(&instance(&stranger), &url).await.unwrap_err();
    assert!(doubted.contains("UnknownIssuer"), "{doubted}");
    let plain = asked_by(&config(&[]), &url).await.unwrap_err();
    assert!(plain.contains("UnknownIssuer"), "{plain}");

    let root = Certificate::from_pem(ours.pem().as_bytes()).unwrap();
    let probe = Client::builder().tls_certs_only([root]).build().unwrap();
    let statuses = ["/health", "/metrics", STORES, "/console/state"].map(async |path| {
        probe.get(format!("{url}{path}")).send().await.unwrap().status().as_u16()
    });
    let [health, metrics, stores, console] = statuses;
    assert_eq!((health.await, metrics.await), (200, 200));
    assert_eq!((stores.await, console.await), (401, 401));
    // Without TLS nobody is understood.
    assert!(reqwest::get(url.replace("https", "http") + "/health").await.is_err());
}

#[test]
fn where_instances_have_certificates_they_are_asked_by_https_and_nowhere_else() {
    let files = ["cert", "key", "ca"].map(|of| format!("http.internal_tls_{of}_file"));
    let tls = files.each_ref().map(|name| (&**name, "a.pem"));
    let (url, workers) = ("https://worker-1:9901", "https://worker-1:9901,https://worker-2:9901");
    let named = [("state.advertise", url), ("state.workers", workers)];
    assert!(read(&[&tls[..], &named].concat()).is_ok());
    let faults = read(&named).unwrap_err();
    assert!(faults.contains("http.internal_tls_cert_file: is needed"), "{faults}");
    let plain = [&tls[..], &[("state.advertise", "http://worker-1:9901")]].concat();
    let faults = read(&plain).unwrap_err();
    assert!(faults.contains("state.advertise: is https"), "{faults}");
}

#[test]
fn files_of_an_instance_s_certificate_are_named_together() {
    let faults = read(&[("http.internal_tls_key_file", "key.pem")]).unwrap_err();
    for name in ["http.internal_tls_cert_file", "http.internal_tls_ca_file"] {
        let words = format!("{name}: is needed with http.internal_tls_key_file");
        assert!(faults.contains(&words), "{faults}");
    }
}
