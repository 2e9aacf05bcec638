//! The port's promises on a real Kafka, where the conformance suite does not reach.
//!
//! One broker is started for all tests, unless `MILLSTREAM_KAFKA` names one. Every test has topics and groups of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod consumer;
mod faults;
mod membership;
mod metadata;
mod producer;
mod secured;
mod world;
