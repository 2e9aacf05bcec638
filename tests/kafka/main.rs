//! The port's promises on a real Kafka, where the conformance suite does not reach.
//!
//! One broker serves all of it: its own, or the one `MILLSTREAM_KAFKA` names. Every test has topics and groups of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod consumer;
mod membership;
mod producer;
mod world;
