//! The input topic: the same records in every run, and what counting them must give.
//!
//! Keys are drawn by Zipf's law (exponent 1) from a fixed seed; a key lives in one partition.

use std::time::Duration;

use crate::raw::{Client, Message, Producer};
use crate::{Result, raw};

/// What is written.
#[derive(Clone, Debug)]
pub struct Input {
    /// The topic's name.
    pub topic: String,
    /// How many records.
    pub records: u64,
    /// How many different keys there may be.
    pub keys: usize,
    /// Partitions of the topic.
    pub partitions: i32,
}

const VALUE_BYTES: usize = 64;
const SEED: u64 = 42;
/// How many records are handed to librdkafka in one call, and how many may wait in it.
const CHUNK: usize = 10_000;
const WAITING_MAX: i32 = 200_000;

impl Input {
    /// The key of this rank.
    pub fn key(rank: usize) -> String {
        format!("user-{rank:08}")
    }

    /// The rank that `key` was made from.
    pub fn rank(key: &[u8]) -> Option<usize> {
        std::str::from_utf8(key.strip_prefix(b"user-")?).ok()?.parse().ok()
    }

    /// The partition that the key of this rank lives in.
    pub fn partition(&self, rank: usize) -> i32 {
        i32::try_from(rank % self.partitions.max(1) as usize).unwrap_or(0)
    }

    /// How often each rank occurs: the truth.
    pub fn counts(&self) -> Vec<i64> {
        let mut counts = vec![0; self.keys];
        for rank in self.ranks() {
            if let Some(count) = counts.get_mut(rank) {
                *count += 1;
            }
        }
        counts
    }

    /// Creates the topic and writes it.
    pub fn write(&self, bootstrap: &str) -> Result<()> {
        let client = Client::new(bootstrap)
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "1000000");
        let mut producer = Producer::open(client)?;
        raw::create_topics(&producer, &[&self.topic], self.partitions)?;
        let topic = producer.topic(&self.topic)?;
        let keys: Vec<String> = (0..self.keys).map(Self::key).collect();
        let mut ranks = self.ranks().zip(0_u64..);
        loop {
            let chunk: Vec<(usize, [u8; VALUE_BYTES])> =
                ranks.by_ref().take(CHUNK).map(|(rank, at)| (rank, value(at))).collect();
            if chunk.is_empty() {
                break;
            }
            let messages = chunk.iter().map(|(rank, value)| {
                let key = keys.get(*rank).map_or("", String::as_str);
                Message::new(self.partition(*rank), key.as_bytes(), value)
            });
            producer.send_copies(&topic, messages)?;
            producer.drain_to(WAITING_MAX);
        }
        producer.flush(Duration::from_secs(60))
    }

    /// The key of every record in turn.
    fn ranks(&self) -> impl Iterator<Item = usize> + use<> {
        let bounds = zipf(self.keys);
        let mut random = SplitMix(SEED);
        (0..self.records).map(move |_| {
            let drawn = random.unit();
            bounds.partition_point(|bound| *bound < drawn).min(bounds.len() - 1)
        })
    }
}

/// The value of the record at `place`: letters, so that it compresses as text does.
fn value(place: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    for (at, byte) in (0_u64..).zip(&mut value) {
        *byte = b'a' + ((place * 31 + at * 7) % 26) as u8;
    }
    value
}

/// The distribution function of Zipf's law over so many ranks.
fn zipf(keys: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let mut bounds: Vec<f64> = (1..=keys.max(1))
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    for bound in &mut bounds {
        *bound /= sum;
    }
    bounds
}

/// Steele, Lea and Flood's generator: small, fast, the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input {
        Input { topic: "in".into(), records: 100_000, keys: 1_000, partitions: 4 }
    }

    #[test]
    fn the_same_input_is_drawn_every_time() {
        assert_eq!(input().counts(), input().counts());
    }

    #[test]
    fn counts_follow_zipfs_law() {
        let counts = input().counts();
        let [first, tenth] = [counts[0], counts[9]];
        assert_eq!(counts.iter().sum::<i64>(), 100_000);
        assert!((8..=12).contains(&(first / tenth)), "{first} and {tenth}");
    }

    #[test]
    fn a_key_tells_its_rank() {
        assert_eq!(Input::rank(Input::key(4711).as_bytes()), Some(4711));
        assert_eq!(Input::rank(b"somebody"), None);
    }
}
