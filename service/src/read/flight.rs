//! One search for one key at a time: whoever asks while it is under way waits for its answer.
//!
//! The search belongs to nobody: if the caller who began it goes away, those who wait carry it on. The key is
//! free again as soon as the first caller has left, so a search that nobody waits for leaves nothing behind.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

type Flight<V> = Shared<BoxFuture<'static, V>>;

/// The searches under way.
pub struct Flights<K, V: Clone> {
    open: Mutex<HashMap<K, Flight<V>>>,
}

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self { open: Mutex::new(HashMap::new()) }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Flights<K, V> {
    /// The answer of the search under way for `key`, or of a new one.
    pub async fn join(&self, key: K, begin: impl FnOnce() -> BoxFuture<'static, V>) -> V {
        let (flight, _mine) = self.board(key, begin);
        flight.await
    }

    fn board(
        &self,
        key: K,
        begin: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> (Flight<V>, Option<Leaving<'_, K, V>>) {
        let mut open = self.lock();
        if let Some(flight) = open.get(&key) {
            return (flight.clone(), None);
        }
        let flight = begin().shared();
        open.insert(key, flight.clone());
        (flight, Some(Leaving { flights: self, key }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees the key when the caller who began leaves, with the answer or without.
struct Leaving<'a, K: Copy + Eq + Hash, V: Clone> {
    flights: &'a Flights<K, V>,
    key: K,
}

impl<K: Copy + Eq + Hash, V: Clone> Drop for Leaving<'_, K, V> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::{join, join_all};
    use tokio::sync::Notify;

    use super::*;

    static NOTIFY: Notify = Notify::const_new();
    static SEARCHES: AtomicU32 = AtomicU32::new(0);

    fn search() -> BoxFuture<'static, u32> {
        let nth = SEARCHES.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            NOTIFY.notified().await;
            nth
        }
        .boxed()
    }

    #[tokio::test]
    async fn those_who_ask_together_get_one_answer_and_the_next_one_asks_anew() {
        let flights = Flights::<u8, u32>::default();
        let together = join_all((0..100).map(|_| flights.join(1, search)));
        let (answers, ()) = join(together, async { NOTIFY.notify_one() }).await;
        assert_eq!(answers, [1; 100]);
        NOTIFY.notify_one();
        assert_eq!(flights.join(1, search).await, 2);
        assert!(flights.lock().is_empty());
    }
}
