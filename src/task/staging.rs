//! What a transaction does to a task at its end: staged before the commit, put down after it, or undone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::run::{BrokenOff, panicked};
use super::{History, Nodes, Phase, Task};
use crate::broker::Acknowledged;
use crate::dead_letter::Sent;
use crate::error::{Fault, Result};
use crate::outgoing::OutRecord;
use crate::record::{Headers, Timestamp};
use crate::store::{Committed, LoggedKey, StateChange, StateStore};

impl Task {
    /// Emits what waits for the commit, and turns dirty state into changelog records.
    pub(crate) fn stage(&mut self) -> Result<(), BrokenOff> {
        if matches!(self.phase, Phase::Staged(_)) {
            return Ok(());
        }
        let Self { core, nodes, .. } = self;
        let mut emitters = nodes.commit_emitters.iter();
        self.changes.clear();
        let changes = &mut self.changes;
        let flush = || {
            emitters.try_for_each(|(_, node)| node.emit_on_commit(core))?;
            core.stores.iter_mut().flatten().try_for_each(|state| state.stage(changes))
        };
        catch_unwind(AssertUnwindSafe(flush)).map_err(|panic| panicked(&*panic))??;
        self.save_progress()?;
        self.log_changes()?;
        self.phase.stage();
        Ok(())
    }

    /// Appends the changes to the changelog.
    fn log_changes(&mut self) -> Result<()> {
        let Self { core, changes, changelog, columns, logged_key, .. } = self;
        let Some((log, to)) = changelog else { return Ok(()) };
        for StateChange { column, key, value } in changes.iter() {
            let Some(store) = columns.get(usize::from(column.0)) else { continue };
            logged_key.clear();
            LoggedKey { store, key }.encode(logged_key);
            core.check_size(logged_key.len() + value.map_or(0, <[u8]>::len))?;
            core.out.push(OutRecord {
                topic: to.topic,
                partition: log.partition,
                logged: true,
                timestamp: Timestamp(0),
                key: Some(logged_key),
                value,
                headers: Headers::default(),
            });
        }
        Ok(())
    }

    /// Kafka said "committed": puts the staged changes down, with the checkpoint. Called again if it failed.
    pub(crate) fn applied(&mut self, acknowledged: &Acknowledged, now: Timestamp) -> Result<()> {
        if self.phase != Phase::Unapplied {
            let log = self.changelog.as_ref().map(|(log, _)| log);
            if let Some((_, last)) = acknowledged.iter().find(|(of, _)| Some(of) == log) {
                self.checkpoint.changelog = Some(last.next());
            }
            self.positions.iter_mut().for_each(|position| position.committed = position.next);
            self.checkpoint.inputs = self.offsets();
            self.checkpoint.stream_time = self.core.stream_time();
            self.checkpoint.committed_at = now;
            self.idle_since = now;
            self.phase = Phase::Unapplied;
            let positions = &self.positions;
            self.bisection.committed(positions.iter().map(|position| position.next));
            self.skips.retain(|(source, offset), _| {
                positions.iter().any(|at| at.source == *source && at.next <= *offset)
            });
        }
        if let Some(store) = &mut self.store {
            store.apply(&self.changes, &self.checkpoint, &Committed::mint())?;
        }
        self.phase = Phase::Idle;
        self.told = None;
        self.unflushed_bytes += self.changes.bytes();
        self.core.stores.iter_mut().flatten().for_each(|state| state.settle());
        self.progress.iter_mut().for_each(|progress| progress.settle());
        self.changes.clear();
        Ok(())
    }

    /// Undoes everything since the last commit; positions and state are the committed ones again.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        let spec = self.context.topology.built().subs.get(self.sub);
        let spec = spec.ok_or_else(|| Fault::Fatal("no such task".into()))?;
        self.core.stores.iter_mut().flatten().for_each(|state| state.discard());
        self.progress.iter_mut().for_each(|progress| progress.discard());
        self.core.queue.clear();
        self.core.out.clear();
        self.core.hold(false);
        self.changes.clear();
        for position in &mut self.positions {
            (position.next, position.ended) = (position.committed, position.committed);
        }
        let history = self.phase.rewind();
        self.processed = 0;
        self.core.dead_lettered = Sent::default();
        self.core.counted.clear();
        self.bisection.aborted();
        self.nodes = Nodes::wire(&self.context, spec, self.core.task())?;
        self.load_progress()?;
        if history == History::None {
            self.name_changelog();
        }
        Ok(())
    }
}
