//! One broker for the suite, and an application of its own for each test.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::broker::{Broker, Cleanup, Isolation, TopicSpec};
use millstream::store::LoggedKey;
use millstream::{Offset, TopicPartition};
use tempfile::TempDir;
use tests::{Part, Stack, poll_until};

use crate::victim::{PATIENCE, Victim};
use crate::worker;

static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::of(&[Part::Kafka]).start().unwrap());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A committed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// See the module.
pub struct World {
    pub kafka: Kafka,
    pub app: String,
    pub partitions: i32,
    /// The broker's data folder.
    pub data: PathBuf,
    address: String,
    root: TempDir,
}

impl World {
    /// An application whose input has this many partitions.
    pub fn new(partitions: i32) -> Self {
        Self::on(&STACK, partitions)
    }

    /// The same, on a broker of its own.
    pub fn on(stack: &Stack, partitions: i32) -> Self {
        let app = format!("kills-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut settings = KafkaSettings::new(stack.kafka());
        // The load must not give a record up because the machine is busy.
        settings.transaction_timeout = PATIENCE;
        let kafka = Kafka::new(settings).unwrap();
        let topics = [worker::input(&app), worker::counts(&app), worker::updates(&app)];
        let topics = topics.map(|name| TopicSpec {
            name: name.as_str().into(),
            partitions,
            cleanup: Cleanup::Delete(None),
        });
        kafka.admin().unwrap().create(&topics).unwrap();
        let root = TempDir::with_prefix("kills-").unwrap();
        let (address, data) = (stack.kafka().to_owned(), stack.dir().join("kafka/data"));
        Self { kafka, app, partitions, data, address, root }
    }

    pub fn victim(&self, name: &'static str) -> Victim {
        Victim::new(name, self.root.path(), &self.address, &self.app)
    }

    /// The changelog of the two stores.
    pub fn changelog(&self) -> String {
        format!("{}-counts-changelog", self.app)
    }

    /// A log's end, open transactions included.
    pub fn end(&self, topic: &str, partition: i32) -> Offset {
        let mut reader = self.kafka.consumer(&self.app, Isolation::ReadUncommitted).unwrap();
        let at = TopicPartition::new(topic, partition);
        poll_until(PATIENCE, || reader.bounds(&at).ok()).unwrap().end
    }

    /// Everything committed.
    pub fn read(&self, topic: &str, partition: i32) -> Vec<Row> {
        self.read_to(topic, partition, self.end(topic, partition))
    }

    /// What the changelog has of a store, committed and below `end`.
    pub fn logged(&self, store: &str, partition: i32, end: Offset) -> Vec<Row> {
        let mut rows = self.read_to(&self.changelog(), partition, end);
        rows.retain_mut(|row| match LoggedKey::decode(&row.key) {
            Some(logged) if logged.store == store => {
                row.key = logged.key.to_vec();
                true
            }
            Some(_) | None => false,
        });
        rows
    }

    /// Everything committed below `end`, which must come to be committed or aborted.
    pub fn read_to(&self, topic: &str, partition: i32, end: Offset) -> Vec<Row> {
        let mut reader = self.kafka.consumer(&self.app, Isolation::ReadCommitted).unwrap();
        let at = TopicPartition::new(topic, partition);
        reader.assign(&[(at.clone(), Offset(0))]).unwrap();
        let (mut rows, mut reached) = (Vec::new(), Offset(0));
        let deadline = Instant::now() + PATIENCE;
        while reached < end {
            assert!(Instant::now() < deadline, "{at} is readable to {reached}, not to {end}");
            let polled = reader.poll(Duration::from_millis(100)).unwrap();
            for record in polled.batches.iter().flat_map(|batch| batch.iter()) {
                reached = record.offset.next();
                let key = record.key.unwrap_or_default().to_vec();
                let value = record.value.map(<[u8]>::to_vec);
                rows.push(Row { offset: record.offset.0, key, value });
            }
            reached = polled.ends.iter().map(|(_, end)| *end).fold(reached, Offset::max);
        }
        rows.retain(|row| row.offset < end.0);
        rows
    }

    fn inputs(&self) -> Vec<TopicPartition> {
        let input = worker::input(&self.app);
        (0..self.partitions).map(|partition| TopicPartition::new(&*input, partition)).collect()
    }

    /// Where the input ends.
    pub fn input_ends(&self) -> Vec<Offset> {
        self.inputs().iter().map(|at| self.end(&at.topic, at.partition)).collect()
    }

    /// Waits until the group has committed these positions, or later ones.
    pub fn wait_until_committed(&self, ends: &[Offset]) {
        self.wait_until_committed_while(ends, || {});
    }

    /// The same; `meanwhile` is done again and again.
    pub fn wait_until_committed_while(&self, ends: &[Offset], mut meanwhile: impl FnMut()) {
        let mut reader = self.kafka.consumer(&self.app, Isolation::ReadCommitted).unwrap();
        let inputs = self.inputs();
        let mut last = None;
        let arrived = poll_until(PATIENCE, || {
            meanwhile();
            last = reader.committed(&inputs).ok();
            let positions = last.iter().flatten().map(|at| at.unwrap_or(Offset(0)));
            let arrived = positions.zip(ends).filter(|(at, end)| at >= end).count();
            (arrived == ends.len()).then_some(())
        });
        arrived.unwrap_or_else(|_| panic!("committed {last:?} of {ends:?}"));
    }
}

/// How many kills; the number is the long form's knob.
pub fn kills() -> usize {
    env::var("MILLSTREAM_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(10)
}
