//! Works a plan off, a batch of letters at a time, each exactly once.
//!
//! 1. The producer registers under the transactional id `<app>-dead-letters`: a run of before, killed or still at work, is
//!    fenced, and what it had open is aborted. Then nothing of it may hang in the logs that are written to.
//! 2. Only then the notes are read and the plan is made: they tell of every transaction that was committed.
//! 3. A batch is one transaction: the records, each in the partition that it came from and with its own time, key and headers
//!    and its history, and a note for each letter. So a letter has its note exactly if its record was appended, and whoever
//!    begins again after a kill goes on behind the last batch.
//!
//! The letters are read a second time for it and never held all at once; those that come meanwhile are in no plan, also
//! that of a record that fails once more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::{Code, Failure, OutRecord, Outgoing, Producer, TopicIndex};
use millstream::dead_letter::{Letter, Place};
use millstream::{Clock, Exit, Headers, SystemClock, Timestamp, Topic, TopicPartition};

use super::done::{Note, What};
use super::filter::Filter;
use super::plan::{Aim, Plan};
use super::progress::Progress;
use super::{DeadLetters, failed, open_transactions};
use crate::commands::log_reader::LogReader;
use crate::commands::topics;
use crate::failed::Failed;

const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// The most letters of a transaction, and the bytes from which on it takes no more.
const BATCH_MAX: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
const TO_DONE: TopicIndex = TopicIndex(0);

/// How many letters a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As many as there can be.
    Unlimited,
    /// So many, in batches of a fifth of a second.
    PerSecond(f64),
}

impl Pace {
    fn batch_max(self) -> usize {
        match self {
            Self::Unlimited => BATCH_MAX,
            Self::PerSecond(rate) => ((rate / 5.0) as usize).clamp(1, BATCH_MAX),
        }
    }

    /// How long so many letters take at least: who was late does not hurry.
    fn takes(self, letters: usize) -> Duration {
        match self {
            Self::Unlimited => Duration::ZERO,
            Self::PerSecond(rate) => Duration::from_secs_f64(letters as f64 / rate),
        }
    }
}

/// A letter of the plan, with all that its record is made of again.
struct Taken {
    place: Place,
    note: Note,
    again: Option<Again>,
}

struct Again {
    to: TopicIndex,
    partition: i32,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<u8>,
}

/// See the module.
pub struct Run {
    plan: Plan,
    aim: Aim,
    producer: Box<dyn Producer>,
    topics: BTreeMap<Topic, TopicIndex>,
    log: LogReader,
    waiting: VecDeque<Taken>,
    out: Outgoing,
    /// The first letter of the open batch.
    first: Option<Place>,
    pace: Pace,
    began: Instant,
    /// Not before this time the next batch goes.
    next: Instant,
    done: u64,
}

impl Run {
    /// Registers, and plans what is to be done with these letters.
    pub fn open(
        of: DeadLetters<'_>,
        filter: &Filter,
        aim: Aim,
        pace: Pace,
    ) -> Result<Self, Failed> {
        let done_topic = of.done_topic();
        topics::make(of.broker, of.app, &done_topic)?;
        let sources = of.targets()?.partitions.into_keys();
        let topics: Arc<[Topic]> = std::iter::once(done_topic.clone()).chain(sources).collect();
        let producer = register(of, &topics).map_err(failed)?;
        let done_log = [TopicPartition::new(done_topic, 0)];
        open_transactions::wait(of.broker, of.app, &done_log)?;
        let plan = of.plan(filter, aim)?;
        open_transactions::wait(of.broker, of.app, &plan.logs())?;
        let now = Instant::now();
        let mut run = Self {
            plan,
            aim,
            producer,
            topics: topics.iter().cloned().zip((0..).map(TopicIndex)).collect(),
            log: of.open()?,
            waiting: VecDeque::new(),
            out: Outgoing::default(),
            first: None,
            pace,
            began: now,
            next: now,
            done: 0,
        };
        run.forget()?;
        Ok(run)
    }

