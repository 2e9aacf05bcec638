//! Appends events and reads to Kafka, on one thread of its own.
//!
//! Whatever waits is sent together and flushed once; then everybody is answered. A failure answers all of the
//! batch with a fault, although some may be in the log: whoever tries again sends the same event ids, and
//! state counts each once. After a failure the producer is made anew, since its queue may still hold records.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use millstream::broker::{
    Acknowledged, Broker, Call, Code, Failure, OutRecord, Outgoing, Producer, TopicIndex,
    partition_of,
};
use millstream::{Clock, Headers, Position, Topic, TopicPartition, TraceContext};
use schemas::topic::{DISMISSALS, EVENTS, PREFERENCES, READS};
use schemas::{Dismissal, Preferences, Read, UserId, Wire};
use tokio::sync::oneshot;

use crate::config::Live;
use crate::metrics::Metrics;
use crate::traces;

const QUEUE_MAX: usize = 4096;
const BATCH_MAX: usize = 256;
const IDLE: Duration = Duration::from_secs(1);
const TOPICS: [&str; 4] = [EVENTS.name, READS.name, DISMISSALS.name, PREFERENCES.name];
/// How many partitions each of them has.
type Partitions = [i32; TOPICS.len()];
const TO_EVENTS: TopicIndex = TopicIndex(0);
const TO_READS: TopicIndex = TopicIndex(1);
const TO_DISMISSALS: TopicIndex = TopicIndex(2);
const TO_PREFERENCES: TopicIndex = TopicIndex(3);

/// Why records were not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unappended {
    /// Too many wait already.
    Full,
    /// Kafka did not acknowledge them.
    Refused(String),
}

/// A record to be appended: its user and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub user: UserId,
    /// What it says.
    pub value: Vec<u8>,
}

/// Whoever waits until something is appended.
type Waiting = oneshot::Sender<Result<Position, Unappended>>;

/// What is to be appended, and the request by which it came, if that is traced.
struct Queued {
    job: Job,
    trace: Option<TraceContext>,
}

impl From<Job> for Queued {
    fn from(job: Job) -> Self {
        Self { job, trace: traces::at_hand() }
    }
}

enum Job {
    Events(Vec<Entry>, Waiting),
    /// One record of a topic that is keyed by the bytes of the user; of some nobody waits for an answer.
    Said(TopicIndex, Entry, Option<Waiting>),
}

impl Job {
    /// How many records it comes to.
    fn records(&self) -> usize {
        match self {
            Self::Events(entries, _) => entries.len(),
            Self::Said(..) => 1,
        }
    }

    /// Each of them: its topic, its key, its value.
    fn each(&self, mut each: impl FnMut(TopicIndex, &[u8], &[u8])) {
        match self {
            Self::Events(entries, _) => {
                for Entry { user, value } in entries {
                    each(TO_EVENTS, user.to_string().as_bytes(), value);
                }
            }
            Self::Said(to, Entry { user, value }, _) => each(*to, &user.0, value),
        }
    }
}

/// Where a batch was put down.
struct Placed {
    partitions: Partitions,
    acknowledged: Acknowledged,
}

impl Placed {
    /// The position that holds all of a job, and what the batch had after it in the same partitions.
    fn position(&self, job: &Job) -> Position {
        let mut position = Position::default();
        job.each(|topic, key, _| {
            let Some(name) = TOPICS.get(usize::from(topic.0)) else { return };
            let at = TopicPartition::new(*name, partition_in(&self.partitions, topic, key));
            if let Some((_, last)) = self.acknowledged.iter().find(|(held, _)| *held == at) {
                position.extend(at, last.next());
            }
        });
        position
    }
}

fn partition_in(partitions: &Partitions, topic: TopicIndex, key: &[u8]) -> i32 {
    partition_of(key, partitions.get(usize::from(topic.0)).copied().unwrap_or(1))
}

/// Takes records for the log; cheap to clone. The thread ends when the last one is dropped.
#[derive(Clone)]
pub struct Log {
    queue: SyncSender<Queued>,
}

/// What the thread works with.
pub struct Appending {
    /// The cluster.
    pub broker: Arc<dyn Broker>,
    /// Whose time the records bear.
    pub clock: Arc<dyn Clock>,
    /// How long a batch may wait for its acknowledgement.
    pub wait: Live<Duration>,
    /// Where faults are counted.
    pub metrics: Arc<Metrics>,
}

