//! The port's promises on a real Kafka, where the conformance suite does not reach.
//!
//! The cluster's address comes from `MILLSTREAM_KAFKA`. Every test has topics and groups of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod consumer;
mod membership;
mod producer;
mod world;
