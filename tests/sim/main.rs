//! The engine under a clock and a seed: the Driver's suites.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bisection;
mod broadcasts;
mod calls;
mod counters;
mod damage;
mod deployment;
mod disk;
mod fairness;
mod faults;
mod lag;
mod lost;
mod opening;
mod poison;
mod positions;
mod rebalance;
mod restore;
mod seeded;
mod settled;
mod sinks;
mod stores;
mod timers;
mod topology;
mod waiting;
mod word_count;
mod world;
