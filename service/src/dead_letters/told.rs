//! Letters as JSON, for scripts and over HTTP. Pure.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream::dead_letter::Letter;
use serde_json::{Value, json};

use super::{Note, Plan};

/// What is known of a letter without its record.
pub fn facts(letter: &Letter<'_>, done: Option<Note>) -> Value {
    let history = letter.history.iter();
    let history = history.map(|time| json!({"from": time.from.to_string(), "at": time.at.0}));
    json!({
        "place": letter.place.to_string(),
        "at": letter.at.0,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset.0,
        "timestamp": letter.timestamp.0,
        "node": letter.node,
        "reason": letter.reason.map(|reason| reason.name()),
        "error": letter.error,
        "cut": letter.cut.is_any(),
        "redriven": history.collect::<Vec<_>>(),
        "done": done,
    })
}

/// All of a letter.
pub fn whole(letter: &Letter<'_>, done: Option<Note>) -> Value {
    let headers = letter.own_headers();
    let headers = headers.map(|header| json!({"name": header.name, "value": bytes(header.value)}));
    let mut all = facts(letter, done);
    all["key"] = bytes(letter.key);
    all["value"] = bytes(letter.value);
    all["headers"] = headers.collect();
    let cut = &letter.cut;
    all["cut"] = json!({
        "key_bytes": cut.key,
        "value_bytes": cut.value,
        "value_sha256": cut.value_sha256,
        "headers_bytes": cut.headers,
    });
    all
}

/// What a plan says, and how much of it was done; nothing of that if it was only planned.
pub fn plan(plan: &Plan, done: Option<u64>) -> Value {
    let refused = plan.refused.iter();
    let refused: BTreeMap<_, _> =
        refused.map(|(refusal, (count, _))| (refusal.name(), count)).collect();
    let absent: Vec<_> = plan.absent.iter().map(ToString::to_string).collect();
    json!({"planned": plan.planned.len(), "done": done, "refused": refused, "absent": absent})
}

/// Bytes as text, else in base64; with the JSON that they are, if they are.
fn bytes(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    let mut told = match std::str::from_utf8(bytes) {
        Ok(text) => json!({"text": text}),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    };
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        told["json"] = value;
    }
    told
}
