//! How many are worked on at once, where that number may change while they are.
//!
//! More are there at once. Where there are too many, the free ones go first, and then each that is given back, so that a lower number
//! holds as soon as the work in hand allows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Live;

/// See the module.
pub struct Turns {
    max: Live<usize>,
    free: Semaphore,
    /// How many there are, free and taken.
    there: Mutex<usize>,
}

/// One that is taken, for as long as this lives.
pub struct Turn<'a> {
    of: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
}

impl Turns {
    /// As many as `max` says.
    pub fn new(max: Live<usize>) -> Self {
        let there = max.get();
        Self { max, free: Semaphore::new(there), there: Mutex::new(there) }
    }

    /// Waits for one; none if there is none any more.
    pub async fn take(&self) -> Option<Turn<'_>> {
        self.fit();
        let permit = self.free.acquire().await.ok()?;
        Some(Turn { of: self, permit: Some(permit) })
    }

    fn fit(&self) {
        let (max, mut there) = (self.max.get(), self.there());
        if *there < max {
            self.free.add_permits(max - *there);
            *there = max;
        } else if *there > max {
            *there -= self.free.forget_permits(*there - max);
        }
    }

    fn there(&self) -> MutexGuard<'_, usize> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut there = self.of.there();
        if *there > self.of.max.get() {
            *there -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    /// Turns, and the number that says how many.
    fn turns(max: usize) -> (Turns, Arc<AtomicUsize>) {
        let number = Arc::new(AtomicUsize::new(max));
        let asked = Arc::clone(&number);
        (Turns::new(Live::asking(move || asked.load(Ordering::Relaxed))), number)
    }

    fn taken(turns: &Turns) -> Option<Turn<'_>> {
        turns.take().now_or_never().flatten()
    }

    #[test]
    fn a_higher_number_lets_more_in_at_once() {
        let (turns, number) = turns(1);
        let _first = taken(&turns).unwrap();
        assert!(taken(&turns).is_none());
        number.store(2, Ordering::Relaxed);
        let second = taken(&turns);
        assert!(second.is_some() && taken(&turns).is_none());
    }

    #[test]
    fn a_lower_number_holds_when_those_in_hand_are_done_also_where_others_wait() {
        let (turns, number) = turns(3);
        let hand = [(); 3].map(|()| taken(&turns).unwrap());
        number.store(1, Ordering::Relaxed);
        let mut waiting = Box::pin(turns.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        let [first, second, third] = hand;
        drop((first, second));
        assert!(waiting.as_mut().now_or_never().is_none(), "one is still in hand");
        drop(third);
        let last = waiting.now_or_never().flatten();
        assert!(last.is_some() && taken(&turns).is_none());
    }
}
