//! Does something on a thread of its own until it is done or told to stop, again after each failure.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::backoff::Backoff;

/// Has `once` try until it succeeds or `stop` is set. What is in the way is told with `words`, once for as long as it is the same.
pub fn until_done<E: Display>(
    stop: &AtomicBool,
    words: &'static str,
    mut backoff: Backoff,
    mut once: impl FnMut() -> Result<(), E>,
) {
    let mut told = String::new();
    while !stop.load(Ordering::Relaxed) {
        let Err(failure) = once() else { return };
        let why = failure.to_string();
        if why != told {
            tracing::warn!(failure = %why, "{words}; tried again");
            told = why;
        }
        if !backoff.pause(stop) {
            return;
        }
    }
}
