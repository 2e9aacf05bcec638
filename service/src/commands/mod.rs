//! The commands that do one thing and end: create the topics, register schemas, show a feed, load a world, compare
//! what servers have.

pub mod clickhouse;
pub mod load;
pub mod schema;
pub mod show;
pub mod topics;
pub mod verify;
