//! The demonstration.

mod envelope;
mod page;
mod world;
