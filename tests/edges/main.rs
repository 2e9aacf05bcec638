//! The edges against real servers: what Redis, PostgreSQL and ClickHouse hold afterwards, what the registry knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clickhouse;
mod daily_metrics;
mod live_rows;
mod postgres;
mod redis;
mod registry;
mod registry_access;
mod sinking;
