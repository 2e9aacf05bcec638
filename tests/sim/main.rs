//! The engine under a clock and a seed: the Driver's suites.

mod broadcasts;
mod faults;
mod headers;
mod poison;
mod rebalance;
mod restore;
mod seeded;
mod timers;
mod topology;
mod word_count;
mod world;
