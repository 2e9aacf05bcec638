//! The edges against real servers: what Redis and PostgreSQL hold afterwards, what the registry knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres;
mod redis;
mod registry;
mod registry_access;
mod sinking;
