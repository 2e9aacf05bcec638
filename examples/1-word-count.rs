//! Word count: the smallest whole application. It runs on the broker inside this process, so nothing else is needed.
//!
//!     cargo run -p millstream --example 1-word-count
//!
//! On a real cluster the two lines marked with (*) are `Kafka::new(KafkaSettings::new("host:9092"))` and `RocksStores::new(dir, bytes)`.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::embedded::Embedded;
use millstream::broker::{Broker, Cleanup, Isolation, OutRecord, Outgoing, TopicIndex, TopicSpec};
use millstream::store::memory::MemoryStores;
use millstream::{
    Builder, Config, Environment, FailPoints, Headers, I64, Offset, Serde, Streams, SystemClock,
    Timestamp, TopicPartition, Unit, Utf8,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let builder = Builder::new("word-count");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("split", |line, out| {
            line.value.split_whitespace().try_for_each(|word| out.emit(&word.to_lowercase(), &()))
        })
        .repartition("words", Utf8, Unit)
        .count("counts", Utf8)
        .to("word-counts", Utf8, I64);
    let topology = builder.build()?;
    print!("{}", topology.describe());

    let broker: Arc<dyn Broker> = Arc::new(Embedded::new(Arc::new(SystemClock))); // (*)
    say(&*broker, &["to be or not to be", "that is the question"])?;
    let on = Environment {
        broker: broker.clone(),
        stores: Arc::new(MemoryStores::default()), // (*)
        fail_points: FailPoints::default(),
    };
    let state_dir = std::env::temp_dir().join(format!("word-count-{}", std::process::id()));
    let config = Config { partitions: 1, state_dir: state_dir.clone(), ..Config::default() };
    let streams = Streams::start(&topology, config, on)?;
    for (word, count) in counts(&*broker, 8)? {
        println!("{word} {count}");
    }
    streams.stop();
    let ended = streams.join();
    println!("{ended}");
    std::fs::remove_dir_all(state_dir)?;
    Ok(())
}

/// Makes the topic, and writes lines to it.
fn say(broker: &dyn Broker, lines: &[&str]) -> Outcome<()> {
    let spec = TopicSpec { name: "lines".into(), partitions: 1, cleanup: Cleanup::Delete(None) };
    broker.admin()?.create(&[spec])?;
    let mut producer = broker.producer(None, Arc::new(["lines".into()]))?;
    let mut out = Outgoing::default();
    for line in lines {
        out.push(OutRecord {
            topic: TopicIndex(0),
            partition: 0,
            logged: false,
            timestamp: Timestamp(1),
            key: Some(b"somebody"),
            value: Some(line.as_bytes()),
            headers: Headers::default(),
        });
    }
    producer.send(&out)?;
    producer.flush(Duration::from_secs(1))?;
    Ok(())
}

/// The last count of each word, once there are as many words.
fn counts(broker: &dyn Broker, words: usize) -> Outcome<std::collections::BTreeMap<String, i64>> {
    let mut consumer = broker.consumer("reader", Isolation::ReadCommitted)?;
    consumer.assign(&[(TopicPartition::new("word-counts", 0), Offset(0))])?;
    let mut counts = std::collections::BTreeMap::new();
    let mut count = None;
    while counts.len() < words {
        for record in consumer.poll(Duration::from_secs(1))?.batches.iter().flat_map(|b| b.iter()) {
            I64.decode(record.value.unwrap_or_default(), 1, &mut count)?;
            let word = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
            counts.insert(word, count.unwrap_or_default());
        }
    }
    Ok(counts)
}
