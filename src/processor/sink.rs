//! `to` and `repartition`: encodes a record into what the task sends.
//!
//! A topic of our own (repartition, internal) carries an [`Envelope`](crate::store::Envelope) as its value,
//! because librdkafka's fast call for many records takes no timestamp; a user's topic gets a plain record.

use std::sync::Arc;

use super::core::{Destination, Nulls};
use super::wiring::Wiring;
use super::{Core, Next};
use crate::error::Result;
use crate::record::{Rec, Topic};
use crate::serde::Serde;
use crate::store::seal;

struct Sink<K, V> {
    to: Destination,
    key: Arc<dyn Serde<K>>,
    value: Arc<dyn Serde<V>>,
}

impl<K: 'static, V: 'static> Next<K, V> for Sink<K, V> {
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        let Self { to, key, value } = self;
        core.send(to, record.at, |key_out, value_out| {
            let nulls = Nulls { key: key.is_null(record.key), value: value.is_null(record.value) };
            key.encode(record.key, key_out);
            if to.logged && !nulls.value {
                seal(value.version(), record.at, value_out);
            }
            value.encode(record.value, value_out);
            nulls
        });
        Ok(())
    }
}

/// A factory of the node.
pub(crate) fn sink<K: 'static, V: 'static>(
    topic: Topic,
    key: Arc<dyn Serde<K>>,
    value: Arc<dyn Serde<V>>,
) -> impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync {
    move |wiring| {
        let to = wiring.destination(&topic);
        Box::new(Sink { to, key: key.clone(), value: value.clone() })
    }
}
