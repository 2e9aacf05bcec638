//! What processes tell Prometheus, and Prometheus as it is deployed, on what a test runs.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tests::{Process, poll_until};

use crate::curl::{curl, metric, metrics};
use crate::world::{LONG, World, repository};

/// It scrapes the worker of number 0 and the API of a world, every second, and evaluates the alerts.
pub struct Prometheus {
    url: String,
    _process: Process,
}

impl Prometheus {
    /// By the configuration that is deployed, but for where processes are and how often it looks.
    pub fn start(world: &World) -> Self {
        let deployed = repository().join("deploy/prometheus");
        let mut text = fs::read_to_string(deployed.join("prometheus.yml")).unwrap();
        let targets = world.internal_addresses().map(|address| format!("{address:?}")).join(", ");
        let alerts = format!("rule_files: [{}/alerts/*.yml]", deployed.display());
        for (deployed, here) in [
            ("\"feedmill:9901\"", targets.as_str()),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("evaluation_interval: 5s", "evaluation_interval: 1s"),
            ("rule_files: [alerts/*.yml]", &alerts),
        ] {
            assert!(text.contains(deployed), "{deployed}: {text}");
            text = text.replace(deployed, here);
        }
        let config = world.dir().join("prometheus.yml");
        fs::write(&config, text).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", world.dir().join("prometheus").display()));
        command.arg(format!("--web.listen-address={free}"));
        command.arg("--enable-feature=exemplar-storage");
        let process = Process::spawn(&mut command, world.dir().join("prometheus.log")).unwrap();
        let of = Self { url: format!("http://{free}"), _process: process };
        let ready = format!("{}/-/ready", of.url);
        poll_until(LONG, || (curl(&[&ready], None, None).0 == 200).then_some(())).unwrap();
        of
    }

    /// The series that an expression has now; its fault if it is none.
    pub fn ask(&self, expression: &str) -> Vec<Value> {
        let (url, query) = (format!("{}/api/v1/query", self.url), format!("query={expression}"));
        let (status, answer) = curl(&["-G", &url, "--data-urlencode", &query], None, None);
        assert_eq!(status, 200, "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The traces of requests that a series has as exemplars, of the last hour.
    pub fn traces(&self, series: &str) -> Vec<String> {
        let url = format!("{}/api/v1/query_exemplars", self.url);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let span = format!("start={}&end={}", now - 3_600, now + 60);
        let query = format!("query={series}");
        let (_, answer) = curl(&["-G", &url, "-d", &span, "--data-urlencode", &query], None, None);
        let all = answer["data"].as_array().unwrap().iter();
        let exemplars = all.flat_map(|of| of["exemplars"].as_array().unwrap());
        exemplars.map(|of| of["labels"]["trace_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The alerts that are called.
    pub fn called(&self) -> Vec<String> {
        let firing = self.ask("ALERTS{alertstate=\"firing\"}");
        firing.iter().map(|of| of["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether every rule can be evaluated on what there is.
    pub fn faulty_rules(&self) -> Vec<String> {
        let (_, answer) = curl(&[&format!("{}/api/v1/rules", self.url)], None, None);
        let groups = answer["data"]["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
        let faulty = rules.filter(|rule| rule["health"] == "err");
        faulty.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect()
    }
}

impl World {
    /// Where the worker of number 0 and the API are asked how they are.
    pub fn internal_addresses(&self) -> [String; 2] {
        [self.ports.workers[0], self.ports.internal].map(|port| format!("127.0.0.1:{port}"))
    }

    /// A counter of the API by its whole name with labels.
    pub fn metric(&self, name: &str) -> f64 {
        metric(self.ports.internal, name)
    }

    /// The same of the worker of this number; 0 if it does not run.
    pub fn worker_metric(&self, number: usize, name: &str) -> f64 {
        metric(self.ports.workers[number], name)
    }

    /// What the worker of number 0 and the API tell Prometheus.
    pub fn metrics_texts(&self) -> [String; 2] {
        [self.ports.workers[0], self.ports.internal].map(metrics)
    }

    /// The sum of all series of a counter of a worker whose lines begin like this.
    pub fn worker_sum(&self, number: usize, name: &str) -> f64 {
        let text = metrics(self.ports.workers[number]);
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}
