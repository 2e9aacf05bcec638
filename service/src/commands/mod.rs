//! The commands that do one thing and end: create the topics, put weight sets into force, register schemas, show a feed, as it is
//! and as it was, the stores of workers, and the metrics of a day, tell what a start would do, load a world, delete what a TRUNCATE
//! deleted, look after dead letters, rebuild state beside the live one, compare what servers have, compare rankings.

pub mod clickhouse;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod flags;
pub mod generate;
pub mod health;
mod json;
mod known_schemas;
pub mod lab;
pub mod load;
pub mod log_reader;
pub mod metrics;
pub mod rebuild;
pub mod replay;
pub mod schema;
pub mod show;
pub mod state;
pub mod topics;
pub mod topology;
pub mod truncate;
pub mod verify;
pub mod weights;
pub mod workers;
