//! The edges against real servers: what Redis and PostgreSQL hold afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres;
mod redis;
mod sinking;
