//! The feed against a brute-force reading of what it promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod oracle;
