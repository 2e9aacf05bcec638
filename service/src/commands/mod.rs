//! The commands that do one thing and end: create the topics, register schemas, show a feed and the metrics of a day, load a
//! world, delete what a TRUNCATE deleted, compare what servers have.

pub mod clickhouse;
pub mod explain;
pub mod load;
pub mod metrics;
pub mod schema;
pub mod show;
pub mod topics;
pub mod truncate;
pub mod verify;
mod workers;
