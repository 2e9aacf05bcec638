//! What is logged while a system does not take what it is sent: its silence once, its refusals again and again.
//!
//! Whoever mends a refusal mends the server and not this process, so it must not be overlooked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a refusal is logged while it lasts.
const REFUSED_EVERY: Duration = Duration::from_secs(60);

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No answer, or one of a server that is not well.
    Unavailable,
    /// An answer that only a person changes.
    Refused,
}

/// What the last attempt said, if it failed.
#[derive(Debug, Default)]
pub struct LastFault(Mutex<Option<String>>);

impl LastFault {
    /// Its words.
    pub fn words(&self) -> Option<String> {
        self.last().clone()
    }

    /// Notes those of an attempt; none of one that went well.
    pub fn note(&self, words: Option<String>) {
        *self.last() = words;
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An outage, from its first failure on.
#[derive(Debug, Default)]
pub struct Outage(Option<(Kind, Instant)>);

impl Outage {
    /// Logs that `sink` waits, if this is news.
    pub fn log(&mut self, sink: &str, (kind, fault): (Kind, &str), now: Instant) {
        if !self.is_due(kind, now) {
            return;
        }
        match kind {
            Kind::Unavailable => tracing::warn!(fault, sink, "a sink waits"),
            Kind::Refused => tracing::error!(fault, sink, "a sink waits"),
        }
        self.0 = Some((kind, now));
    }

    /// As the first, as the first refusal, and a refusal once a minute.
    fn is_due(&self, kind: Kind, now: Instant) -> bool {
        match (self.0, kind) {
            (None, _) | (Some((Kind::Unavailable, _)), Kind::Refused) => true,
            (Some((Kind::Refused, logged)), Kind::Refused) => {
                now.duration_since(logged) >= REFUSED_EVERY
            }
            (Some(_), Kind::Unavailable) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_a_refusal_every_minute() {
        let began = Instant::now();
        let mut outage = Outage::default();
        let mut due = |kind, seconds| {
            let now = began + Duration::from_secs(seconds);
            let is_due = outage.is_due(kind, now);
            outage.log("a", (kind, "words"), now);
            is_due
        };
        let told = [
            due(Kind::Unavailable, 0),
            due(Kind::Unavailable, 300),
            due(Kind::Refused, 301),
            due(Kind::Refused, 360),
            due(Kind::Unavailable, 361),
            due(Kind::Refused, 362),
        ];
        assert_eq!(told, [true, false, true, false, false, true]);
    }
}
