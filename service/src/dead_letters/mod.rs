//! The dead letters of an application: found, appended again to where they came from, or given up.
//!
//! A letter is never changed and never deleted before its time. That it was re-driven or dropped is a note in the topic
//! `<app>-dead-letters-done` under the letter's place, written in one Kafka transaction with the record that is appended again:
//! see [`Run`]. Whoever asks names letters by a [`Filter`]; what may become of each is decided by [`plan`], which asks nobody.

mod done;
mod filter;
mod group;
mod newest;
mod open_transactions;
mod plan;
mod progress;
mod run;
pub mod told;

use std::fmt;
use std::time::Duration;

use millstream::broker::{Bounds, Broker, Code, Consumer, Failure, Isolation};
use millstream::dead_letter::{Letter, Place, Unreadable};
use millstream::{Clock, SystemClock, Topic, TopicPartition};
use schemas::topic;

use crate::commands::log_reader::LogReader;
use crate::failed::Failed;
pub use done::{Done, Note, What};
pub use filter::Filter;
pub use group::{Groups, reason};
pub use newest::Newest;
use plan::Targets;
pub use plan::{Aim, Plan};
pub use progress::Progress;
pub use run::{Pace, Run};

const POLL: Duration = Duration::from_millis(200);

/// Where they are.
#[derive(Clone, Copy)]
pub struct DeadLetters<'a> {
    /// The cluster.
    pub broker: &'a dyn Broker,
    /// The application.
    pub app: &'a str,
}

impl DeadLetters<'_> {
    fn topic(&self) -> Topic {
        topic::dead_letters(self.app).into()
    }

    fn done_topic(&self) -> Topic {
        topic::dead_letters_done(self.app).into()
    }

    /// Hands over every letter that is meant, those of one partition in order, and what was done with it; those that are done
    /// with only if they are wanted too.
    pub fn each(
        &self,
        (filter, all): (&Filter, bool),
        mut take: impl FnMut(&Letter<'_>, Option<Note>),
    ) -> Result<(), Failed> {
        let done = self.done()?;
        Self::each_of(self.open()?, |letter| {
            match letter {
                Ok(letter) if filter.fits(&letter) => {
                    let done = done.of(&letter);
                    if all || done.is_none() {
                        take(&letter, done);
                    }
                }
                Ok(_) => {}
                Err(unreadable) => tracing::warn!(%unreadable, "passed over"),
            }
            Ok(())
        })
    }

    fn each_of(
        mut log: LogReader,
        mut take: impl FnMut(Result<Letter<'_>, Unreadable>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        while !log.is_at_end() {
            for batch in &log.poll()?.batches {
                let partition = batch.source().partition;
                batch.iter().try_for_each(|record| take(Letter::read(partition, record)))?;
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<LogReader, Failed> {
        let topic = self.topic();
        let missing = || format!("there is no topic {topic}; `feedmill topics create` makes it");
        LogReader::of_one(self.broker, self.app, &topic)?.ok_or_else(|| missing().into())
    }

    /// What was done to letters before; nothing if there is no topic of it yet.
    pub fn done(&self) -> Result<Done, Failed> {
        let mut done = Done::default();
        let log = LogReader::of_one(self.broker, self.app, &self.done_topic())?;
        let Some(mut log) = log else { return Ok(done) };
        while !log.is_at_end() {
            for batch in &log.poll()?.batches {
                batch.iter().for_each(|record| done.take(record.key, record.value));
            }
        }
        Ok(done)
    }

    /// Plans what is to become of the letters that are meant and not done with.
    pub fn plan(&self, filter: &Filter, aim: Aim) -> Result<Plan, Failed> {
        let (targets, done) = (self.targets()?, self.done()?);
        let absent = filter.places.iter().copied().collect();
        let mut plan = Plan { absent, ..Plan::default() };
        let log = self.open()?;
        let logs = log.bounds().iter().map(|(of, bounds)| (of.partition, *bounds)).collect();
        plan.forgotten = done.behind(&logs);
        Self::each_of(log, |letter| {
            let meant = letter.ok().filter(|letter| filter.fits(letter));
            if let Some(letter) = meant.filter(|letter| done.of(letter).is_none()) {
                plan.add(&letter, aim, &targets);
            }
            Ok(())
        })?;
        Ok(plan)
    }

    fn targets(&self) -> Result<Targets, Failed> {
        let names = topic::ALL.map(|topic| Topic::from(topic.name));
        let counts = self.broker.admin().and_then(|mut admin| admin.partitions(&names));
        let counts = names.into_iter().zip(counts.map_err(failed)?);
        let partitions = counts.filter_map(|(name, count)| Some((name, count?))).collect();
        Ok(Targets { partitions, now: SystemClock.now() })
    }

    /// Hands over the letter at a place, if there is one.
    pub fn find<T>(
        &self,
        place: Place,
        take: impl FnOnce(Result<Letter<'_>, Unreadable>) -> T,
    ) -> Result<Result<T, Absent>, Failed> {
        let of = TopicPartition::new(self.topic(), place.partition);
        let mut consumer =
            self.broker.consumer(self.app, Isolation::ReadCommitted).map_err(failed)?;
        let bounds = match consumer.bounds(&of) {
            Ok(bounds) => bounds,
            // The topic was read a moment ago: it is the partition that is none.
            Err(failure) if failure.code == Code::UnknownTopic => {
                return Ok(Err(Absent { place, of, bounds: None }));
            }
            Err(failure) => return Err(failed(failure)),
        };
        let absent = || Absent { place, of: of.clone(), bounds: Some(bounds) };
        if !(bounds.start..bounds.end).contains(&place.offset) {
            return Ok(Err(absent()));
        }
        consumer.assign(&[(of.clone(), place.offset)]).map_err(failed)?;
        Ok(read_one(&mut *consumer, place, take)?.ok_or_else(absent))
    }
}

/// Where no letter lies, and where some do.
#[derive(Debug)]
pub struct Absent {
    place: Place,
    of: TopicPartition,
    /// None of a partition that is not there.
    bounds: Option<Bounds>,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, of, bounds } = self;
        match bounds {
            Some(Bounds { start, end, .. }) => {
                write!(f, "{place}: no letter lies there; {of} has offsets {start} to {end}")
            }
            None => write!(f, "{place}: no letter lies there; there is no {of}"),
        }
    }
}

/// The record at this offset, of the only partition that is assigned; none if what follows has come.
fn read_one<T>(
    consumer: &mut dyn Consumer,
    place: Place,
    take: impl FnOnce(Result<Letter<'_>, Unreadable>) -> T,
) -> Result<Option<T>, Failed> {
    loop {
        let polled = consumer.poll(POLL).map_err(failed)?;
        if let Some(record) = polled.batches.iter().find_map(|batch| batch.iter().next()) {
            let is_it = record.offset == place.offset;
            return Ok(is_it.then(|| take(Letter::read(place.partition, record))));
        }
        if !polled.ends.is_empty() || !polled.out_of_range.is_empty() {
            return Ok(None);
        }
    }
}

fn failed(failure: Failure) -> Failed {
    Failed(failure.exit(), format!("dead letters: {failure}"))
}

#[cfg(test)]
pub mod tests;
