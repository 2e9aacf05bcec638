//! The weight sets as this process knows them: topic `weights`, read from its beginning and followed.
//!
//! A feed is read by the numbers it was made with, so whoever serves one must know its set. Until the topic could be read, and of
//! a set that is not known yet, the numbers are those of `v1`: no read waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use millstream::broker::Broker;
use schemas::Wire;
use schemas::topic::WEIGHTS;
use topologies::ranking::{Policies, Policy};

use crate::again;
use crate::commands::log_reader::LogReader;
use crate::failed::Failed;

/// So long after it failed the topic is read again.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known; cheap to clone, and all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct WeightSets(Arc<RwLock<Arc<Policies>>>);

impl WeightSets {
    /// As of now.
    pub fn known(&self) -> Arc<Policies> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, policies: Policies) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }

    /// Follows the topic until told to stop.
    pub fn follow(
        &self,
        (broker, app): (Arc<dyn Broker>, String),
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<()> {
        let of = self.clone();
        let follow = move || {
            let once = || of.read_on((&*broker, &app), &stop).map_err(|Failed(_, words)| words);
            let pauses = Backoff::new(AGAIN, AGAIN);
            again::until_done(&stop, "weight sets are not followed", pauses, once);
        };
        thread::Builder::new().name("weights".to_owned()).spawn(follow).map(drop)
    }

    fn read_on(&self, (broker, app): (&dyn Broker, &str), stop: &AtomicBool) -> Result<(), Failed> {
        let mut log = LogReader::open(broker, app, &[WEIGHTS])?;
        // What came may have been taken before the end is told of; at the end it is known, also that there is nothing.
        let (mut policies, mut is_news) = (Policies::default(), true);
        while !stop.load(Ordering::Relaxed) {
            is_news |= take(&mut log, &mut policies)?;
            if log.is_at_end() && std::mem::take(&mut is_news) {
                let (version, sets) = (policies.current().version, policies.current().sets.len());
                tracing::info!(version, sets, "weight sets");
                self.set(policies.clone());
            }
        }
        Ok(())
    }
}

/// Every version that was put by now.
pub fn read(broker: &dyn Broker, app: &str) -> Result<Policies, Failed> {
    let mut log = LogReader::open(broker, app, &[WEIGHTS])?;
    let mut policies = Policies::default();
    while !log.is_at_end() {
        take(&mut log, &mut policies)?;
    }
    Ok(policies)
}

/// Takes what has come; tells whether that was anything.
fn take(log: &mut LogReader, policies: &mut Policies) -> Result<bool, Failed> {
    let mut came = false;
    for batch in &log.poll()?.batches {
        for record in batch.iter() {
            match record.value.map(Policy::decode) {
                Some(Ok(policy)) => policies.put(policy),
                Some(Err(poison)) => {
                    tracing::warn!(%poison, "a version of weight sets is left out")
                }
                None => {}
            }
            came = true;
        }
    }
    Ok(came)
}
