//! Runs a task for one time slice: broadcast changes, due timers, then records, until the slice is over or one fails.
//!
//! Whatever a user's code does in it, a panic too, ends as a [`TaskFailure`] that says which record was in hand;
//! the worker undoes the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::{Blame, Phase, Task};
use crate::dead_letter;
use crate::error::{Fault, Result};
use crate::processor::Taken;
use crate::record::Timestamp;

/// How many broadcast changes or timers are worked between two batches of records, so that records go on.
const BETWEEN_BATCHES_MAX: usize = 1_000;

/// Why work cannot be committed, and who is to blame for it.
#[derive(Debug)]
pub(crate) struct TaskFailure {
    pub fault: Fault,
    /// That of the letter, if a record is to blame.
    pub reason: dead_letter::Reason,
    pub blame: Blame,
}

/// How a user's code ended that could not go on.
#[derive(Debug)]
pub(crate) struct BrokenOff {
    pub fault: Fault,
    pub reason: dead_letter::Reason,
}

impl BrokenOff {
    /// On whom the failure falls.
    pub(crate) fn blamed_on(self, blame: Blame) -> TaskFailure {
        TaskFailure { fault: self.fault, reason: self.reason, blame }
    }
}

impl From<Fault> for BrokenOff {
    fn from(fault: Fault) -> Self {
        Self { fault, reason: dead_letter::Reason::Rejected }
    }
}

/// How much a task may do before the next one runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeSlice {
    pub records: usize,
    /// Nothing more is begun after this; something always is before.
    pub until: Instant,
}

