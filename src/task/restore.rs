//! Brings stores to the end of their changelogs, off the processing thread, one consumer for the process.
//!
//! A job brings a store that nobody reads, and gets it back whole. What is read is `read_committed`, so it may go
//! to the store as it comes; the offset goes with it in the same batch, so a restore that is cut short goes
//! on where it was. A store that was built from a log with another [genesis](super::genesis) is told first: it
//! must be built anew. A changelog is done when its end was reported at or beyond the high watermark taken
//! *after* the committed positions: an end below it is an open transaction, which is waited for. A place that
//! leaves the log while it is read (cleaned, or made anew) is never reached: the store is stale.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::{Batch, Bounds, Consumer, DELETE_RETENTION, Failure};
use crate::error::{Fault, Result};
use crate::record::{Offset, TaskId, Timestamp, TopicPartition};
use crate::store::{Checkpoint, Column, StateChanges, TaskStore};

use super::genesis::{self, Genesis};

/// A store to be restored.
pub(crate) struct RestoreJob {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    pub checkpoint: Checkpoint,
    /// Its changelogs in the order of columns, with the bounds they had when the job was made.
    pub changelogs: Vec<(TopicPartition, Bounds)>,
    /// The committed positions that belong to those bounds.
    pub positions: Vec<(TopicPartition, Option<Offset>)>,
    /// When it was made.
    pub now: Timestamp,
}

/// A store that stands at the end of its changelogs.
pub(crate) struct Restored {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    pub checkpoint: Checkpoint,
    /// How many records were read.
    pub records: u64,
}

struct RunningJob {
    job: RestoreJob,
    /// Logs whose first record is not seen yet, with where to read on and the id it must tell.
    unknown: BTreeMap<TopicPartition, (Offset, Genesis)>,
    open: BTreeMap<TopicPartition, Column>,
    changes: StateChanges,
    records: u64,
}

/// See the module.
pub(crate) struct Restorer {
    consumer: Box<dyn Consumer>,
    running: Vec<RunningJob>,
}

/// Bytes gathered before they go to the store.
const BATCH_BYTES: usize = 8 << 20;
/// A store that is older may have missed a deletion. Half, as clocks differ and segments close late.
const AGE_MAX: Duration = Duration::from_secs(DELETE_RETENTION.as_secs() / 2);

impl RestoreJob {
    /// Where each changelog is read from: where the store stands, or the log's beginning. A store whose
    /// place is not in the log any more cannot be brought up to date: it must be built anew.
    pub(crate) fn starts(&self) -> Result<Vec<Offset>, Stale> {
        let committed_at = self.checkpoint.committed_at;
        if committed_at > Timestamp::MIN && self.now.since(committed_at) > AGE_MAX {
            return Err(Stale);
        }
        let checkpoint = self.checkpoint.changelogs.iter().copied().chain(std::iter::repeat(None));
        let starts = self.changelogs.iter().zip(checkpoint).map(|((_, bounds), mark)| match mark {
            Some(at) if at < bounds.start || at > bounds.end => Err(Stale),
            Some(at) => Ok(at),
            None => Ok(bounds.start),
        });
        starts.collect()
    }

    /// The logs that must begin as they did when the store was built, and where each is read on.
    fn to_know(&self, starts: &[Offset]) -> BTreeMap<TopicPartition, (Offset, Genesis)> {
        let genesis = self.checkpoint.genesis.iter().copied().chain(std::iter::repeat(None));
        let logs = self.changelogs.iter().zip(starts).zip(genesis);
        let known = logs.filter(|(((_, bounds), start), _)| **start > bounds.start);
        known.filter_map(|(((log, _), start), id)| Some((log.clone(), (*start, id?)))).collect()
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_done(&self) -> bool {
        self.starts().is_ok_and(|starts| {
            let mut logs = starts.iter().zip(&self.changelogs);
            self.to_know(&starts).is_empty() && logs.all(|(start, (_, log))| *start >= log.end)
        })
    }
}

/// The store cannot be brought up to date: its place is not in the log, it is too old, or the log is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// What became of a job.
type Outcome = Result<Restored, (TaskId, RestoreError)>;

/// Why a store was not restored.
pub(crate) enum RestoreError {
    /// It must be built anew.
    Stale,
    /// It could not be written.
    Fault(Fault),
}

impl Restorer {
    pub(crate) fn new(consumer: Box<dyn Consumer>) -> Self {
        Self { consumer, running: Vec::new() }
    }

