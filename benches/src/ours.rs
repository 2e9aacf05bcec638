//! Ours, as an entrant: count by key by the engine, on Kafka, with its state on disk.
//!
//! Keys and values are decoded, as the peer's are; settings are the shipped ones but the commit interval.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::broker::kafka::{Kafka, KafkaSettings};
use millstream::store::rocks::RocksStores;
use millstream::{
    Builder, Bytes, Config, Counter, Ended, Environment, Exit, FailPoints, I64, Streams,
};

use crate::input::Input;
use crate::usage::{Meter, Usage, Warm};
use crate::{Broken, Result};

/// One run of ours.
#[derive(Debug)]
pub struct Ours {
    /// Where Kafka is.
    pub bootstrap: String,
    /// What to count.
    pub input: Input,
    /// The topic of counts; the application is named after it.
    pub output: String,
    /// How often to commit.
    pub commit: Duration,
    /// Where state lives.
    pub state: PathBuf,
}

const STORE_BYTES: usize = 64 << 20;
const LOOK: Duration = Duration::from_millis(50);
/// A run that gets no further for so long is broken.
const STALL: Duration = Duration::from_secs(60);

impl Ours {
    /// Counts the input to its end.
    pub fn run(&self) -> Result<Usage> {
        let meter = Meter::start()?;
        let builder = Builder::new(&self.output);
        let counts = builder.stream(&self.input.topic, Bytes, Bytes).count("counts", Bytes);
        counts.to(&self.output, Bytes, I64);
        let topology = builder.build().map_err(|fault| Broken::while_doing("build", fault))?;
        let broker: Arc<dyn Broker> = Arc::new(
            Kafka::new(KafkaSettings::new(&self.bootstrap))
                .map_err(|failure| Broken::while_doing("settings", failure))?,
        );
        let stores = Arc::new(RocksStores::new(&self.state, STORE_BYTES));
        let config = Config {
            partitions: self.input.partitions,
            commit_interval: self.commit,
            state_dir: self.state.clone(),
            ..Config::default()
        };
        let on = Environment { broker, stores, fail_points: FailPoints::default() };
        let streams = Streams::start(&topology, config, on).map_err(ended)?;
        let usage = self.watch(&streams, &meter);
        streams.stop();
        match streams.join() {
            Ended { exit: Exit::Done, .. } => usage,
            other => Err(ended(other)),
        }
    }

    /// Waits until everything is committed.
    fn watch(&self, streams: &Streams, meter: &Meter) -> Result<Usage> {
        let metrics = streams.metrics();
        let (mut moved, mut before) = (Instant::now(), 0);
        let mut first: Option<Usage> = None;
        while streams.is_running() {
            std::thread::sleep(LOOK);
            let records = metrics.read(Counter::Records);
            if records != before {
                (moved, before) = (Instant::now(), records);
                first = match first {
                    None => Some(meter.stop(records)?),
                    Some(first) => Some(first),
                };
            }
            if records >= self.input.records {
                let usage = meter.stop(records)?;
                let warm = first.map(|first| Warm {
                    records: records - first.records,
                    cpu_seconds: usage.cpu_seconds - first.cpu_seconds,
                });
                return Ok(Usage { warm, ..usage });
            }
            if moved.elapsed() > STALL {
                return Err(Broken(format!("no record committed since {records} of them")));
            }
        }
        Err(Broken("the engine stopped on its own".into()))
    }
}

fn ended(ended: Ended) -> Broken {
    Broken(format!("the engine ended: {:?}, {}", ended.exit, ended.why))
}
