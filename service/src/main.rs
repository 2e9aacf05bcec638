//! The only binary: reads what it is told, builds the parts, and runs one command.
#![forbid(unsafe_code)]

mod breaker;
mod cli;
mod config;
mod http;
mod jobs;
mod metrics;
mod read;
mod token;

fn main() {}
