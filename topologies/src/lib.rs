//! The feed: what it computes from which input, with no clock, no socket and no chance.
//!
//! [`ranking`] turns a reader's state and the live posts into a feed as of a time; it is one function
//! of its arguments, so every place that ranks agrees with every other.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::iter_over_hash_type)]

pub mod engagement;
pub mod feed;
#[cfg(test)]
#[path = "../../tests/fuzz/stored.rs"]
mod fuzz;
pub mod ingest;
pub mod layout;
pub mod live;
pub mod past;
pub mod ranking;
pub mod reader;
pub mod state;
pub mod suggestions;
pub mod trending;