    /// Begins a job. A stale one must not come here.
    pub(crate) fn begin(&mut self, job: RestoreJob) -> Result<(), Failure> {
        let starts = job.starts().unwrap_or_default();
        let reads = job.changelogs.iter().zip(&starts).enumerate();
        let unknown = job.to_know(&starts);
        let (mut from, mut open) = (Vec::new(), BTreeMap::new());
        for (column, ((log, bounds), start)) in reads {
            let first = if unknown.contains_key(log) { bounds.start } else { *start };
            if first < bounds.end {
                from.push((log.clone(), first));
                open.insert(log.clone(), Column(column as u16));
            }
        }
        self.consumer.assign(&from)?;
        let changes = StateChanges::default();
        self.running.push(RunningJob { job, unknown, open, changes, records: 0 });
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

    /// Reads on; answers the stores that are done, and those that failed. Once `is_stopping`, nothing more is written:
    /// what is gathered is read again by the next restore.
    pub(crate) fn step(
        &mut self,
        wait: Duration,
        is_stopping: impl Fn() -> bool,
    ) -> Result<Vec<Outcome>, Failure> {
        let polled = self.consumer.poll(wait)?;
        let mut out = Vec::new();
        // Logs that are read on elsewhere: what else this poll brought of them is of before.
        let mut moved = BTreeMap::new();
        for lost in &polled.out_of_range {
            out.extend(self.give_up(lost)?);
        }
        for batch in &polled.batches {
            let log = batch.source();
            let Some(running) = self.reader_of(log).filter(|_| !moved.contains_key(log)) else {
                continue;
            };
            match running.know(batch) {
                Known::Before => running.take(batch),
                Known::Since(start) => drop(moved.insert(log.clone(), start)),
                Known::Another => out.extend(self.give_up(log)?),
            }
        }
        for (log, end) in &polled.ends {
            let Some(running) = self.reader_of(log).filter(|_| !moved.contains_key(log)) else {
                continue;
            };
            match running.unknown.contains_key(log) {
                true => out.extend(self.give_up(log)?),
                false => running.reached(log, *end),
            }
        }
        if !moved.is_empty() {
            self.consumer.assign(&moved.into_iter().collect::<Vec<_>>())?;
        }
        let (mut done, mut still) = (Vec::new(), Vec::new());
        for mut running in std::mem::take(&mut self.running) {
            if is_stopping() {
                still.push(running);
                continue;
            }
            let finished = running.open.is_empty();
            let full = running.changes.bytes() >= BATCH_BYTES;
            let put = if finished || full { running.put_down(finished) } else { Ok(()) };
            if finished || put.is_err() {
                done.extend(running.job.changelogs.iter().map(|(log, _)| log.clone()));
            }
            let RunningJob { job: RestoreJob { id, store, checkpoint, .. }, records, .. } =
                match (put, finished) {
                    (Ok(()), true) => running,
                    (Ok(()), false) => {
                        still.push(running);
                        continue;
                    }
                    (Err(fault), _) => {
                        out.push(Err((running.job.id, RestoreError::Fault(fault))));
                        continue;
                    }
                };
            out.push(Ok(Restored { id, store, checkpoint, records }));
        }
        self.running = still;
        if !done.is_empty() {
            self.consumer.unassign(&done)?;
        }
        Ok(out)
    }

    fn reader_of(&mut self, log: &TopicPartition) -> Option<&mut RunningJob> {
        self.running.iter_mut().find(|one| one.open.contains_key(log))
    }

    /// Ends the job that reads `log`: its store is of another one, or what it lacks is not in the log any more.
    fn give_up(&mut self, log: &TopicPartition) -> Result<Option<Outcome>, Failure> {
        let place = self.running.iter().position(|one| one.open.contains_key(log));
        let Some(running) = place.map(|place| self.running.remove(place)) else { return Ok(None) };
        let logs: Vec<_> = running.open.into_keys().collect();
        self.consumer.unassign(&logs)?;
        Ok(Some(Err((running.job.id, RestoreError::Stale))))
    }
}

/// Whether a log is the one that the store was built from.
enum Known {
    /// It is, or nobody asked.
    Before,
    /// It turned out to be; it is read on from here.
    Since(Offset),
    Another,
}

impl RunningJob {
    /// Looks at a log's first record, if it has not been looked at.
    fn know(&mut self, batch: &Batch) -> Known {
        let Some((start, wanted)) = self.unknown.remove(batch.source()) else {
            return Known::Before;
        };
        match batch.get(0).and_then(|first| genesis::of(&first)) {
            Some(found) if found == wanted => Known::Since(start),
            Some(_) | None => Known::Another,
        }
    }

    fn take(&mut self, batch: &Batch) {
        let Some(column) = self.open.get(batch.source()).copied() else { return };
        let mut next = None;
        for record in batch.iter() {
            next = Some(record.offset.next());
            self.records += 1;
            match record.key {
                Some(_) if genesis::is(&record) => self.named(column, genesis::of(&record)),
                Some(key) => self.changes.push(column, key, record.value),
                None => {}
            }
        }
        self.mark(column, next);
    }

    fn named(&mut self, column: Column, id: Option<Genesis>) {
        let place = column.0 as usize;
        if self.job.checkpoint.genesis.len() <= place {
            self.job.checkpoint.genesis.resize(place + 1, None);
        }
        if let Some(genesis) = self.job.checkpoint.genesis.get_mut(place) {
            *genesis = id;
        }
    }

    fn mark(&mut self, column: Column, next: Option<Offset>) {
        let place = column.0 as usize;
        if self.job.checkpoint.changelogs.len() <= place {
            self.job.checkpoint.changelogs.resize(place + 1, None);
        }
        if let (Some(mark), Some(next)) = (self.job.checkpoint.changelogs.get_mut(place), next) {
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

    /// Writes what was gathered. At the end the state is that of the committed positions, as of now, and reaches
    /// the disk before the task runs: a process that is killed soon after each start would else read on from the same
    /// place every time.
    fn put_down(&mut self, finished: bool) -> Result<()> {
        if finished {
            let RestoreJob { checkpoint, positions, now, .. } = &mut self.job;
            checkpoint.committed_at = *now;
            for (source, committed) in positions {
                let Some(committed) = committed else { continue };
                checkpoint.inputs.retain(|(of, _)| of != source);
                checkpoint.inputs.push((source.clone(), *committed));
            }
        }
        self.job.store.restore(&self.changes, &self.job.checkpoint)?;
        self.changes.clear();
        if finished && self.records > 0 { (self.job.store.flusher())() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
