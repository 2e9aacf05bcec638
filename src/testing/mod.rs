//! What tests of programs built on this crate, and of the crate itself, stand on (feature `testing`).

pub mod conformance;
mod crash;
mod driver;
mod pipes;
mod process;
mod setup;
mod table;

pub use driver::Driver;
pub use pipes::{Input, Output, Row};
pub use setup::Setup;
pub use table::{Table, table};