impl TimeSlice {
    /// Whether its time is over.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// How many records are worked between two looks at the time.
const BETWEEN_LOOKS: usize = 32;

/// How long a task may be idle before it commits its positions again.
const IDLE_MAX: Duration = Duration::from_secs(3600);

impl Task {
    /// Works off what there is: broadcast changes, due timers, then records. However short the turn is, some
    /// of each is done.
    pub(crate) fn run(&mut self, now: Timestamp, slice: &TimeSlice) -> Result<usize, TaskFailure> {
        if self.phase == Phase::Unapplied {
            return Ok(0);
        }
        self.core.set_wall_time(now);
        self.keep_positions(now);
        self.pin_broadcasts();
        let before = self.processed;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.start()?;
            self.tell_caught_up()?;
            // Else changes and timers, of which there may be some at all times, would keep the record away for ever.
            let alone = self.bisection.wants_single_record()
                && !self.phase.has_worked()
                && self.has_records();
            if !alone {
                self.run_broadcast_changes(slice)?;
                self.run_timers(now, slice)?;
            }
            self.run_records(slice)
        }));
        self.core.views.iter_mut().for_each(|view| *view = None);
        let failure = match outcome {
            Ok(Ok(())) => return Ok((self.processed - before) as usize),
            Ok(Err(fault)) => fault.into(),
            Err(panic) => panicked(&*panic),
        };
        // Whatever it had done, a timer taken out perhaps, must be undone.
        self.phase.open();
        let in_hand = self.core.origin().is_some().then(|| self.core.queue.current()).flatten();
        let blame = in_hand.map_or(Blame::NoRecord, |(source, record)| {
            Blame::Record(source.clone(), record.offset)
        });
        Err(failure.blamed_on(blame))
    }

    /// The group forgets positions that nobody commits: an idle task commits them again.
    fn keep_positions(&mut self, now: Timestamp) {
        if self.idle_since == Timestamp::MIN {
            self.idle_since = now;
        }
        if now.has_passed(self.idle_since, IDLE_MAX) {
            self.phase.open();
        }
    }

    fn pin_broadcasts(&mut self) {
        let built = self.context.topology.built();
        let Some(spec) = built.subs.get(self.sub) else { return };
        for handle in &spec.broadcasts {
            let snapshot = self.context.broadcasts.get(handle).map(|shared| shared.snapshot());
            if let Some(view) = self.core.views.get_mut(*handle as usize) {
                *view = snapshot;
            }
        }
    }

    fn start(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.nodes.started, true) {
            return Ok(());
        }
        for (_, node) in &self.nodes.broadcast_listeners {
            node.started(&mut self.core)?;
            self.phase.open();
        }
        Ok(())
    }

    fn tell_caught_up(&mut self) -> Result<()> {
        let caught_up = std::mem::replace(&mut self.nodes.lagged, self.core.lagging);
        if !caught_up || self.core.lagging {
            return Ok(());
        }
        for (_, node) in &self.nodes.broadcast_listeners {
            self.phase.open();
            node.caught_up(&mut self.core)?;
        }
        Ok(())
    }

    fn run_broadcast_changes(&mut self, slice: &TimeSlice) -> Result<()> {
        let Self { core, nodes, cursors, .. } = self;
        let mut budget = BETWEEN_BATCHES_MAX;
        for ((handle, partition), cursor) in cursors.iter_mut() {
            let view = core.views.get(*handle as usize).cloned().flatten();
            let Some(view) = view.filter(|view| *cursor < view.end(*partition)) else { continue };
            let hearing = |(heard, _): &&(Vec<u16>, _)| heard.contains(handle);
            let listeners: Vec<_> =
                nodes.broadcast_listeners.iter().filter(hearing).map(|(_, node)| node).collect();
            if listeners.is_empty() {
                continue;
            }
            self.phase.open();
            let mut at = view.end(*partition);
            if *cursor < view.horizon(*partition) {
                listeners.iter().try_for_each(|node| node.changed(*handle, None, core))?;
                *cursor = at;
                continue;
            }
            let mut outcome = Ok(());
            view.changed_from(*partition, *cursor, &mut |key, offset| {
                let begun = budget < BETWEEN_BATCHES_MAX;
                if budget == 0 || begun && slice.is_over() {
                    at = offset;
                    return false;
                }
                budget -= 1;
                outcome =
                    listeners.iter().try_for_each(|node| node.changed(*handle, Some(key), core));
                outcome.is_ok()
            });
            outcome?;
            *cursor = at;
        }
        Ok(())
    }

    fn run_timers(&mut self, now: Timestamp, slice: &TimeSlice) -> Result<()> {
        let Self { core, nodes, .. } = self;
        for (timers, node) in &nodes.timer_nodes {
            for _ in 0..BETWEEN_BATCHES_MAX {
                if !node.fire_next(*timers, now, core)? {
                    break;
                }
                self.phase.open();
                if slice.is_over() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn run_records(&mut self, slice: &TimeSlice) -> Result<()> {
        let room = if self.bisection.is_on() {
            self.bisection.room(self.phase.has_worked())
        } else {
            slice.records
        };
        for done in 0..slice.records.min(room) {
            if done % BETWEEN_LOOKS == BETWEEN_LOOKS - 1 && slice.is_over() {
                return Ok(());
            }
            let Some(lane) = self.core.queue.choose(self.core.wall_time()) else { return Ok(()) };
            self.core.hold(true);
            let taken = if self.skips.is_empty() {
                let Some(source) = self.nodes.sources.get_mut(lane) else { return Ok(()) };
                source.process(&mut self.core)?
            } else {
                self.process_unless_skipped(lane)?
            };
            if let Taken::NotYet(why) = taken {
                self.wait(&why);
                continue;
            }
            self.phase.open();
            let Some((source, record)) = self.core.queue.current() else { return Ok(()) };
            self.bisection.processed(source, record.offset);
            let next = record.offset.next();
            if let Some(position) = self.positions.get_mut(lane) {
                position.next = next;
            }
            self.core.queue.advance();
            self.core.hold(false);
            self.processed += 1;
        }
        Ok(())
    }

    /// The record in hand stays where it is, and its partition waits: the others go on.
    fn wait(&mut self, why: &str) {
        let is_to_be_told = self.core.queue.pass_over(self.core.wall_time());
        if let Some((at, record)) = self.core.queue.current().filter(|_| is_to_be_told) {
            tracing::warn!(%at, offset = %record.offset, why, "record waits until it can be decoded");
        }
        self.core.hold(false);
    }

    fn process_unless_skipped(&mut self, lane: usize) -> Result<Taken> {
        let current = self.core.queue.current();
        let place = current.map(|(source, record)| (source.clone(), record.offset));
        let why = place.and_then(|place| self.skips.get(&place).cloned());
        match (why, self.nodes.sources.get_mut(lane)) {
            (Some((reason, why)), _) => self.core.dead_letter(reason, &why).map(|()| Taken::Done),
            (None, Some(source)) => source.process(&mut self.core),
            (None, None) => Ok(Taken::Done),
        }
    }
}

pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> BrokenOff {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words = format!("the processor panicked: {}", text.unwrap_or("without words"));
    BrokenOff { fault: Fault::Reject(words), reason: dead_letter::Reason::Panicked }
}
