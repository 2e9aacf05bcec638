//! A cluster in this process: in memory, but honest about transactions, groups and offsets.
//!
//! [`Embedded`] is a handle that clones share. Everything lives behind one lock; time comes from the clock
//! it was made with, and what time does (a transaction that is open too long, a silent member) is done
//! at the first call after it is due. Nothing depends on the order of a hash map or on a thread of its
//! own: the same calls in the same order give the same answers. `poll` waits by the wall clock, and with a
//! wait of zero not at all.
//!
//! What is simpler than Kafka: one broker, no network; what is sent is acknowledged at once, so a zombie
//! is refused at `send` already; markers are written within `commit`, unless [`Faults::delay_markers`]; a poll
//! is the heartbeat; nothing is cleaned before [`Embedded::clean`].

mod admin;
mod assignor;
mod compaction;
mod consumer;
mod faults;
mod group;
mod group_consumer;
mod groups;
mod log;
mod log_reader;
mod membership;
mod offsets;
mod producer;
#[cfg(test)]
mod random;
mod topics;
mod transaction;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::admin::EmbeddedAdmin;
use self::consumer::EmbeddedConsumer;
use self::faults::{Planned, Skip};
use self::group_consumer::EmbeddedGroupConsumer;
use self::groups::Groups;
use self::log::Ending;
use self::membership::EmbeddedMembership;
use self::producer::EmbeddedProducer;
use self::topics::Topics;
use self::transaction::{Coordinator, Decided, Open};
use super::{
    Admin, Broker, Cleanup, Consumer, Failure, GroupConsumer, Isolation, Join, Membership, Producer,
};
use crate::clock::Clock;
use crate::record::{Timestamp, Topic};

pub use self::faults::Faults;

const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a waiting poll sleeps before it looks at the clock again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A handle on a cluster in this process; clones are of the same cluster.
#[derive(Clone)]
pub struct Embedded(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    logs: Condvar,
    groups: Condvar,
}

struct State {
    topics: Topics,
    coordinator: Coordinator,
    groups: Groups,
    faults: Planned,
    transaction_timeout: Duration,
    /// Nothing is due by the clock before this.
    due: Timestamp,
    /// When somebody last asked anything of the cluster.
    asked: Timestamp,
}

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Logs,
    Groups,
}

