//! The end of a handle. Destroying it may wait for the network, so a helper thread does it and its owner goes on.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long an owner waits for its handle to be destroyed before it leaves that to the helper thread.
const DESTROY_WAIT: Duration = Duration::from_secs(3);

/// A handle that a thread of its own destroys.
#[derive(Debug)]
pub(in crate::broker::kafka) struct Buried<T: Send + 'static>(ManuallyDrop<T>);

impl<T: Send + 'static> Buried<T> {
    pub(in crate::broker::kafka) fn new(handle: T) -> Self {
        Self(ManuallyDrop::new(handle))
    }
}

impl<T: Send + 'static> Deref for Buried<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + 'static> DerefMut for Buried<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Send + 'static> Drop for Buried<T> {
    fn drop(&mut self) {
        // SAFETY: taken once, and nobody sees the value afterwards.
        let corpse = unsafe { ManuallyDrop::take(&mut self.0) };
        let (done, destroyed) = mpsc::sync_channel(1);
        let bury = move || {
            drop(corpse);
            // Nobody waits any more if it took longer than `DESTROY_WAIT`.
            done.send(()).ok();
        };
        match thread::Builder::new().name("kafka-destroy".into()).spawn(bury) {
            Ok(_) if destroyed.recv_timeout(DESTROY_WAIT).is_err() => {
                tracing::warn!("a kafka handle was not destroyed in time; left to its thread");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "no thread to destroy a kafka handle; destroyed here")
            }
        }
    }
}
