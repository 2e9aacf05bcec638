//! `to` and `repartition`: encodes a record into what the task sends.
//!
//! A topic of our own (repartition, internal) carries an [`Envelope`](crate::store::Envelope) as its value,
//! because librdkafka's fast call for many records takes no timestamp; a user's topic gets a plain record.

use std::sync::Arc;

use super::core::{Destination, Nulls};
use super::wiring::Wiring;
use super::{Core, Next};
use crate::error::Result;
use crate::record::{Headers, Rec, Topic};
use crate::serde::Serde;
use crate::store::{seal, seal_with};

/// Appends the headers of a record, each with [`encode_header`](crate::encode_header).
pub(crate) type WriteHeaders<K, V> = Arc<dyn Fn(Rec<'_, K, V>, &mut Vec<u8>) + Send + Sync>;

/// How a sink encodes.
pub(crate) struct Encoded<K, V> {
    pub key: Arc<dyn Serde<K>>,
    pub value: Arc<dyn Serde<V>>,
    /// None: no headers.
    pub headers: Option<WriteHeaders<K, V>>,
}

impl<K, V> Clone for Encoded<K, V> {
    fn clone(&self) -> Self {
        let Self { key, value, headers } = self;
        Self { key: key.clone(), value: value.clone(), headers: headers.clone() }
    }
}

struct Sink<K, V> {
    to: Destination,
    form: Encoded<K, V>,
    headers: Vec<u8>,
}

impl<K: 'static, V: 'static> Next<K, V> for Sink<K, V> {
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        let Self { to, form: Encoded { key, value, headers: write }, headers } = self;
        headers.clear();
        if let Some(write) = write {
            write(record, headers);
        }
        let trace = core.trace;
        if let Some(trace) = trace.filter(|_| !to.logged) {
            trace.write(headers);
        }
        core.send(to, (record.at, Headers::from_bytes(headers)), |key_out, value_out| {
            let nulls = Nulls { key: key.is_null(record.key), value: value.is_null(record.value) };
            key.encode(record.key, key_out);
            if to.logged && !nulls.value {
                match trace {
                    None => seal(value.version(), record.at, value_out),
                    Some(trace) => seal_with(value.version(), record.at, value_out, |out| {
                        trace.write(out);
                    }),
                }
            }
            value.encode(record.value, value_out);
            nulls
        })
    }
}

/// A factory of the node.
pub(crate) fn sink<K: 'static, V: 'static>(
    topic: Topic,
    form: Encoded<K, V>,
) -> impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync {
    move |wiring| {
        let to = wiring.destination(&topic);
        Box::new(Sink { to, form: form.clone(), headers: Vec::new() })
    }
}
