//! Processes asked over HTTP as an operator would ask them.

use std::process::Command;

use serde_json::Value;

/// Status and body of a request; 0 if there was no answer, null if the body is no JSON.
pub fn curl(words: &[&str], token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}"]).args(words);
    if let Some(token) = token {
        command.args(["-H", &format!("authorization: Bearer {token}")]);
    }
    if let Some(body) = body {
        command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Everything that the process whose internal listener has this port counts.
pub fn metrics(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let output = Command::new("curl").args(["-sS", &url]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One of it by its whole name with labels; 0 if it is not there.
pub fn metric(port: u16, name: &str) -> f64 {
    let text = metrics(port);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}
