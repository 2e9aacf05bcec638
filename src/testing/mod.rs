//! What tests of programs built on this crate, and of the crate itself, stand on (feature `testing`).

pub mod conformance;