impl Log {
    /// Starts the thread.
    pub fn start(with: Appending) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        thread::Builder::new().name("log".to_owned()).spawn(move || with.run(&jobs))?;
        Ok(Self { queue })
    }

    /// Appends events, all of them; answers when Kafka has acknowledged them, with where they are.
    pub async fn events(&self, entries: Vec<Entry>) -> Result<Position, Unappended> {
        self.append(|answer| Job::Events(entries, answer)).await
    }

    /// Appends that somebody is not to be suggested; answers when Kafka has acknowledged it.
    pub async fn dismiss(&self, user: UserId, said: Dismissal) -> Result<Position, Unappended> {
        self.say(TO_DISMISSALS, Entry { user, value: said.to_bytes() }).await
    }

    /// Appends what a reader chose; answers when Kafka has acknowledged it.
    pub async fn choose(&self, user: UserId, chosen: Preferences) -> Result<Position, Unappended> {
        self.say(TO_PREFERENCES, Entry { user, value: chosen.to_bytes() }).await
    }

    async fn say(&self, to: TopicIndex, entry: Entry) -> Result<Position, Unappended> {
        self.append(|answer| Job::Said(to, entry, Some(answer))).await
    }

    async fn append(&self, job: impl FnOnce(Waiting) -> Job) -> Result<Position, Unappended> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(job(answer).into()).map_err(|refused| match refused {
            TrySendError::Full(_) => Unappended::Full,
            TrySendError::Disconnected(_) => Unappended::Refused("the log has ended".to_owned()),
        })?;
        let ended = |_| Err(Unappended::Refused("the log has ended".to_owned()));
        answered.await.unwrap_or_else(ended)
    }

    /// Tells of a read; if too many wait, this one is not told.
    pub fn read(&self, user: UserId, read: Read) {
        let entry = Entry { user, value: read.to_bytes() };
        let _ = self.queue.try_send(Job::Said(TO_READS, entry, None).into());
    }
}

struct Open {
    producer: Box<dyn Producer>,
    partitions: Partitions,
}

impl Appending {
    fn run(self, jobs: &Receiver<Queued>) {
        let mut open = None;
        let mut outgoing = Outgoing::default();
        loop {
            let first = match jobs.recv_timeout(IDLE) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let batch: Vec<_> =
                std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)).collect();
            let appended = self.append(&mut open, &batch, &mut outgoing);
            if let Err(failure) = &appended {
                tracing::warn!(%failure, jobs = batch.len(), "nothing appended");
                // Not what is in `outgoing`: without an open producer nothing came so far.
                let records = batch.iter().map(|queued| queued.job.records()).sum::<usize>();
                self.metrics.unappended.inc_by(records as u64);
                open = None;
            }
            let answer = appended.map_err(|failure| Unappended::Refused(failure.to_string()));
            for Queued { job, .. } in batch {
                let answer = answer.as_ref().map(|placed| placed.position(&job));
                let answer = answer.map_err(Clone::clone);
                let waiting = match job {
                    Job::Events(_, waiting) => Some(waiting),
                    Job::Said(_, _, waiting) => waiting,
                };
                if let Some(waiting) = waiting {
                    let _ = waiting.send(answer);
                }
            }
        }
    }

    fn append(
        &self,
        open: &mut Option<Open>,
        batch: &[Queued],
        outgoing: &mut Outgoing,
    ) -> Result<Placed, Failure> {
        outgoing.clear();
        let open = match open {
            Some(open) => open,
            None => open.insert(self.open()?),
        };
        for queued in batch {
            self.push(queued, open.partitions, outgoing);
        }
        open.producer.send(outgoing)?;
        let acknowledged = open.producer.flush(self.wait.get())?;
        Ok(Placed { partitions: open.partitions, acknowledged })
    }

    fn push(&self, of: &Queued, partitions: Partitions, outgoing: &mut Outgoing) {
        let mut headers = Vec::new();
        if let Some(trace) = of.trace {
            trace.write(&mut headers);
        }
        of.job.each(|topic, key, value| {
            outgoing.push(OutRecord {
                topic,
                partition: partition_in(&partitions, topic, key),
                // Its offset is wanted; it bears the time at which it is sent.
                logged: true,
                timestamp: self.clock.now(),
                key: Some(key),
                value: Some(value),
                headers: Headers::from_bytes(&headers),
            });
        });
    }

    fn open(&self) -> Result<Open, Failure> {
        let topics = TOPICS.map(Topic::from);
        let found = self.broker.admin()?.partitions(&topics)?;
        let mut partitions = [0; TOPICS.len()];
        for (at, name) in TOPICS.into_iter().enumerate() {
            let missing = || Failure::new(Call::Admin, Code::UnknownTopic, name);
            let count = found.get(at).copied().flatten().ok_or_else(missing)?;
            if let Some(slot) = partitions.get_mut(at) {
                *slot = count;
            }
        }
        let producer = self.broker.producer(None, Arc::from(topics))?;
        Ok(Open { producer, partitions })
    }
}

#[cfg(test)]
mod tests {
    use millstream::SystemClock;
    use millstream::broker::embedded::Embedded;

    use super::*;
    use crate::commands::topics;

    #[tokio::test]
    async fn every_record_that_kafka_did_not_take_is_counted_not_only_those_of_the_first_batch() {
        let broker = Embedded::new(Arc::new(SystemClock));
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = Log::start(Appending {
            broker: Arc::new(broker.clone()),
            clock: Arc::new(SystemClock),
            wait: Duration::from_secs(5).into(),
            metrics: Arc::clone(&metrics),
        });
        let log = log.unwrap();
        let entry = |of| Entry { user: UserId([of; 16]), value: b"{}".to_vec() };
        for unappended in [2, 4] {
            // Without topics no producer is opened.
            let answer = log.events(vec![entry(1), entry(2)]).await;
            assert!(matches!(answer, Err(Unappended::Refused(_))), "{answer:?}");
            assert_eq!(metrics.unappended.get(), unappended);
        }
        topics::create(&mut *broker.admin().unwrap(), "feedmill", 1).unwrap();
        let position = log.events(vec![entry(1), entry(2)]).await.unwrap();
        assert_eq!(position.to_string(), "events-0@2");
        assert_eq!(metrics.unappended.get(), 4);
    }
}
