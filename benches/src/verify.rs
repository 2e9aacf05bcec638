//! Whether an entrant counted right: the last count of every key in its output, against the truth.

use std::time::{Duration, Instant};

use crate::Result;
use crate::input::Input;
use crate::raw::{Client, Consumer, Polled};

const WAIT: Duration = Duration::from_secs(60);

/// Reads `output` to its end and compares. `count` reads a value as the entrant writes it.
pub(crate) fn is_right(
    bootstrap: &str,
    input: &Input,
    output: &str,
    count: fn(&[u8]) -> Option<i64>,
) -> Result<bool> {
    let client =
        Client::new(bootstrap).set("group.id", "verify").set("enable.partition.eof", "true");
    let mut consumer = Consumer::open(client, output, input.partitions)?;
    let mut counts = vec![0; input.keys];
    let mut ends = 0;
    let mut is_readable = true;
    let began = Instant::now();
    while ends < input.partitions && began.elapsed() < WAIT {
        consumer.poll(Duration::from_millis(20), |polled| match polled {
            Polled::End => ends += 1,
            Polled::Record { key, value, .. } => {
                let slot = Input::rank(key).and_then(|rank| counts.get_mut(rank));
                match (slot, count(value)) {
                    (Some(slot), Some(count)) => *slot = count,
                    _ => is_readable = false,
                }
            }
        })?;
    }
    Ok(is_readable && ends == input.partitions && counts == input.counts())
}

/// A count as Kafka's own `LongSerializer` writes it.
pub(crate) fn big_endian(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_be_bytes)
}

/// A count as our serde of numbers writes it, whose bytes sort as the numbers do.
pub(crate) fn sorting(value: &[u8]) -> Option<i64> {
    let bits = value.try_into().ok().map(u64::from_be_bytes)?;
    Some((bits ^ (1 << 63)).cast_signed())
}
