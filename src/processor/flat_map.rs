//! `flat_map`: any number of records for one, without state. `filter` is written with it.

use std::sync::Arc;

use super::wiring::Wiring;
use super::{Core, Edge, Next};
use crate::error::Result;
use crate::record::{Rec, Timestamp};

/// Where a closure emits to.
pub struct Out<'a, K, V> {
    next: &'a mut dyn Next<K, V>,
    core: &'a mut Core,
    at: Timestamp,
}

impl<K, V> Out<'_, K, V> {
    /// Hands a record on, with the time of the one in hand.
    pub fn emit(&mut self, key: &K, value: &V) -> Result<()> {
        self.next.push(Rec { key, value, at: self.at }, self.core)
    }
}

struct FlatMap<F, A, B> {
    map: Arc<F>,
    next: Box<dyn Next<A, B>>,
}

impl<K, V, A, B, F> Next<K, V> for FlatMap<F, A, B>
where
    F: for<'r, 'o> Fn(Rec<'r, K, V>, &'o mut Out<'o, A, B>) -> Result<()>,
{
    fn push(&mut self, record: Rec<'_, K, V>, core: &mut Core) -> Result<()> {
        (self.map)(record, &mut Out { next: &mut *self.next, core, at: record.at })
    }
}

/// A factory of the node.
pub(crate) fn flat_map<K: 'static, V: 'static, A: 'static, B: 'static>(
    out: Edge<A, B>,
    map: impl for<'r, 'o> Fn(Rec<'r, K, V>, &'o mut Out<'o, A, B>) -> Result<()> + Send + Sync + 'static,
) -> impl Fn(&mut Wiring) -> Box<dyn Next<K, V>> + Send + Sync {
    let map = Arc::new(map);
    move |wiring| Box::new(FlatMap { map: map.clone(), next: out.wire(wiring) })
}
