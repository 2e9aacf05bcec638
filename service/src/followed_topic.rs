//! A small topic of what is set at run time, as this process knows it: read from its beginning and followed.
//!
//! No read waits for it: until the topic could be read, what is known is what holds before anything was set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use connectors::backoff::Backoff;
use millstream::RawRecord;
use millstream::broker::Broker;
use schemas::topic::Topic;

use crate::again;
use crate::commands::log_reader::LogReader;
use crate::failed::Failed;

/// So long after it failed the topic is read again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a topic has made known.
pub trait Known: Clone + Default + Send + Sync + 'static {
    /// The topic.
    const TOPIC: Topic;

    /// Takes what comes next.
    fn take(&mut self, record: &RawRecord<'_>);

    /// Tells operators what holds from now on.
    fn tell(&self);
}

/// What is known; cheap to clone, and all clones know the same.
#[derive(Debug, Default)]
pub struct FollowedTopic<K>(Arc<RwLock<Arc<K>>>);

impl<K> Clone for FollowedTopic<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Known> FollowedTopic<K> {
    /// As of now.
    pub fn known(&self) -> Arc<K> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, known: K) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// Follows the topic until told to stop.
    pub fn follow(
        &self,
        (broker, app): (Arc<dyn Broker>, String),
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<()> {
        let of = self.clone();
        let follow = move || {
            let once = || of.read_on((&*broker, &app), &stop);
            let pauses = Backoff::new(AGAIN, AGAIN);
            again::until_done(&stop, "what is set at run time is not followed", pauses, once);
        };
        thread::Builder::new().name(K::TOPIC.name.to_owned()).spawn(follow).map(drop)
    }

    fn read_on(&self, (broker, app): (&dyn Broker, &str), stop: &AtomicBool) -> Result<(), Failed> {
        let mut log = LogReader::open(broker, app, &[K::TOPIC])?;
        // What came may have been taken before the end is told of; at the end it is known, also that there is nothing.
        let (mut known, mut is_news) = (K::default(), true);
        while !stop.load(Ordering::Relaxed) {
            is_news |= take(&mut log, &mut known)?;
            if log.is_at_end() && std::mem::take(&mut is_news) {
                known.tell();
                self.set(known.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl<K: Known> FollowedTopic<K> {
    /// One that knows this already.
    pub fn of(known: K) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(known))))
    }
}

/// All that the topic says by now.
pub fn read<K: Known>(broker: &dyn Broker, app: &str) -> Result<K, Failed> {
    let mut log = LogReader::open(broker, app, &[K::TOPIC])?;
    let mut known = K::default();
    while !log.is_at_end() {
        take(&mut log, &mut known)?;
    }
    Ok(known)
}

/// Takes what has come; tells whether that was anything.
fn take<K: Known>(log: &mut LogReader, known: &mut K) -> Result<bool, Failed> {
    let mut came = false;
    for batch in &log.poll()?.batches {
        for record in batch.iter() {
            known.take(&record);
            came = true;
        }
    }
    Ok(came)
}
