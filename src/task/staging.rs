//! What a transaction does to a task at its end: staged before the commit, put down after it, or undone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::turn::panicked;
use super::{Nodes, Task};
use crate::broker::Acknowledged;
use crate::error::{Fault, Result};
use crate::outgoing::OutRecord;
use crate::record::{Headers, Timestamp};
use crate::store::{Committed, StateStore};

impl Task {
    /// Emits what waits for the commit, and turns dirty state into changelog records.
    pub(crate) fn stage(&mut self) -> Result<()> {
        if self.staged {
            return Ok(());
        }
        let Self { core, nodes, .. } = self;
        let mut flushes = nodes.flushes.iter();
        self.changes.clear();
        let changes = &mut self.changes;
        let flush = || {
            flushes.try_for_each(|(_, node)| node.flush(core))?;
            core.stores.iter_mut().flatten().try_for_each(|state| state.stage(changes))
        };
        catch_unwind(AssertUnwindSafe(flush)).unwrap_or_else(|panic| Err(panicked(&*panic)))?;
        self.remember()?;
        for change in self.changes.iter() {
            let Some((log, to)) = self.changelogs.get(change.column.0 as usize) else { continue };
            self.core.check_size(change.key.len() + change.value.map_or(0, <[u8]>::len))?;
            self.core.out.push(OutRecord {
                topic: to.topic,
                partition: log.partition,
                logged: true,
                timestamp: Timestamp(0),
                key: Some(change.key),
                value: change.value,
                headers: Headers::default(),
            });
        }
        self.staged = true;
        Ok(())
    }

    /// Kafka said "committed": puts the staged changes down, with the marks. Called again if it failed.
    pub(crate) fn applied(&mut self, acknowledged: &Acknowledged, now: Timestamp) -> Result<()> {
        if !self.unapplied {
            self.marks.changelogs.resize(self.changelogs.len(), None);
            for (mark, (log, _)) in self.marks.changelogs.iter_mut().zip(&self.changelogs) {
                if let Some((_, last)) = acknowledged.iter().find(|(of, _)| of == log) {
                    *mark = Some(last.next());
                }
            }
            self.positions.iter_mut().for_each(|position| position.committed = position.next);
            self.marks.inputs = self.offsets();
            self.marks.stream_time = self.core.stream_time();
            self.marks.committed_at = now;
            self.idle_since = now;
            self.unapplied = true;
            (self.worked, self.staged, self.fresh) = (false, false, false);
            let positions = &self.positions;
            self.search.committed(positions.iter().map(|position| position.next));
            self.skips.retain(|(source, offset), _| {
                positions.iter().any(|at| at.source == *source && at.next <= *offset)
            });
        }
        if let Some(store) = &mut self.store {
            store.apply(&self.changes, &self.marks, &Committed::mint())?;
        }
        self.unapplied = false;
        self.unflushed_bytes += self.changes.bytes();
        self.core.stores.iter_mut().flatten().for_each(|state| state.settle());
        self.own.iter_mut().for_each(|own| own.settle());
        self.changes.clear();
        Ok(())
    }

    /// Undoes everything since the last commit; positions and state are the committed ones again.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        let spec = self.ground.topology.built().subs.get(self.sub);
        let spec = spec.ok_or_else(|| Fault::Fatal("no such task".into()))?;
        self.core.stores.iter_mut().flatten().for_each(|state| state.discard());
        self.own.iter_mut().for_each(|own| own.discard());
        self.core.queue.clear();
        self.core.out.clear();
        self.core.hold(false);
        self.changes.clear();
        self.positions.iter_mut().for_each(|position| position.next = position.committed);
        (self.worked, self.staged, self.started) = (self.fresh, false, false);
        (self.processed, self.core.dead_lettered) = (0, 0);
        self.core.counted.clear();
        self.search.undone();
        self.nodes = Nodes::wire(&self.ground, spec, self.core.task())?;
        self.recall()?;
        if self.fresh {
            self.name_changelogs();
        }
        Ok(())
    }
}