impl Embedded {
    /// An empty cluster. Transactions time out after 10 s of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_transaction_timeout(clock, TRANSACTION_TIMEOUT)
    }

    /// An empty cluster whose transactions time out after `timeout` of `clock`.
    pub fn with_transaction_timeout(clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let state = State {
            topics: Topics::default(),
            coordinator: Coordinator::default(),
            groups: Groups::default(),
            faults: Planned::default(),
            transaction_timeout: timeout,
            due: Timestamp(i64::MAX),
            asked: clock.now(),
        };
        let (state, logs, groups) = (Mutex::new(state), Condvar::new(), Condvar::new());
        Self(Arc::new(Shared { clock, state, logs, groups }))
    }

    /// What can be made to go wrong.
    pub fn faults(&self) -> Faults {
        Faults(self.clone())
    }

    /// Takes records of up to so many bytes from now on, as `message.max.bytes` has it.
    pub fn take_records_up_to(&self, bytes: usize) {
        self.with(|state, _| state.topics.record_bytes_max = Some(bytes));
    }

    /// Runs the cleaner once: compacted topics keep the last value of each key, the others lose what is
    /// older than their retention.
    pub fn clean(&self) {
        self.with(|state, now| {
            for topic in state.topics.each() {
                for log in &mut topic.logs {
                    match topic.cleanup {
                        Cleanup::Compact | Cleanup::CompactSoon => compaction::compact(log),
                        Cleanup::Delete(None) => {}
                        Cleanup::Delete(Some(retention)) => {
                            let retention = i64::try_from(retention.as_millis());
                            let oldest = now.0.saturating_sub(retention.unwrap_or(i64::MAX));
                            compaction::expire(log, Timestamp(oldest));
                        }
                    }
                }
            }
        });
        self.wake(Wake::Logs);
    }

    /// Acts on the cluster, after what is due by the clock.
    fn with<T>(&self, act: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.0.clock.now();
        let mut state = self.lock();
        state.tick(now);
        act(&mut state, now)
    }

    /// Tries until `attempt` has something to say or `wait` has passed; at least once.
    fn wait<T>(
        &self,
        on: Wake,
        wait: Duration,
        mut attempt: impl FnMut(&mut State, Timestamp) -> Option<T>,
    ) -> Option<T> {
        let began = Instant::now();
        let mut state = self.lock();
        loop {
            let now = self.0.clock.now();
            state.tick(now);
            if let Some(done) = attempt(&mut state, now) {
                return Some(done);
            }
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return None;
            }
            let woken = self.condvar(on).wait_timeout(state, left.min(LOOK_EVERY));
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wake(&self, which: Wake) {
        self.condvar(which).notify_all();
    }

    fn condvar(&self, of: Wake) -> &Condvar {
        match of {
            Wake::Logs => &self.0.logs,
            Wake::Groups => &self.0.groups,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Does what the clock asks for.
    fn tick(&mut self, now: Timestamp) {
        let idle = now.since(self.asked);
        self.asked = now;
        if now < self.due {
            return;
        }
        for (id, open) in self.coordinator.overdue(now, self.transaction_timeout) {
            self.end(&id, open, Ending::Aborted, now);
        }
        for (id, decided) in self.coordinator.markers_due(now) {
            self.write_markers(&id, decided.open, decided.ending);
        }
        self.groups.expire(now, idle);
        let transactions = self.coordinator.due(self.transaction_timeout);
        let due = transactions.into_iter().chain(self.groups.due()).min();
        self.due = due.unwrap_or(Timestamp(i64::MAX));
    }

    /// Ends a transaction; its markers are written now or when they are due.
    fn end(&mut self, id: &str, open: Open, ending: Ending, now: Timestamp) {
        let delay = self.faults.marker_delay();
        if delay.is_zero() {
            return self.write_markers(id, open, ending);
        }
        let due = now.plus(delay);
        self.coordinator.decide(id, Decided { open, ending, due });
        self.due_by(due);
    }

    /// Writes what is left of the transaction that `id` has ended, so that it may begin another.
    fn settle(&mut self, id: &str) {
        if let Some(decided) = self.coordinator.decided(id) {
            self.write_markers(id, decided.open, decided.ending);
        }
    }

    fn write_markers(&mut self, id: &str, mut open: Open, ending: Ending) {
        let skipped = self.faults.skipped(id);
        if skipped.is_none() {
            open.end_logs(ending, &mut self.topics);
        }
        if skipped != Some(Skip::LogsAndGroups) {
            open.end_groups(id, ending, &mut self.groups);
        }
        self.coordinator.hang(id, open.into_hung());
    }

    /// Something will be due at `at`.
    fn due_by(&mut self, at: Timestamp) {
        self.due = self.due.min(at);
    }
}

impl Broker for Embedded {
    fn transaction_timeout(&self) -> Duration {
        self.lock().transaction_timeout
    }

    fn consumer(&self, group: &str, isolation: Isolation) -> Result<Box<dyn Consumer>, Failure> {
        Ok(Box::new(EmbeddedConsumer::new(self.clone(), group, isolation)))
    }

    fn producer(
        &self,
        id: Option<&str>,
        topics: Arc<[Topic]>,
    ) -> Result<Box<dyn Producer>, Failure> {
        Ok(Box::new(EmbeddedProducer::new(self.clone(), id, topics)))
    }

    fn membership(&self, join: &Join) -> Result<Box<dyn Membership>, Failure> {
        Ok(Box::new(EmbeddedMembership::new(self.clone(), join)))
    }

    fn group_consumer(
        &self,
        group: &str,
        instance: Option<&str>,
        topics: &[Topic],
    ) -> Result<Box<dyn GroupConsumer>, Failure> {
        Ok(Box::new(EmbeddedGroupConsumer::new(self.clone(), group, instance, topics)))
    }

    fn admin(&self) -> Result<Box<dyn Admin>, Failure> {
        Ok(Box::new(EmbeddedAdmin(self.clone())))
    }
}
