//! The transaction coordinator: who may write under a transactional id, and what its open transaction holds.
//!
//! An id has one epoch at a time. `init` makes the next one and ends what is open as aborted; so does the
//! timeout. A producer with an older epoch is a zombie: every call of it that reaches the coordinator is
//! refused for good. `commit` and `abort` decide how a transaction ends; its markers follow, at once unless
//! they were told to be slow, and until they are written readers see it as open. A transaction opens with its first record or position, so an empty one leaves no
//! trace and fences nobody, as on Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::groups::Groups;
use super::log::{Ending, Local};
use super::topics::{LogId, Topics};
use crate::broker::{Call, Code, Failure};
use crate::record::Timestamp;

/// Which incarnation of a transactional id; only the newest may act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u32);

#[derive(Debug, Default)]
pub(super) struct Coordinator {
    ids: BTreeMap<Arc<str>, Transactional>,
}

#[derive(Debug, Default)]
struct Transactional {
    epoch: Epoch,
    open: Option<Open>,
    decided: Option<Decided>,
    hung: Hung,
}

/// A transaction whose end is certain and whose markers are still to be written.
#[derive(Debug)]
pub(super) struct Decided {
    pub open: Open,
    pub ending: Ending,
    pub due: Timestamp,
}

/// Logs in which a transaction of this id was never ended. As on Kafka it is one with the next that writes there.
pub(super) type Hung = BTreeMap<LogId, Local>;

/// What an open transaction holds.
#[derive(Debug)]
pub(super) struct Open {
    since: Timestamp,
    logs: BTreeMap<LogId, Local>,
    hung: Hung,
    groups: BTreeSet<Arc<str>>,
}

impl Open {
    /// The transaction's number in this log, which it joins if it must.
    pub fn local(&mut self, id: LogId, topics: &mut Topics) -> Option<Local> {
        if let Some(local) = self.logs.get(&id) {
            return Some(*local);
        }
        let local = match self.hung.remove(&id) {
            Some(hung) => hung,
            None => topics.log_mut(id)?.open(),
        };
        self.logs.insert(id, local);
        Some(local)
    }

    /// Notes that positions of this group are in it.
    pub fn add_group(&mut self, group: &Arc<str>) {
        self.groups.insert(group.clone());
    }

    /// Writes what its end means into the logs it touched.
    pub fn end_logs(&mut self, ending: Ending, topics: &mut Topics) {
        for (log, local) in std::mem::take(&mut self.logs) {
            if let Some(log) = topics.log_mut(log) {
                log.end_transaction(local, ending);
            }
        }
    }

    /// Writes what its end means into the groups it touched.
    pub fn end_groups(&mut self, id: &str, ending: Ending, groups: &mut Groups) {
        for group in std::mem::take(&mut self.groups) {
            groups.of(&group).offsets.end(id, ending);
        }
    }

    /// The logs in which it was not ended.
    pub fn into_hung(self) -> Hung {
        let Self { mut hung, logs, .. } = self;
        hung.extend(logs);
        hung
    }
}

impl Coordinator {
    /// The next epoch of `id`; what was open is handed over, to be aborted.
    pub fn init(&mut self, id: &Arc<str>) -> (Epoch, Option<Open>) {
        let of = self.ids.entry(id.clone()).or_default();
        of.epoch = Epoch(of.epoch.0 + 1);
        (of.epoch, of.open.take())
    }

    /// The open transaction of `id`, which opens if there is none.
    pub fn opened(
        &mut self,
        call: Call,
        id: &str,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<&mut Open, Failure> {
        let Transactional { open, hung, .. } = self.current(call, id, epoch)?;
        Ok(open.get_or_insert_with(|| Open {
            since: now,
            logs: BTreeMap::new(),
            hung: std::mem::take(hung),
            groups: BTreeSet::new(),
        }))
    }

    /// Takes the open transaction of `id`, to be ended.
    pub fn take(&mut self, call: Call, id: &str, epoch: Epoch) -> Result<Option<Open>, Failure> {
        Ok(self.current(call, id, epoch)?.open.take())
    }

    /// Takes the transactions that have been open for `timeout`; their producers are fenced.
    pub fn overdue(&mut self, now: Timestamp, timeout: Duration) -> Vec<(Arc<str>, Open)> {
        let late = |open: &mut Open| now >= open.since.plus(timeout);
        let mut taken = Vec::new();
        for (id, of) in &mut self.ids {
            if let Some(open) = of.open.take_if(late) {
                of.epoch = Epoch(of.epoch.0 + 1);
                taken.push((id.clone(), open));
            }
        }
        taken
    }

    /// Notes logs in which a transaction of `id` was not ended.
    pub fn hang(&mut self, id: &str, hung: Hung) {
        if let Some(of) = self.ids.get_mut(id) {
            of.hung.extend(hung);
        }
    }

    /// Takes what hangs of `id`.
    pub fn hung(&mut self, id: &str) -> Hung {
        self.ids.get_mut(id).map(|of| std::mem::take(&mut of.hung)).unwrap_or_default()
    }

    /// Keeps a decided transaction until its markers are due.
    pub fn decide(&mut self, id: &str, decided: Decided) {
        if let Some(of) = self.ids.get_mut(id) {
            of.decided = Some(decided);
        }
    }

    /// Takes the decided transaction of `id`: nothing new may begin before its markers are written.
    pub fn decided(&mut self, id: &str) -> Option<Decided> {
        self.ids.get_mut(id)?.decided.take()
    }

    /// Takes the decided transactions whose markers are due.
    pub fn markers_due(&mut self, now: Timestamp) -> Vec<(Arc<str>, Decided)> {
        let due = |decided: &mut Decided| now >= decided.due;
        let taken = self.ids.iter_mut().filter_map(|(id, of)| {
            let decided = of.decided.take_if(due)?;
            Some((id.clone(), decided))
        });
        taken.collect()
    }

    /// When the first open transaction will be overdue, or the first markers due.
    pub fn due(&self, timeout: Duration) -> Option<Timestamp> {
        let overdue = |of: &Transactional| of.open.as_ref().map(|open| open.since.plus(timeout));
        let markers = |of: &Transactional| of.decided.as_ref().map(|decided| decided.due);
        self.ids.values().flat_map(|of| overdue(of).into_iter().chain(markers(of))).min()
    }

    fn current(
        &mut self,
        call: Call,
        id: &str,
        epoch: Epoch,
    ) -> Result<&mut Transactional, Failure> {
        match self.ids.get_mut(id) {
            Some(of) if of.epoch == epoch => Ok(of),
            Some(of) => {
                let words = format!("{id}: epoch {} is older than {}", epoch.0, of.epoch.0);
                Err(Failure::new(call, Code::Fenced, words).fatal())
            }
            None => {
                let words = format!("{id}: no producer was initialised");
                Err(Failure::new(call, Code::InvalidProducerIdMapping, words).fatal())
            }
        }
    }
}
