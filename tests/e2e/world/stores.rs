//! The stores of workers, asked over HTTP.

use std::process::Command;

use serde_json::Value;

use super::World;
use crate::curl::curl;

impl World {
    /// Sends something that is taken, and tells the position at which it was put down.
    pub fn position_of(&self, method: &str, path: &str, token: &str, body: &Value) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.ports.public);
        let mut command = Command::new("curl");
        command.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %header{x-feed-position}"]);
        command.args(["-X", method, "-H", &format!("authorization: Bearer {token}")]);
        command.args(["-H", "content-type: application/json", "-d", &body.to_string(), &url]);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        said.strip_prefix("202 ").unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// What the worker of this number says of stores.
    pub fn ask_store(&self, number: usize, path: &str) -> (u16, Value) {
        curl(&[&self.store_url(number, path)], Some("between-ourselves"), None)
    }

    /// What the API server says, which has none itself.
    pub fn ask_store_of_api(&self, path: &str) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/state/v1/stores/{path}", self.ports.internal);
        curl(&[&url], Some("between-ourselves"), None)
    }

    /// The same of a question that another worker has passed on.
    pub fn ask_store_passed_on(&self, number: usize, path: &str) -> (u16, Value) {
        let url = self.store_url(number, path);
        curl(&["-H", "x-feed-hop: 1", &url], Some("between-ourselves"), None)
    }

    fn store_url(&self, number: usize, path: &str) -> String {
        let between = if path.is_empty() { "" } else { "/" };
        format!("{}/state/v1/stores{between}{path}", self.worker_url(number))
    }
}
