//! The engine under a clock and a seed: the Driver's suites.

mod word_count;