    /// What is being done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let all = self.plan.planned.len() as u64;
        Progress { done: self.done, all, elapsed: self.began.elapsed() }
    }

    /// Works the next letters off, when it is their time; none once all are.
    pub fn step(&mut self) -> Result<Option<Progress>, Failed> {
        while self.waiting.is_empty() {
            if self.log.is_at_end() {
                return Ok(None);
            }
            self.read()?;
        }
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        let letters = self.fill();
        self.commit()?;
        self.done += letters as u64;
        self.next = began + self.pace.takes(letters);
        Ok(Some(self.progress()))
    }

    /// Takes in what comes next of the topic.
    fn read(&mut self) -> Result<(), Failed> {
        let now = SystemClock.now();
        for batch in &self.log.poll()?.batches {
            for record in batch.iter() {
                let Ok(letter) = Letter::read(batch.source().partition, record) else { continue };
                let Some(target) = self.plan.planned.get(&letter.place) else { continue };
                let taken = self.take(&letter, target.as_ref(), now);
                self.waiting.extend(taken);
            }
        }
        Ok(())
    }

    fn take(
        &self,
        letter: &Letter<'_>,
        target: Option<&(Topic, i32)>,
        now: Timestamp,
    ) -> Option<Taken> {
        let what = match self.aim {
            Aim::Redrive { .. } => What::Redriven,
            Aim::Drop => What::Dropped,
        };
        let again = |(topic, partition): &(Topic, i32)| {
            Some(Again {
                to: self.topics.get(topic).copied()?,
                partition: *partition,
                timestamp: letter.timestamp,
                key: letter.key.map(Into::into),
                value: letter.value.map(Into::into),
                headers: letter.headers_again(now),
            })
        };
        let again = match target {
            Some(target) => Some(again(target)?),
            None => None,
        };
        Some(Taken { place: letter.place, note: Note::of(letter, what, now), again })
    }

    /// Makes the next transaction's records; answers of how many letters.
    fn fill(&mut self) -> usize {
        self.out.clear();
        self.first = self.waiting.front().map(|taken| taken.place);
        let mut letters = 0;
        while letters < self.pace.batch_max() && self.out.bytes() < BATCH_BYTES {
            let Some(Taken { place, note, again }) = self.waiting.pop_front() else { break };
            if let Some(again) = again {
                self.out.push(OutRecord {
                    topic: again.to,
                    partition: again.partition,
                    logged: false,
                    timestamp: again.timestamp,
                    key: again.key.as_deref(),
                    value: again.value.as_deref(),
                    headers: Headers::from_bytes(&again.headers),
                });
            }
            self.note(place, Some(note));
            letters += 1;
        }
        letters
    }

    /// Has a place noted, or its note forgotten.
    fn note(&mut self, place: Place, note: Option<Note>) {
        let value = note.and_then(|note| serde_json::to_vec(&note).ok());
        self.out.push(OutRecord {
            topic: TO_DONE,
            partition: 0,
            logged: false,
            timestamp: SystemClock.now(),
            key: Some(place.to_string().as_bytes()),
            value: value.as_deref(),
            headers: Headers::default(),
        });
    }

    /// Deletes the notes of letters that are deleted themselves.
    fn forget(&mut self) -> Result<(), Failed> {
        let forgotten = std::mem::take(&mut self.plan.forgotten);
        for places in forgotten.chunks(BATCH_MAX) {
            self.out.clear();
            places.iter().for_each(|place| self.note(*place, None));
            self.commit()?;
        }
        Ok(())
    }

    /// Sends what is to be sent as one transaction.
    fn commit(&mut self) -> Result<(), Failed> {
        let committed = self.send().and_then(|()| self.producer.commit());
        committed.map(drop).map_err(|failure| {
            // Whoever begins again aborts it too.
            let _ = self.producer.abort();
            let (done, all) = (self.done, self.plan.planned.len());
            let words = format!("{done} of {all} letters are done; begin again to go on");
            let at =
                self.first.map_or_else(|| "notes".to_owned(), |first| format!("from {first} on"));
            match failure.code == Code::Fenced {
                true => Failed(Exit::Mismatch, format!("another run has begun: {words}")),
                false => Failed(failure.exit(), format!("dead letters {at}: {failure}; {words}")),
            }
        })
    }

    fn send(&mut self) -> Result<(), Failure> {
        self.producer.begin()?;
        self.producer.send(&self.out)?;
        self.producer.flush(ANSWERED_WITHIN).map(drop)
    }
}

#[cfg(test)]
impl Run {
    /// Has the next records on their way, and is no more.
    pub(super) fn send_and_die(mut self) {
        self.fill();
        self.send().unwrap_or_default();
    }
}

fn register(of: DeadLetters<'_>, topics: &Arc<[Topic]>) -> Result<Box<dyn Producer>, Failure> {
    let id = format!("{}-dead-letters", of.app);
    let mut producer = of.broker.producer(Some(&id), Arc::clone(topics))?;
    producer.init(ANSWERED_WITHIN)?;
    Ok(producer)
}
