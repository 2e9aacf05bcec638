//! What tests of programs built on this crate, and of the crate itself, stand on (feature `testing`).

pub mod conformance;
mod crash;
mod driver;
mod process;
mod setup;
mod table;
mod topics;

pub use driver::Driver;
pub use setup::Setup;
pub use table::{Table, table};
pub use topics::{Input, Output, Row};
