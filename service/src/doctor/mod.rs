//! What is not as it should be on the servers that a feed stands on, and the command that mends each thing.
//!
//! A judge is pure: what a server said of itself in, findings out. Who asks the servers decides nothing.

mod clickhouse;
mod clock;
pub mod examination;
pub mod finding;
mod instances;
mod kafka;
mod postgres;
mod redis;
mod registry;
pub mod topics;
