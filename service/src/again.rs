//! Does something on a thread of its own until it is done or told to stop, again after each failure.
//!
//! That the cluster is away is told once for all, by whoever looks at it: the supervisor of a worker, the probe of an API process.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use connectors::backoff::Backoff;
use millstream::Exit;
use millstream::broker::Failure;

use crate::failed::Failed;

/// Why something failed.
pub trait Why: Display {
    /// Whether the cluster is away.
    fn is_away(&self) -> bool;
}

impl Why for Failed {
    fn is_away(&self) -> bool {
        self.0 == Exit::Unavailable
    }
}

impl Why for Failure {
    fn is_away(&self) -> bool {
        self.exit() == Exit::Unavailable
    }
}

/// Has `once` try until it succeeds or `stop` is set. What is in the way is told with `words`, once for as long as it is the same.
pub fn until_done<E: Why>(
    stop: &AtomicBool,
    words: &'static str,
    mut backoff: Backoff,
    mut once: impl FnMut() -> Result<(), E>,
) {
    let mut told = String::new();
    while !stop.load(Ordering::Relaxed) {
        let Err(failure) = once() else { return };
        let why = failure.to_string();
        if failure.is_away() {
            tracing::debug!(failure = %why, "{words}; tried again");
        } else if why != told {
            tracing::warn!(failure = %why, "{words}; tried again");
            told = why;
        }
        if !backoff.pause(stop) {
            return;
        }
    }
}
