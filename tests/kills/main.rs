//! Kills on a real Kafka: worker processes that die, stand still and come back, under load.
//!
//! A worker process is this executable, started again with an environment of its own (`worker.rs`). It tells the
//! last place it passed in a file, which stays when it dies. What the broker made of it all is read from its log
//! segments, where transactions can be told apart (`segments.rs`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod broker;
mod history;
mod identity;
mod kills;
mod load;
mod segments;
mod state;
mod stopping;
mod victim;
mod worker;
mod world;
