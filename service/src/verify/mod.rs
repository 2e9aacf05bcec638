//! Whether PostgreSQL, ClickHouse, the state of workers and Redis say the same, and if not, what each says.
//!
//! Nothing is written, and nobody is told that a reader was here. A part of which a server is not configured is left out, and
//! that is said. The decisions are pure: [`days`], [`sight`] and [`suspects`] for [`rows`], [`copies`] for [`feeds`];
//! [`report`] tells what came of it.

mod copies;
mod days;
mod difference;
mod feeds;
mod report;
mod rows;
mod sight;
mod suspects;

pub use copies::contents as differing;
pub use feeds::Feeds;
pub use report::Report;
pub use rows::Rows;
