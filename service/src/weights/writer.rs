//! Puts versions of weight sets, one writer at a time: of two who put at once one is told of the other.

use millstream::broker::Broker;
use millstream::{Clock, SystemClock, Timestamp};
use schemas::topic::WEIGHTS;
use schemas::{WeightsVersion, Wire};
use topologies::ranking::{Policies, Policy};

use super::{next, writer_id};
use crate::failed::Failed;
use crate::followed_topic::read;
use crate::sole_writer::SoleWriter;

/// See the module.
pub struct Writer {
    topic: SoleWriter,
    known: Policies,
}

impl Writer {
    /// Of the weight sets of `app`; whoever was one before is none any more.
    pub fn open(broker: &dyn Broker, app: &str) -> Result<Self, Failed> {
        let topic = SoleWriter::open(broker, &writer_id(app), &[WEIGHTS.name])?;
        Ok(Self { topic, known: read(broker, app)? })
    }

    /// All that was put before.
    pub fn known(&self) -> &Policies {
        &self.known
    }

    /// Puts a version into force, which is the next one.
    pub fn put(&mut self, policy: Policy) -> Result<Policy, Failed> {
        let policy = next(&self.known, policy, SystemClock.now());
        let key = WeightsVersion(policy.version).to_bytes();
        self.topic.push(0, (&key, &policy.to_bytes()), Timestamp(policy.at_ms));
        self.topic.commit()?;
        Ok(policy)
    }
}
