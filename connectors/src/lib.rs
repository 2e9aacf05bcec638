//! The edges of the feed: where its topics leave Kafka, and where a read asks when Kafka's answer is missing.
//!
//! A folder is one system and has the same files wherever the system has the same part: `mod.rs` opens it
//! and names its faults, `sink.rs` applies what a topic says, `run.rs` is the loop that drives a sink,
//! and the file named after a question answers it. Every sink reads committed records only, applies them
//! idempotently and commits its position afterwards, so a crash repeats work and never loses it. [`backoff`] is how each waits
//! for a system that is away, and [`outage`] what it says of it. What a system takes long over is told by [`slow`], from the one
//! file of its folder through which calls pass: `connection.rs`, `client.rs`, `asked.rs`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod backoff;
mod causes;
pub mod clickhouse;
mod group;
pub mod outage;
pub mod postgres;
pub mod redis;
pub mod registry;
pub mod slow;
pub mod table;
