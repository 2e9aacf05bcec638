//! What tests of programs built on this crate, and of the crate itself, stand on (feature `testing`).

pub mod conformance;
mod driver;
mod pipes;
mod table;

pub use driver::{Driver, Setup};
pub use pipes::{Input, Output, Row};
pub use table::{Table, table};
