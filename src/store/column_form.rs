//! One column for whoever does not know its types: keys as text, values as JSON.
//!
//! It works on committed bytes alone, and keeps nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Envelope;
use super::timers::deadline;
use crate::error::{Fault, Result};
use crate::readable::{Readable, from_hex, hex, hex_prefix};
use crate::record::Timestamp;
use crate::serde::Serde;

/// The readable form of a column.
pub(crate) trait ColumnForm: Send + Sync {
    /// Whether both keys and values have a form of their own: else they are shown as bytes.
    fn is_readable(&self) -> bool;

    /// The bytes of the key with this text.
    fn key(&self, text: &str) -> Option<Vec<u8>>;

    /// The bytes that all keys begin with whose text begins so. `None` if no key can be meant, or nobody can say.
    fn prefix(&self, text: &str) -> Option<Vec<u8>>;

    /// The text of a key.
    fn text(&self, key: &[u8]) -> Result<String>;

    /// A stored value, with its time.
    fn value(&self, stored: &[u8]) -> Result<(Timestamp, Value)>;
}

/// The form of a key-value store.
pub(crate) struct RowForm<K, V> {
    pub(crate) keys: Arc<dyn Serde<K>>,
    pub(crate) values: Arc<dyn Serde<V>>,
}

/// The form of timers.
pub(crate) struct TimerForm<K> {
    pub(crate) keys: Arc<dyn Serde<K>>,
}

fn key<K: 'static>(keys: &dyn Serde<K>, text: &str) -> Option<Vec<u8>> {
    let Some(form) = keys.readable().text else { return from_hex(text) };
    let mut bytes = Vec::new();
    keys.encode(&(form.read)(text)?, &mut bytes);
    Some(bytes)
}

fn prefix<K: 'static>(keys: &dyn Serde<K>, text: &str) -> Option<Vec<u8>> {
    match keys.readable().text {
        None => hex_prefix(text),
        Some(form) => (form.prefix?)(text),
    }
}

fn text<K: 'static>(keys: &dyn Serde<K>, key: &[u8]) -> Result<String> {
    let Some(form) = keys.readable().text else { return Ok(hex(key)) };
    decoded(keys, key, keys.version()).map(|key| (form.show)(&key))
}

fn decoded<T: 'static>(serde: &dyn Serde<T>, bytes: &[u8], version: u8) -> Result<T> {
    let mut slot = None;
    serde.decode(bytes, version, &mut slot)?;
    slot.ok_or_else(|| Fault::Reject("nothing was decoded".into()))
}

impl<K: 'static, V: 'static> ColumnForm for RowForm<K, V> {
    fn is_readable(&self) -> bool {
        self.keys.readable().text.is_some() && self.values.readable().json.is_some()
    }

    fn key(&self, text: &str) -> Option<Vec<u8>> {
        key(&*self.keys, text)
    }

    fn prefix(&self, text: &str) -> Option<Vec<u8>> {
        prefix(&*self.keys, text)
    }

    fn text(&self, key: &[u8]) -> Result<String> {
        text(&*self.keys, key)
    }

    fn value(&self, stored: &[u8]) -> Result<(Timestamp, Value)> {
        let held = Envelope::open(stored)?;
        let Readable { json, .. } = self.values.readable();
        let value = match json {
            None => Value::String(hex(held.value)),
            Some(json) => json(&decoded(&*self.values, held.value, held.version)?),
        };
        Ok((held.at, value))
    }
}

impl<K: 'static> ColumnForm for TimerForm<K> {
    fn is_readable(&self) -> bool {
        self.keys.readable().text.is_some()
    }

    fn key(&self, text: &str) -> Option<Vec<u8>> {
        key(&*self.keys, text)
    }

    fn prefix(&self, text: &str) -> Option<Vec<u8>> {
        prefix(&*self.keys, text)
    }

    fn text(&self, key: &[u8]) -> Result<String> {
        text(&*self.keys, key)
    }

    fn value(&self, stored: &[u8]) -> Result<(Timestamp, Value)> {
        let deadline = deadline(stored)?;
        Ok((deadline.at, json!({ "due": deadline.at.0, "owed": deadline.is_owed })))
    }
}
