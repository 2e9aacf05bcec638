//! The weight sets as this process knows them.
//!
//! A feed is read by the numbers it was made with, so whoever serves one must know its set. Of a set that is not known yet, the
//! numbers are those of `v1`.

mod writer;

use millstream::{RawRecord, Timestamp};
use schemas::Wire;
use schemas::topic::{Topic, WEIGHTS};
use topologies::ranking::{Policies, Policy};

use crate::followed_topic::{FollowedTopic, Known};

pub use writer::Writer;

/// See the module.
pub type WeightSets = FollowedTopic<Policies>;

impl Known for Policies {
    const TOPIC: Topic = WEIGHTS;

    fn take(&mut self, record: &RawRecord<'_>) {
        match record.value.map(Policy::decode) {
            Some(Ok(policy)) => self.put(policy),
            Some(Err(poison)) => tracing::warn!(%poison, "a version of weight sets is left out"),
            None => {}
        }
    }

    fn tell(&self) {
        let (version, sets) = (self.current().version, self.current().sets.len());
        tracing::info!(version, sets, "weight sets");
    }
}

/// The identity of whoever puts weight sets or changes flags: a change of a flag may be one of weight sets too.
pub fn writer_id(app: &str) -> String {
    format!("{app}-weights")
}

/// A policy as the next version, put now. Whether experiments are paused is a flag's to say: it stays as it was.
pub fn next(known: &Policies, policy: Policy, now: Timestamp) -> Policy {
    let Policy { version, paused, .. } = *known.current();
    Policy { version: version + 1, at_ms: now.0, paused, ..policy }
}
