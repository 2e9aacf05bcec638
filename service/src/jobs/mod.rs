//! What runs beside the requests, and the commands that put it together.

pub mod engine;
pub mod log;
pub mod probe;
pub mod serve;
pub mod show;
pub mod sink;
#[cfg(all(test, feature = "rocksdb"))]
mod tests;
pub mod topics;
