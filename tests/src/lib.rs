//! The harness of the suites: real servers, a network that fails on command, processes that die on command.
//!
//! It depends on none of our packages, so every package's tests may use it. What it starts ends with the
//! value that stands for it, and also when the test's process dies without unwinding. The suites
//! themselves are test targets of the packages they test; this folder only keeps their files.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "authority")]
mod authority;
mod poll;
mod process;
mod proxy;
mod stack;

#[cfg(feature = "authority")]
pub use authority::Authority;
pub use poll::{TimedOut, poll_until};
pub use process::Process;
pub use proxy::{Api, Loss, Proxy, Who};
pub use stack::{Builder, Part, Stack};
