//! What the suites share: word count, and how its topics are told and read.

use std::collections::BTreeMap;

use millstream::testing::Driver;
use millstream::{
    Builder, Bytes, Context, Emit, Fault, I64, Processor, Rec, Result, Serde, Timestamp, Topology,
    Unit, Utf8,
};

/// Word count, forwarding as `emit` says.
pub fn word_count(emit: Emit) -> Result<Topology> {
    let builder = Builder::new("word-count");
    builder
        .stream("lines", Utf8, Utf8)
        .flat_map("split", |line, out| {
            line.value.split_whitespace().try_for_each(|word| out.emit(&word.to_lowercase(), &()))
        })
        .repartition("words", Utf8, Unit)
        .count("counts", Utf8)
        .emit(emit)
        .to("word-counts", Utf8, I64);
    Ok(builder.build()?)
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp(millis)
}

/// Says a line; who says it decides the partition.
pub fn say(driver: &Driver, who: &str, line: &str) -> Result<()> {
    driver.input("lines", Utf8, Utf8).send(&who.into(), &line.into(), at(0))
}

/// Every value of each key in the order of its partition.
pub fn history<V: 'static>(
    driver: &Driver,
    topic: &str,
    values: impl Serde<V>,
) -> Result<BTreeMap<String, Vec<V>>> {
    let mut history: BTreeMap<String, Vec<V>> = BTreeMap::new();
    for row in driver.output(topic, Utf8, values).rows()? {
        history.entry(row.key.unwrap_or_default()).or_default().extend(row.value);
    }
    Ok(history)
}

/// Dead letters: what they held, and their headers as one line without `__dlq.`.
pub fn dead_letters(driver: &Driver) -> Result<Vec<(String, String)>> {
    let topic = driver.dead_letters();
    let rows = driver.output::<Vec<u8>, Vec<u8>>(&topic, Bytes, Bytes).rows()?;
    let told = rows.into_iter().map(|row| {
        let value = String::from_utf8_lossy(&row.value.unwrap_or_default()).into_owned();
        let headers: Vec<_> = row
            .headers
            .iter()
            .map(|(name, text)| format!("{}={text}", name.trim_start_matches("__dlq.")))
            .collect();
        (value, headers.join(" "))
    });
    Ok(told.collect())
}

/// Numbers, but not the thirteenth: state that holds it cannot be committed.
pub struct Superstitious;

impl Serde<i64> for Superstitious {
    fn encode(&self, value: &i64, out: &mut Vec<u8>) {
        assert_ne!(*value, 13, "an unlucky number");
        I64.encode(value, out);
    }

    fn decode(&self, bytes: &[u8], version: u8, slot: &mut Option<i64>) -> Result<()> {
        I64.decode(bytes, version, slot)
    }
}

/// Answers a line with the stream time, but rejects what is from the future.
struct Clockwork;

impl Processor for Clockwork {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &mut self,
        line: Rec<'_, String, String>,
        cx: &mut Context<'_, String, i64>,
    ) -> Result<()> {
        match line.value.as_str() {
            "future" => Err(Fault::Reject("not yet".into())),
            _ => cx.forward(line.key, &cx.stream_time().0),
        }
    }
}

/// Says the stream time at each line. Its task keeps that because it has state.
pub fn clockwork() -> Result<Topology> {
    let builder = Builder::new("app");
    let state = builder.store("state", Utf8, I64);
    builder
        .stream("lines", Utf8, Utf8)
        .process("clockwork", &[state.into()], || Clockwork)
        .to("said", Utf8, I64);
    Ok(builder.build()?)
}
