//! Brings stores to the end of their changelogs, off the processing thread, one consumer for the process.
//!
//! A job brings a store that nobody reads, and gets it back whole. What is read is `read_committed`, so it may go
//! to the store as it comes; the offset goes with it in the same batch, so a restore that is cut short goes
//! on where it was. A changelog is done when its end was reported at or beyond the high watermark taken
//! *after* the committed positions: an end below it is an open transaction, which is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::{Batch, Bounds, Consumer, Failure};
use crate::error::{Fault, Result};
use crate::record::{Offset, TaskId, TopicPartition};
use crate::store::{Changes, Column, Marks, TaskStore};

use super::GENESIS_KEY;

/// A store to be restored.
pub(crate) struct Job {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    pub marks: Marks,
    /// Its changelogs in the order of columns, with the bounds they had when the job was made.
    pub changelogs: Vec<(TopicPartition, Bounds)>,
}

/// A store that stands at the end of its changelogs.
pub(crate) struct Restored {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    pub marks: Marks,
    /// How many records were read.
    pub records: u64,
}

struct Running {
    job: Job,
    open: BTreeMap<TopicPartition, Column>,
    changes: Changes,
    records: u64,
}

/// See the module.
pub(crate) struct Restorer {
    consumer: Box<dyn Consumer>,
    running: Vec<Running>,
}

/// Bytes gathered before they go to the store.
const BATCH_BYTES: usize = 8 << 20;

impl Job {
    /// Where each changelog is read from: where the store stands, or the log's beginning. A store whose
    /// place is not in the log any more cannot be brought up to date: it must be built anew.
    pub(crate) fn starts(&self) -> Result<Vec<Offset>, Stale> {
        let marks = self.marks.changelogs.iter().copied().chain(std::iter::repeat(None));
        let starts = self.changelogs.iter().zip(marks).map(|((_, bounds), mark)| match mark {
            Some(at) if at < bounds.start || at > bounds.end => Err(Stale),
            Some(at) => Ok(at),
            None => Ok(bounds.start),
        });
        starts.collect()
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_done(&self) -> bool {
        let starts = self.starts();
        starts.is_ok_and(|starts| {
            starts.iter().zip(&self.changelogs).all(|(start, (_, bounds))| *start >= bounds.end)
        })
    }
}

/// The store's place in a changelog is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale;

impl Restorer {
    pub(crate) fn new(consumer: Box<dyn Consumer>) -> Self {
        Self { consumer, running: Vec::new() }
    }

    /// Begins a job. A stale one must not come here.
    pub(crate) fn begin(&mut self, job: Job) -> Result<(), Failure> {
        let starts = job.starts().unwrap_or_default();
        let reads = job.changelogs.iter().zip(&starts).enumerate();
        let reads = reads.filter(|(_, ((_, bounds), start))| **start < bounds.end);
        let reads: Vec<_> = reads
            .map(|(column, ((log, _), start))| (Column(column as u16), log.clone(), *start))
            .collect();
        let from: Vec<_> = reads.iter().map(|(_, log, start)| (log.clone(), *start)).collect();
        self.consumer.assign(&from)?;
        let open = reads.into_iter().map(|(column, log, _)| (log, column)).collect();
        self.running.push(Running { job, open, changes: Changes::default(), records: 0 });
        Ok(())
    }

    /// Gives up the jobs of tasks that are wanted no more; their stores are closed by being dropped.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&TaskId) -> bool) -> Result<(), Failure> {
        let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| wanted(&running.job.id));
        self.running = kept;
        for running in dropped {
            let logs: Vec<_> = running.open.into_keys().collect();
            self.consumer.unassign(&logs)?;
        }
        Ok(())
    }

    /// Whether a job runs.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Reads on; answers the stores that are done, and those that failed.
    pub(crate) fn step(
        &mut self,
        wait: Duration,
    ) -> Result<Vec<Result<Restored, (TaskId, Fault)>>, Failure> {
        let polled = self.consumer.poll(wait)?;
        for batch in &polled.batches {
            let log = batch.source();
            if let Some(running) = self.running.iter_mut().find(|one| one.open.contains_key(log)) {
                running.take(batch);
            }
        }
        for (log, end) in &polled.ends {
            if let Some(running) = self.running.iter_mut().find(|one| one.open.contains_key(log)) {
                running.reached(log, *end);
            }
        }
        let mut out = Vec::new();
        let (mut done, mut still) = (Vec::new(), Vec::new());
        for mut running in std::mem::take(&mut self.running) {
            let finished = running.open.is_empty();
            if finished || running.changes.bytes() >= BATCH_BYTES {
                if let Err(fault) = running.put_down() {
                    done.extend(running.job.changelogs.iter().map(|(log, _)| log.clone()));
                    out.push(Err((running.job.id, fault)));
                    continue;
                }
            }
            match finished {
                true => {
                    done.extend(running.job.changelogs.iter().map(|(log, _)| log.clone()));
                    let Running { job: Job { id, store, marks, .. }, records, .. } = running;
                    out.push(Ok(Restored { id, store, marks, records }));
                }
                false => still.push(running),
            }
        }
        self.running = still;
        if !done.is_empty() {
            self.consumer.unassign(&done)?;
        }
        Ok(out)
    }
}

impl Running {
    fn take(&mut self, batch: &Batch) {
        let Some(column) = self.open.get(batch.source()).copied() else { return };
        let mut next = None;
        for record in batch.iter() {
            next = Some(record.offset.next());
            self.records += 1;
            match record.key {
                Some(GENESIS_KEY) => self.named(column, record.value),
                Some(key) => self.changes.push(column, key, record.value),
                None => {}
            }
        }
        self.mark(column, next);
    }

    fn named(&mut self, column: Column, value: Option<&[u8]>) {
        let id = value.and_then(|value| value.last_chunk::<16>()).copied();
        let place = column.0 as usize;
        if self.job.marks.genesis.len() <= place {
            self.job.marks.genesis.resize(place + 1, None);
        }
        if let Some(genesis) = self.job.marks.genesis.get_mut(place) {
            *genesis = id;
        }
    }

    fn mark(&mut self, column: Column, next: Option<Offset>) {
        let place = column.0 as usize;
        if self.job.marks.changelogs.len() <= place {
            self.job.marks.changelogs.resize(place + 1, None);
        }
        if let (Some(mark), Some(next)) = (self.job.marks.changelogs.get_mut(place), next) {
            *mark = Some(mark.map_or(next, |mark| mark.max(next)));
        }
    }

    /// The end of a changelog was reached; it counts if it is where the log ended when the job began.
    fn reached(&mut self, log: &TopicPartition, end: Offset) {
        let bounds =
            self.job.changelogs.iter().find(|(of, _)| of == log).map(|(_, bounds)| *bounds);
        if bounds.is_none_or(|bounds| end < bounds.end) {
            return;
        }
        if let Some(column) = self.open.remove(log) {
            self.mark(column, Some(end));
        }
    }

    fn put_down(&mut self) -> Result<()> {
        self.job.store.restore(&self.changes, &self.job.marks)?;
        self.changes.clear();
        Ok(())
    }
}
