//! Brings stores to the end of their changelog, off the processing thread, one consumer for the process.
//!
//! A job brings a store that nobody reads, and gets it back whole. What is read is `read_committed`, so it may go
//! to the store as it comes; the offset goes with it in the same batch, so a restore that is cut short goes
//! on where it was. A store that was built from a log with another [genesis](super::genesis) is told first: it
//! must be built anew. A changelog is done when its end was reported at or beyond the high watermark taken
//! *after* the committed positions: an end below it is an open transaction, which is waited for. A place that
//! leaves the log while it is read (cleaned, or made anew) is never reached: the store is stale. Rows of stores that the
//! task does not have any more are passed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Batch, Bounds, Consumer, DELETE_RETENTION, Failure};
use crate::error::{Fault, Result};
use crate::record::{Offset, TaskId, Timestamp, TopicPartition};
use crate::store::{Checkpoint, Column, LoggedKey, StateChanges, TaskStore};

use super::genesis::{self, Genesis};

/// A store to be restored.
pub(crate) struct RestoreJob {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    /// The names of its columns.
    pub columns: Vec<Arc<str>>,
    pub checkpoint: Checkpoint,
    /// Its changelog, with the bounds it had when the job was made.
    pub changelog: (TopicPartition, Bounds),
    /// The committed positions that belong to those bounds.
    pub positions: Vec<(TopicPartition, Option<Offset>)>,
    /// When it was made.
    pub now: Timestamp,
}

/// A store that stands at the end of its changelog.
pub(crate) struct Restored {
    pub id: TaskId,
    pub store: Box<dyn TaskStore>,
    pub checkpoint: Checkpoint,
    /// How many records were read.
    pub records: u64,
}

struct RunningJob {
    job: RestoreJob,
    /// Where to read on and the id that the log must tell, as long as its first record is not seen.
    unknown: Option<(Offset, Genesis)>,
    /// Whether the log's end was reached.
    finished: bool,
    /// The column of the last record: mostly the next one is of the same.
    column: Column,
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
    /// Where the changelog is read from: where the store stands, or the log's beginning. A store whose
    /// place is not in the log any more cannot be brought up to date: it must be built anew.
    pub(crate) fn start(&self) -> Result<Offset, Stale> {
        let Checkpoint { committed_at, changelog, .. } = self.checkpoint;
        if committed_at > Timestamp::MIN && self.now.since(committed_at) > AGE_MAX {
            return Err(Stale);
        }
        let bounds = self.changelog.1;
        match changelog {
            Some(at) if at < bounds.start || at > bounds.end => Err(Stale),
            Some(at) => Ok(at),
            None => Ok(bounds.start),
        }
    }

    /// The id that the log must begin with if it is read on from `start`: as it did when the store was built.
    fn to_know(&self, start: Offset) -> Option<(Offset, Genesis)> {
        let is_known = start <= self.changelog.1.start;
        self.checkpoint.genesis.filter(|_| !is_known).map(|id| (start, id))
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_done(&self) -> bool {
        let end = self.changelog.1.end;
        self.start().is_ok_and(|start| start >= end && self.to_know(start).is_none())
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
        let (log, bounds) = &job.changelog;
        let start = job.start().unwrap_or(bounds.start);
        let unknown = job.to_know(start);
        let first = if unknown.is_some() { bounds.start } else { start };
        let finished = first >= bounds.end;
        if !finished {
            self.consumer.assign(&[(log.clone(), first)])?;
        }
        let (column, changes) = (Column(0), StateChanges::default());
        self.running.push(RunningJob { job, unknown, finished, column, changes, records: 0 });
        Ok(())
    }

    /// Gives up the jobs of tasks that are wanted no more; their stores are closed by being dropped.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&TaskId) -> bool) -> Result<(), Failure> {
        let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| wanted(&running.job.id));
        self.running = kept;
        for running in dropped {
            self.consumer.unassign(&[running.job.changelog.0])?;
        }
        Ok(())
    }

    /// How many offsets of changelogs are still to be read.
    pub(crate) fn remaining(&self) -> u64 {
        self.running.iter().map(RunningJob::remaining).sum()
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
            match running.unknown.is_some() {
                true => out.extend(self.give_up(log)?),
                false => running.reached(*end),
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
            let finished = running.finished;
            let full = running.changes.bytes() >= BATCH_BYTES;
            let put = if finished || full { running.put_down(finished) } else { Ok(()) };
            if finished || put.is_err() {
                done.push(running.job.changelog.0.clone());
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
        self.running.iter_mut().find(|one| one.reads(log))
    }

    /// Ends the job that reads `log`: its store is of another one, or what it lacks is not in the log any more.
    fn give_up(&mut self, log: &TopicPartition) -> Result<Option<Outcome>, Failure> {
        let place = self.running.iter().position(|one| one.reads(log));
        let Some(running) = place.map(|place| self.running.remove(place)) else { return Ok(None) };
        self.consumer.unassign(std::slice::from_ref(log))?;
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
    /// Whether it still reads this log.
    fn reads(&self, log: &TopicPartition) -> bool {
        !self.finished && self.job.changelog.0 == *log
    }

    fn remaining(&self) -> u64 {
        let Bounds { start, end } = self.job.changelog.1;
        let read = self.job.checkpoint.changelog.unwrap_or(start);
        if self.finished { 0 } else { u64::try_from(end.0 - read.0).unwrap_or(0) }
    }

    /// Looks at the log's first record, if it has not been looked at.
    fn know(&mut self, batch: &Batch) -> Known {
        let Some((start, wanted)) = self.unknown.take() else { return Known::Before };
        match batch.get(0).and_then(|first| genesis::of(&first)) {
            Some(found) if found == wanted => Known::Since(start),
            Some(_) | None => Known::Another,
        }
    }

    fn take(&mut self, batch: &Batch) {
        for record in batch.iter() {
            self.mark(record.offset.next());
            self.records += 1;
            match record.key {
                Some(_) if genesis::is(&record) => {
                    self.job.checkpoint.genesis = genesis::of(&record);
                }
                Some(key) => self.put(key, record.value),
                None => {}
            }
        }
    }

    /// Gathers a row, if the task has its store.
    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(LoggedKey { store, key }) = LoggedKey::decode(key) else { return };
        let columns = &self.job.columns;
        if columns.get(usize::from(self.column.0)).is_none_or(|name| **name != *store) {
            let Some(place) = columns.iter().position(|name| **name == *store) else { return };
            self.column = Column(place as u16);
        }
        self.changes.push(self.column, key, value);
    }

    fn mark(&mut self, next: Offset) {
        let mark = &mut self.job.checkpoint.changelog;
        *mark = Some(mark.map_or(next, |mark| mark.max(next)));
    }

    /// The end of the changelog was reached; it counts if it is where the log ended when the job began.
    fn reached(&mut self, end: Offset) {
        if end >= self.job.changelog.1.end {
            self.finished = true;
            self.mark(end);
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
